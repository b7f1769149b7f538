"""Where settings come from: a file of config/, environment variables, flags. A later one wins.

Nothing is interpreted here but `{account}`, `{region}`, `{environment}` and `{content}` within a text; what a
value must be is the model's business, in settings.py. An unknown key is an error that names the nearest.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SettingsError

PREFIX = "SENTIMENT_"
CHOICE = "SENTIMENT_ENVIRONMENT"  # which environment, where a command does not say --env
VARIABLES = "the environment"  # as a source; an origin names the very variable instead
FLAGS = "the flags"
PLACEHOLDERS = ("account", "region", "environment")  # what a text may name in braces
CONTENT = "content"  # and this in the address of an image: the hash of what that is made of

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


def environments(config: Path) -> list[str]:
    """The names that --env takes: the files of config/."""
    return sorted(file.stem for file in config.glob("*.yaml"))


def gather(
    config: Path,
    environment: str,
    variables: Mapping[str, str],
    flags: Mapping[str, Any],
    keys: Iterable[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that someone set, and where: {"spot": True}, {"spot": "config/dev.yaml"}."""
    known = list(keys)
    sources = {
        f"config/{environment}.yaml": _read(config, environment),
        VARIABLES: {
            name.removeprefix(PREFIX).lower(): value
            for name, value in variables.items()
            if name.startswith(PREFIX) and value and name != CHOICE  # CI sets what it has no value for to ""
        },
        FLAGS: flags,
    }
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, given in sources.items():
        for key, value in given.items():
            if key not in known:
                near = difflib.get_close_matches(str(key).lower(), known, n=1)
                hint = f"; did you mean {_named(source, near[0])!r}?" if near else ""
                if source == FLAGS and not near:
                    hint = f"; see: python -m pipeline config; a parameter of the pipeline is --set {key}=…"
                raise SettingsError(f"{source}: unknown setting {_named(source, key)!r}{hint}")
            values[key] = value
            origins[key] = _named(source, key) if source == VARIABLES else source
    return values, origins


def fill(
    values: Mapping[str, Any],
    places: Mapping[str, str],
    contents: Mapping[str, Callable[[], str]],
    origins: Mapping[str, str],
) -> dict[str, Any]:
    """fill({"bucket": "b-{account}"}, {"account": "1"}, …) -> {"bucket": "b-1"}; in lists and pairs too.

    contents: what {content} is, by key; asked only where a text names it.
    """

    def filled(value: Any, key: str) -> Any:
        if isinstance(value, str):
            known = (*PLACEHOLDERS, CONTENT) if key in contents else PLACEHOLDERS
            named = _PLACEHOLDER.findall(value)
            for name in named:
                if name not in known:
                    raise SettingsError(
                        f"{origins[key]}: {key} = {value!r}: there is no {{{name}}}; a text may name "
                        + ", ".join(f"{{{each}}}" for each in known)
                    )
            here = {**places, CONTENT: contents[key]()} if CONTENT in named else places
            return _PLACEHOLDER.sub(lambda match: here.get(match[1], match[0]), value)
        if isinstance(value, list):
            return [filled(item, key) for item in value]
        return {name: filled(item, key) for name, item in value.items()} if isinstance(value, dict) else value

    return {key: filled(value, key) for key, value in values.items()}


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, key in enumerate(keys):
            if key.value in {earlier.value for earlier in keys[:place]}:
                line = key.start_mark.line + 1
                raise SettingsError(f"line {line}: the key {key.value!r} stands twice; keep one of the lines")
        return super().construct_mapping(node, deep)


def mapping(path: Path) -> dict[str, Any]:
    """A YAML file of `key: value` lines."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}  # noqa: S506 (a safe one)
    except SettingsError as error:
        raise SettingsError(f"{path}, {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold `key: value` lines; found {content!r}")
    return content


def _read(config: Path, environment: str) -> dict[str, Any]:
    known = environments(config)
    if environment not in known:
        raise SettingsError(
            f"there is no environment {environment!r}; there is {', '.join(known)} (the files of {config})"
        )
    return mapping(config / f"{environment}.yaml")


def _named(source: str, key: Any) -> str:
    return PREFIX + key.upper() if source == VARIABLES else str(key)

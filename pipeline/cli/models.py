"""models list, models show, models compare, models approve, models reject."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline import evaluation, registry, sessions, settings
from pipeline.cli import models_text as text
from pipeline.cli import report
from pipeline.cli.models_text import Known
from pipeline.cli.report import command
from pipeline.cli.text import shown, table
from pipeline.errors import UsageError
from pipeline.multipart import in_parallel
from pipeline.registry import APPROVED, REJECTED, Version
from pipeline.sessions import Clients
from pipeline.settings import Settings

LATEST = 20
AT_ONCE = 10  # versions that are asked for: as many connections as a client keeps


def list_all(environment: str, flags: Mapping[str, Any], everything: bool, as_json: bool) -> None:
    with _connected(environment, flags) as (clients, config):
        arns = list(registry.arns(clients.sagemaker, config.model_package_group))
        live = registry.live(clients.sagemaker, config.endpoint)

        def look(arn: str) -> Known:
            return _known(clients, registry.describe(clients.sagemaker, arn), live)

        found = list(in_parallel(look, arns if everything else arns[:LATEST], AT_ONCE))
    if as_json:
        print(json.dumps([text.brief(each) for each in found], indent=1))
        return
    if not found:
        how = () if environment == "local" else ("--upsert", "--start", "--wait")
        print(f"no versions yet; a run registers one: {report.run(environment, *how)}")
        return
    print(*table([text.HEAD, *map(text.cells, found)]), sep="\n")
    if len(arns) > len(found):
        print(f"and {len(arns) - len(found):,} more; see: {command(environment, 'models', 'list', '--all')}")
    _next([command(environment, "models", "show", str(found[0].version.number))])


def show(environment: str, flags: Mapping[str, Any], named: str, as_json: bool) -> None:
    number = registry.number(named)
    with _connected(environment, flags) as (clients, config):
        version = registry.version(clients.sagemaker, config.model_package_group, number)
        live = registry.live(clients.sagemaker, config.endpoint)
        found = _known(clients, version, live)
    if as_json:
        print(json.dumps(text.whole(found), indent=1))
        return
    for name, value in text.facts(found, config.endpoint, environment):
        print(f"{name:<10}  {value}")
    _next(text.after(found, live, environment))


def compare(
    environment: str, flags: Mapping[str, Any], one_named: str, other_named: str, as_json: bool
) -> None:
    first, second = registry.number(one_named), registry.number(other_named)
    if first == second:
        raise UsageError(f"{first} and {second} are the same version; name two")
    with _connected(environment, flags) as (clients, config):
        group = config.model_package_group
        versions = [registry.version(clients.sagemaker, group, number) for number in (first, second)]
        live = registry.live(clients.sagemaker, config.endpoint)
        one, other = (_known(clients, version, live) for version in versions)
    result = evaluation.compare(one.tested, other.tested)
    if as_json:
        answer = {
            "versions": [text.whole(one), text.whole(other)],
            "accuracy_difference": result.difference,
            "intervals_overlap": result.overlap,
            "same_test_set": result.same_test_set,
        }
        print(json.dumps(answer, indent=1))
        return
    print(*table(text.beside(one, other)), "", *text.verdict(first, second, result), sep="\n")


def decide(
    environment: str, flags: Mapping[str, Any], named: str, status: str, note: str, as_json: bool
) -> None:
    """Approve or reject."""
    number, note, instead = registry.number(named), registry.checked(note), None
    with _connected(environment, flags) as (clients, config):
        group = config.model_package_group
        version = registry.version(clients.sagemaker, group, number)
        changed = registry.decide(clients.sagemaker, version, status, note)
        live = registry.live(clients.sagemaker, config.endpoint) == number
        if live and status == REJECTED:
            instead = registry.newest(clients.sagemaker, group, APPROVED)
    note = note if changed else version.note
    if as_json:
        print(
            json.dumps({"version": number, "status": status, "changed": changed, "note": note, "live": live})
        )
    else:
        said = f": {shown(note)}" if note else ""
        print(f"version {number} is {status}{said}" if changed else _nothing(version, said))
    if live and status == REJECTED:
        print(f"warning: {_stays(number, config.endpoint, instead, environment)}", file=sys.stderr)
    elif live and not as_json:
        print(f"it is live on {config.endpoint}")
    elif status == APPROVED and not as_json:
        _next([command(environment, "endpoint", "deploy", str(number))])


def _nothing(version: Version, said: str) -> str:
    return f"version {version.number} is {version.status} already{said}\nnothing was changed"


def _stays(number: int, endpoint: str, instead: Version | None, environment: str) -> str:
    """What becomes of a live version that is rejected."""
    stays = f"version {number} stays live on {endpoint} until another is deployed"
    if instead:
        return f"{stays}: {command(environment, 'endpoint', 'deploy', str(instead.number))}"
    return (
        f"{stays}, and none is approved; see: {command(environment, 'models', 'list')}, "
        f"or remove the endpoint: {command(environment, 'endpoint', 'delete')}"
    )


def _known(clients: Clients, version: Version, live: int | None) -> Known:
    return Known(version, registry.tested(clients.storage, version), version.number == live)


def _next(commands: Iterable[str]) -> None:
    print("", "next:", *(f"  {each}" for each in commands), sep="\n")


@contextmanager
def _connected(environment: str, flags: Mapping[str, Any]) -> Iterator[tuple[Clients, Settings]]:
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder()) as clients:
        yield clients, config

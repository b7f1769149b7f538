"""The commands that the README and the workflows name exist, with their verbs and options."""

import re
import shlex

import pytest
import typer

from pipeline import run
from pipeline.cli.app import app
from shared import ROOT

SOURCES = [
    ROOT / "README.md",
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    ROOT / ".ci" / "plan-against",
]
COMMAND = re.compile(r"""python -m (pipeline(?:\.run)?\b(?:"[^"]*"|[^`|)\n;#&>"])*)""")
MORE = re.compile(r"^\| `… ([^`]+)`", re.MULTILINE)  # "… --data PATH": of pipeline.run


def documented() -> list[str]:
    texts = [path.read_text() for path in SOURCES]
    found = {command.strip() for text in texts for command in COMMAND.findall(text)}
    found |= {f"pipeline.run {options}" for options in MORE.findall(texts[0])}
    return sorted(found)


def commands():
    alone = typer.Typer(add_completion=False)
    alone.command()(run.run)
    return {"pipeline": typer.main.get_command(app), "pipeline.run": typer.main.get_command(alone)}


@pytest.mark.parametrize("text", documented())
def test_a_documented_command_exists(text):
    module, *words = shlex.split(text)
    command = commands()[module]
    for word in words:
        if word.startswith("--"):
            known = {option for parameter in command.params for option in parameter.opts}
            assert word in known | {"--help"}, f"{text}: there is no {word}"
        elif hasattr(command, "commands"):
            assert word in command.commands, f"{text}: there is no {word}"
            command = command.commands[word]


def test_the_documented_commands_are_found():
    found = documented()
    assert len(found) > 15
    assert {"pipeline.run --local", "pipeline.run --plan", "pipeline lint", "pipeline config --json"} <= set(
        found
    )

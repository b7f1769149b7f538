"""corrections: what people said was wrong, and a data set with that in it."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import corrections, sessions, settings
from pipeline.cli.report import command
from pipeline.cli.report import run as again
from pipeline.corrections import Correction
from pipeline.errors import UsageError

EXCERPT = 60  # characters of a review


def run(
    environment: str, flags: Mapping[str, Any], base: Path | None, target: Path | None, as_json: bool
) -> None:
    """List them, or write a data set with them to `target`."""
    if base and not target:
        raise UsageError("--data names the reviews that --to FILE adds the corrections to; give it as well")
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder()) as clients:
        found = corrections.read(clients.storage, config.root)
    if target is None:
        show(found, environment, as_json)
        return
    merged = corrections.write(found, base, target)
    if as_json:
        print(json.dumps(dataclasses.asdict(merged)))
        return
    print(
        f"{target}: {merged.reviews:,} reviews, {merged.changed:,} with another label, {merged.added:,} new"
    )
    if merged.contradictory:
        print(f"{merged.contradictory:,} that were corrected both ways are as they were")
    wanted = [] if environment == "local" else ["--upsert", "--start", "--wait"]
    print(f"\nnext:\n  {again(environment, *wanted, '--data', str(target))}")


def show(found: list[Correction], environment: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(each) for each in found], indent=1))
        return
    if not found:
        print(f"no corrections; they are made on the page: {command(environment, 'web')}")
        return
    print(f"{'day':<10}  {'said':<8}  {'model said':<15}  {'model':<12}  review")
    for each in found:
        asked = f"{each.probability:.1%} positive"
        version, text = _shown(each.model_version, 12), _shown(each.review, EXCERPT)
        print(f"{each.day}  {each.label:<8}  {asked:<15}  {version:<12}  {text}")
    print(f"\nnext:\n  {command(environment, 'corrections', '--to', 'reviews.jsonl')}")


def _shown(text: str, most: int) -> str:
    """A stranger's text on one line: without the characters that would drive a terminal."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"

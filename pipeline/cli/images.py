"""images build, images push, images list."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from pipeline import docker, settings
from pipeline.cli.report import command
from pipeline.errors import UsageError
from pipeline.images import builds, engine, listing, pushes
from pipeline.images.addresses import Image
from pipeline.images.builds import TORCH_INDEX, Options
from pipeline.images.listing import Row
from pipeline.images.sources import TARGETS

NOT_KNOWN = "not known"


def options(base: str | None, network: str | None, torch_index: str | None) -> Options:
    """Of the command line."""
    return Options(base, network, TORCH_INDEX if torch_index is None else torch_index)


def build(targets: Sequence[str] | None, how: Options, as_json: bool) -> None:
    chosen = _chosen(targets) or TARGETS
    with engine.advised():
        docker.check()
    done = []
    for target in chosen:
        built = builds.build(target, how, sys.stderr, _note)
        done.append(built)
        if not as_json:
            state = "built" if built.built else "was built before"
            print(f"{target:<10}  {built.image}  {state}, {_size(built.bytes)}")
    if as_json:
        print(json.dumps({"images": [asdict(each) for each in done]}))


def push(
    environment: str, flags: Mapping[str, Any], targets: Sequence[str] | None, how: Options, as_json: bool
) -> None:
    chosen = _chosen(targets)
    done = pushes.push(settings.load(environment, flags), chosen, how, sys.stderr, _note)
    if as_json:
        print(json.dumps({"images": [asdict(each) for each in done]}))
        return
    for each in done:
        state = "pushed" if each.pushed else "was there before"
        print(f"{each.target:<10}  {each.image}  {state}, {each.digest}")


def list_(environment: str, flags: Mapping[str, Any], as_json: bool) -> None:
    found = listing.listing(settings.load(environment, flags))
    if as_json:
        print(json.dumps({"images": [_as_dict(row) for row in found.rows], "notes": found.notes}))
        return
    width = max(len(row.image) for row in found.rows)
    print(f"{'target':<10}  {'image':<{width}}  {'built here':<10}  in ECR")
    for row in found.rows:
        print(f"{row.target:<10}  {row.image:<{width}}  {_built(row):<10}  {_in_ecr(row)}")
    for note in found.notes:
        _note(note)
    if any(row.built is False for row in found.rows):
        print(f"\nbuild what is missing: {command('local', 'images', 'build')}")
    if any(row.in_ecr is False for row in found.rows):
        print(f"push what is missing: {command(environment, 'images', 'push')}")


def _chosen(targets: Sequence[str] | None) -> list[str]:
    """Each once. Raises UsageError for one that there is not."""
    for target in targets or ():
        if target not in TARGETS:
            raise UsageError(f"there is no image {target!r}; there is {', '.join(TARGETS)}")
    return list(dict.fromkeys(targets or ()))


@cache
def _note(text: str) -> None:
    """Once, however many images it is of."""
    print(f"note: {text}", file=sys.stderr)


def _built(row: Row) -> str:
    if row.built is None:
        return NOT_KNOWN
    return "no" if row.bytes is None else _size(row.bytes)


def _in_ecr(row: Row) -> str:
    if row.found:
        return f"{row.found.digest}, {row.found.pushed.astimezone():%Y-%m-%d %H:%M}"
    if Image.parse(row.image) is None:
        return "-"
    return NOT_KNOWN if row.in_ecr is None else "no"


def _as_dict(row: Row) -> dict[str, Any]:
    pushed = row.found.pushed.isoformat() if row.found else None
    digest = row.found.digest if row.found else None
    members = {key: getattr(row, key) for key in ("target", "image", "built", "bytes", "in_ecr")}
    return {**members, "digest": digest, "pushed": pushed}


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"

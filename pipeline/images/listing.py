"""Where each image is: in the engine of this machine, in ECR, in neither. Nothing is changed, nothing built.

What cannot be asked (no engine, no credentials) is "not known", with the reason as a note, and no error.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline import aws_errors, docker
from pipeline.errors import EngineFailed
from pipeline.images import engine, registry, sources
from pipeline.images.addresses import Image
from pipeline.images.registry import Clients, Found
from pipeline.settings import Settings


@dataclass(frozen=True)
class Row:
    target: str
    image: str  # what the settings name
    built: bool | None  # has the engine what this checkout makes? None: not known
    bytes: int | None
    in_ecr: bool | None  # None: not known, or another registry
    found: Found | None


@dataclass
class Listing:
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # why something is not known


def listing(settings: Settings, connect: Callable[[Settings], Clients] = registry.connect) -> Listing:
    done = Listing()
    answers = _engine_answers(done)
    clients: Clients | None = None
    for target in sources.TARGETS:
        uri = getattr(settings, f"{target}_image")
        name, image = sources.name(target), Image.parse(uri)
        built = docker.image_id(name) is not None if answers else None
        in_ecr, found = None, None
        if image:
            clients = clients or connect(settings)
            in_ecr, found = _in_ecr(clients.ecr, image, done)
        size = engine.size(name) if built else None
        done.rows.append(Row(target, uri, built, size, in_ecr, found))
    return done


def _engine_answers(done: Listing) -> bool:
    try:
        with engine.advised():
            docker.check()
    except EngineFailed as error:
        done.notes.append(f"what is built here is not known: {error}")
        return False
    return True


def _in_ecr(ecr: Any, image: Image, done: Listing) -> tuple[bool | None, Found | None]:
    try:
        found = registry.find(ecr, image)
    except (BotoCoreError, ClientError) as error:
        note = f"what is in ECR is not known: {aws_errors.explain(error)}"
        if note not in done.notes:
            done.notes.append(note)
        return None, None
    return found is not None, found

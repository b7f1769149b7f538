"""What every operation of the local service works on: state, storage, runner, and how things are named.

One object instead of globals, so that two services (two state folders) can live in one process, as they do in
tests.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import Fault
from pipeline.local.alarms import Alarm
from pipeline.local.jobs import JobContext, Runner
from pipeline.local.store import Document, Store
from pipeline.storage import FolderStorage

if TYPE_CHECKING:
    from pipeline.local.endpoints import Endpoints
    from pipeline.local.engine import Engine

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass
class Backend:
    home: Path
    store: Store
    storage: FolderStorage
    runner: Runner  # of jobs and model servers
    function_runner: Runner  # of Lambda functions, which have no image
    functions: Mapping[
        str, Path
    ]  # name of a Lambda function -> the Python file with its handler(event, context)
    alarms: Mapping[str, Alarm] = field(default_factory=dict)  # that an update of an endpoint may name
    clock: Callable[[], float] = time.monotonic  # of the waits of such an update
    url: str = ""  # where the service listens; known once it does
    endpoints: "Endpoints" = field(init=False)
    engine: "Engine" = field(init=False)

    def job_context(self, stopping: Callable[[], bool] = lambda: False) -> JobContext:
        return JobContext(
            storage=self.storage,
            jobs=self.home / "jobs",
            models=self.home / "models",
            runner=self.runner,
            stopping=stopping,
        )

    def find(self, kind: str, name_or_arn: str, label: str | None = None) -> Document:
        """The resource of that name or ARN, or the error that AWS would answer."""
        found = self.store.get(kind, name_of(name_or_arn))
        if found is None:
            raise Fault("ResourceNotFound", f"{label or kind} '{name_or_arn}' does not exist.")
        return found

    def idempotent(
        self,
        operation: str,
        resource: str,
        token: str,
        create: Callable[[], Document],
        exists: Callable[[Document], object] = bool,
    ) -> Document:
        """The answer of the first call for this resource with this client token; a repeated call creates
        nothing, unless what the first one made is gone."""
        with self.store.transaction():
            name = f"{operation}/{resource}/{token}"
            answer = self.store.get("ClientRequestToken", name)
            if answer is None or not exists(answer):
                answer = create()
                self.store.put("ClientRequestToken", name, answer)
        return answer


def arn(kind: str, name: str) -> str:
    """arn("pipeline", "reviews") -> "arn:aws:sagemaker:us-east-1:000000000000:pipeline/reviews" """
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def name_of(name_or_arn: str) -> str:
    """The part of an ARN that names the resource: an execution's id, a model package's group/version."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    kind, _, name = name_or_arn.split(":", 5)[-1].partition("/")
    return name.rpartition("/")[2] if kind == "pipeline" else name


def new_id(length: int = 12) -> str:
    """Twelve lower-case letters and digits, the form of an execution's id on AWS."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(length))


def page(member: str, rows: list[Any], request: Document, *, order: str, default: int = 100) -> Document:
    """One page of a listing whose rows come oldest (or alphabetically) first.

    order is the direction AWS uses where the request names none. NextToken counts the rows already given.
    """
    if request.get("SortOrder", order) == "Descending":
        rows = rows[::-1]
    token = request.get("NextToken", "0")
    if not token.isdigit():
        raise Fault("ValidationException", f"NextToken {token!r} is not one that this service gave")
    start = int(token)
    end = start + min(int(request.get("MaxResults", default)), 100)
    return {member: rows[start:end], **({"NextToken": str(end)} if end < len(rows) else {})}


def between(rows: list[Document], request: Document, member: str, after: str, before: str) -> list[Document]:
    """The rows whose time `member` lies within the request's bounds; without bounds, all."""
    low, high = request.get(after, float("-inf")), request.get(before, float("inf"))
    return [row for row in rows if low < row[member] < high]

"""What a person asked of python -m pipeline.run, and what does not go together. Reads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError


@dataclass(frozen=True)
class Request:
    environment: str
    plan: bool
    upsert: bool
    start: bool
    wait: bool  # and therefore start
    settings: Mapping[str, str]  # instead of those of the environment's file
    data: str | None  # a path or s3://…
    assignments: tuple[str, ...]  # NAME=VALUE
    only: tuple[str, ...]  # steps
    first: str | None  # step
    source: str | None  # the id of an execution
    token: str | None
    timeout: float  # seconds
    summary: Path | None
    against: str | None  # a file, or - for none
    as_json: bool

    @property
    def selective(self) -> bool:
        return bool(self.only or self.first)

    @property
    def reviews(self) -> Path | None:
        """Those on this machine, to be uploaded."""
        return Path(self.data) if self.data and not self.data.startswith("s3://") else None

    def check(self) -> None:
        """Raises UsageError for options that ask for nothing, or do not go together."""
        if not (self.plan or self.upsert or self.start):
            raise UsageError(
                f"say what to do in {self.environment}: --plan, --upsert, --start or --wait; "
                "or --local, which does it all on this machine"
            )
        if self.plan and (self.upsert or self.start):
            start = "--wait" if self.wait else "--start" if self.start else ""
            rest = " ".join(filter(None, ("--upsert" if self.upsert else "", start)))
            raise UsageError(
                f"--plan shows and changes nothing; type it without {rest}, then {rest} without it"
            )
        for option, text in (
            ("--from", self.first),
            ("--source", self.source),
            ("--token", self.token),
            ("--against", self.against),
        ):
            if text is not None and not text.strip():
                raise UsageError(f"{option} is empty; give it a value, or leave it out")
        for option, given, needed, there in (
            ("--only", self.only, "--start", self.start),
            ("--from", self.first, "--start", self.start),
            ("--source", self.source, "--only or --from", self.selective),
            ("--token", self.token, "--start", self.start),
            ("--summary", self.summary, "--wait", self.wait),
            ("--against", self.against, "--plan and nothing else", not (self.upsert or self.start)),
        ):
            if given is not None and given != () and not there:
                raise UsageError(f"{option} goes with {needed}; add that, or leave out {option}")
        if self.data is not None and not self.data.strip():
            raise UsageError("--data is empty; name a file or a folder of labelled reviews")
        if self.data and any(each.startswith("InputData=") for each in self.assignments):
            raise UsageError("--data and --set InputData=… name the reviews twice; keep one")
        if self.reviews and not (self.plan or self.upsert):
            raise UsageError(
                f"--data {self.data} is uploaded by --upsert; add that, or name reviews in S3: s3://…"
            )

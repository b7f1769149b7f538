"""What lint and preflight report: one fault, where it is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One fault. `str` gives the line that a person reads.

    An error would be refused, or would fail the run; a warning might; a note is worth knowing.
    """

    step: str  # empty for the definition, the settings or the account as a whole
    path: str
    problem: str
    remedy: str
    severity: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        place = ".".join(part for part in (self.step, self.path) if part)
        return f"{self.severity}: {place + ': ' if place else ''}{self.problem}; {self.remedy}"


def errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]

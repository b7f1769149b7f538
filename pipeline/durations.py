"""ISO 8601 durations of a step's cache expiry: P30D, PT16M, P1DT5H, and AWS's short 30d, T16m, 30dT5h."""

import re

_DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)
_DAY = 86_400
_SECONDS = {
    "years": 365 * _DAY,
    "months": 30 * _DAY,
    "weeks": 7 * _DAY,
    "days": _DAY,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
}


def seconds(text: str) -> int:
    """seconds("P1DT5H") -> 104400; a year has 365 days, a month 30. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    parts = {unit: int(count) for unit, count in match.groupdict().items() if count} if match else {}
    if not parts or text.upper().endswith("T"):
        raise ValueError(f"{text!r} is no duration such as P30D, PT16M or P1DT5H")
    return sum(count * _SECONDS[unit] for unit, count in parts.items())

"""What a run costs, at most and as the last one did, from the small price table in config/prices.yaml.

Only prices that a named public source gives are in the table. What it does not hold is unknown (None), never
guessed; the prices are on demand, so that for spot training they are the ceiling.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.settings import Settings


@dataclass(frozen=True)
class Row:
    step: str
    instance_type: str
    hourly: float | None  # $
    last_seconds: float | None  # of the last run
    most_seconds: float | None  # its limit
    last: float | None  # $ for last_seconds
    most: float | None  # $ for most_seconds


@dataclass(frozen=True)
class Estimate:
    rows: tuple[Row, ...]
    last: float | None  # $ of a run like the last one; None if any job's is unknown
    most: float | None  # $ of a run in which each job reaches its limit; None if any is unknown
    endpoint_hourly: float | None  # $, of all instances
    note: str  # date, region, and what the figures leave out


def estimate(settings: Settings, seconds: Mapping[str, float]) -> Estimate:
    """seconds: of each job step in the last execution, {"Train": 95.2}; a step that it lacks is unknown."""
    raise NotImplementedError

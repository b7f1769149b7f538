"""What a run costs: like the last one, and if each job took all the time it may.

The prices are those of config/prices/, a small table of figures that AWS's price list gives.
What it does not hold is unknown (None), never guessed from a similar instance, another use or another region.
"""

import datetime
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import defaults, diff, settings_sources
from pipeline.clusters import cluster
from pipeline.dag import Definition
from pipeline.errors import SettingsError
from pipeline.parameters import Value
from pipeline.settings import CONFIG, Settings

TABLE = CONFIG / "prices" / "us-east-1.yaml"
HOUR = 3600

Use = Literal["processing", "training", "transform", "endpoint"]
Prices = dict[str, Annotated[float, Field(gt=0)]]  # instance type -> $ an hour

_USES: dict[str, Use] = {"Processing": "processing", "Training": "training", "Transform": "transform"}


class PriceTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    date: datetime.date  # no figure is older
    source: str
    processing: Prices
    training: Prices
    transform: Prices
    endpoint: Prices

    def per_hour(self, use: Use, instance_type: str, region: str) -> float | None:
        prices: Prices = getattr(self, use)
        return prices.get(instance_type) if region == self.region else None


@dataclass(frozen=True)
class Row:
    """A job step; $ and seconds. None: not known."""

    name: str
    instance_type: str
    price_per_hour: float | None  # of all its instances
    seconds: float | None  # of the last run
    most_seconds: float | None  # that it may run and be billed; None: SageMaker sets no limit
    cost: float | None  # of a run like the last
    most: float | None


@dataclass(frozen=True)
class Estimate:
    rows: tuple[Row, ...]
    total: float | None  # of a run like the last; None where a job's cost is not known
    most: float | None  # if each job with a time limit reaches it; None where a price is not known
    endpoint_per_hour: float | None  # of all its instances, for as long as it is there
    note: str  # where the prices are from, and what they leave out


class Job(NamedTuple):
    step: str
    use: Use
    instance_type: str
    instances: int
    most_seconds: int | None  # that it may run, and be billed for
    spot: bool


def estimate(
    definition: Definition,
    settings: Settings,
    seconds: Mapping[str, float],
    values: Mapping[str, Value] | None = None,
    table: Path = TABLE,
) -> Estimate:
    """Of a run with these values of its parameters, else with their defaults.

    seconds: how long each job step took in the last execution, {"Train": 95.2}; not all need be there.
    """
    prices = load(table)
    given = values or {}
    jobs = list(_jobs(definition, given))
    rows = tuple(
        _row(job, prices.per_hour(job.use, job.instance_type, settings.region), seconds) for job in jobs
    )
    machine = str(given.get("EndpointInstanceType", settings.endpoint_instance_type))
    count = int(given.get("EndpointInstanceCount", settings.endpoint_instance_count))
    endpoint = prices.per_hour("endpoint", machine, settings.region)
    return Estimate(
        rows=rows,
        total=_sum(row.cost for row in rows),
        most=_sum(row.most for row in rows if row.most_seconds is not None),
        endpoint_per_hour=None if endpoint is None else endpoint * count,
        note="; ".join(_notes(settings, prices, jobs, machine)),
    )


def load(path: Path = TABLE) -> PriceTable:
    try:
        return PriceTable(**settings_sources.mapping(path))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"{path}: {faults}") from error


def _jobs(definition: Definition, values: Mapping[str, Value]) -> Iterator[Job]:
    for step in definition.steps.values():
        if step.type not in _USES:
            continue
        arguments: dict[str, Any] = defaults.filled(step.arguments, definition, values)
        machines = cluster(step.type, arguments)
        limit = (arguments.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds")
        warm = machines.get("KeepAlivePeriodInSeconds") or 0  # a warm pool is billed too
        yield Job(
            step=step.name,
            use=_USES[step.type],
            instance_type=diff.readable(machines.get("InstanceType", "unknown")),
            instances=machines.get("InstanceCount", 1),
            most_seconds=None if limit is None else limit + warm,
            spot=bool(arguments.get("EnableManagedSpotTraining")),
        )


def _row(job: Job, price: float | None, seconds: Mapping[str, float]) -> Row:
    taken = seconds.get(job.step)
    per_hour = None if price is None else price * job.instances
    return Row(
        name=job.step,
        instance_type=job.instance_type,
        price_per_hour=per_hour,
        seconds=taken,
        most_seconds=job.most_seconds,
        cost=_cost(per_hour, taken),
        most=_cost(per_hour, job.most_seconds),
    )


def _cost(price: float | None, seconds: float | None) -> float | None:
    return None if price is None or seconds is None else price * seconds / HOUR


def _sum(costs: Iterable[float | None]) -> float | None:
    known = list(costs)
    return None if None in known else math.fsum(cost for cost in known if cost is not None)


def _notes(settings: Settings, prices: PriceTable, jobs: Iterable[Job], endpoint: str) -> Iterator[str]:
    if settings.region != prices.region:
        yield f"no price is known of {settings.region}: config/prices/ has those of {prices.region}"
        return
    yield f"on-demand prices of {prices.region}, of {prices.date} or later (config/prices/)"
    wanted: list[tuple[Use, str]] = [(job.use, job.instance_type) for job in jobs]
    wanted.append(("endpoint", endpoint))
    for use, instance_type in dict.fromkeys(wanted):
        if prices.per_hour(use, instance_type, settings.region) is None:
            yield f"the {use} price of {instance_type} is not known"
    if any(job.spot for job in jobs):
        yield "spot training costs less"
    if endless := [job.step for job in jobs if job.most_seconds is None]:
        yield f"the limit of {' and '.join(endless)} is not known: a transform job has none"
    yield "storage, requests and further tries of a job come on top"

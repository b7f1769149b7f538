"""runs list, runs show, runs wait, retry, stop."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import control, outcome, sessions, settings, start
from pipeline.cli import follow, summary
from pipeline.cli.report import command
from pipeline.control import execution_id
from pipeline.settings import Settings

LATEST = 20


def list_all(environment: str, flags: Mapping[str, Any], everything: bool, as_json: bool) -> None:
    with _connected(environment, flags) as (clients, config):
        found = list(control.executions(clients.sagemaker, config.pipeline))
        shown = found if everything else found[:LATEST]
        rows = [_row(clients, each) for each in shown]
    if as_json:
        print(json.dumps([{**row, "started": row["started"].isoformat()} for row in rows], indent=1))
        return
    if not rows:
        how = "--local" if environment == "local" else f"--env {environment} --upsert --start --wait"
        print(f"no executions yet; start one with: python -m pipeline.run {how}")
        return
    print(f"{'execution':<12}  {'started':<19}  {'status':<9}  accuracy  version  reason")
    for row in rows:
        reason = control.in_short(row["failure_reason"] or "")
        accuracy = "-" if row["accuracy"] is None else f"{row['accuracy']:.4f}"
        print(
            f"{row['execution']}  {row['started']:%Y-%m-%d %H:%M:%S}  {row['status']:<9}  {accuracy:<8}  "
            f"{row['model_package_version'] or '-':<7}  {reason}".rstrip()
        )
    if len(found) > len(rows):
        print(f"and {len(found) - len(rows):,} more; see: {command(environment, 'runs', 'list', '--all')}")


def _row(clients: sessions.Clients, execution: dict[str, Any]) -> dict[str, Any]:
    accuracy, version = outcome.headline(clients, execution["PipelineExecutionArn"])
    return {
        "execution": execution_id(execution["PipelineExecutionArn"]),
        "status": execution["PipelineExecutionStatus"],
        "started": execution["StartTime"].astimezone().replace(microsecond=0),
        "accuracy": accuracy,
        "model_package_version": version,
        "failure_reason": execution.get("PipelineExecutionFailureReason"),
    }


def show(environment: str, flags: Mapping[str, Any], execution: str, as_json: bool) -> None:
    with _connected(environment, flags) as (clients, config):
        result = outcome.of(clients, _arn(clients, config, execution))
    if as_json:
        print(result.as_json())
    else:
        follow.show(result, config, sys.stdout, with_details=False)


def wait(
    environment: str,
    flags: Mapping[str, Any],
    execution: str,
    as_json: bool,
    timeout: float,
    summary_file: Path | None,
) -> int:
    summary.check(summary_file)
    with _connected(environment, flags) as (clients, config):
        arn = _arn(clients, config, execution)
        control.describe(clients.sagemaker, arn)
        return follow.follow(clients, arn, config, as_json, timeout, summary=summary_file, started=False)


def retry(
    environment: str,
    flags: Mapping[str, Any],
    execution: str,
    as_json: bool,
    timeout: float,
    summary_file: Path | None,
) -> int:
    summary.check(summary_file)
    with _connected(environment, flags) as (clients, config):
        arn = _arn(clients, config, execution)
        start.check_alone(control.executions(clients.sagemaker, config.pipeline), config)
        done = control.retry(clients, arn)
        return follow.follow(clients, arn, config, as_json, timeout, done, summary_file)


def stop(environment: str, flags: Mapping[str, Any], execution: str) -> None:
    with _connected(environment, flags) as (clients, config):
        control.stop(clients.sagemaker, _arn(clients, config, execution))
    print(f"{execution} is stopping")


@contextmanager
def _connected(environment: str, flags: Mapping[str, Any]) -> Iterator[tuple[sessions.Clients, Settings]]:
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder()) as clients:
        yield clients, config


def _arn(clients: sessions.Clients, config: Settings, execution: str) -> str:
    return control.arn_of(clients.sagemaker, config.pipeline, execution)

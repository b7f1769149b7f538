"""runs list, runs show, retry, stop."""

import json
import sys
from typing import Any

from pipeline import control, outcome, sessions, settings
from pipeline.cli import follow
from pipeline.control import execution_id
from pipeline.settings import Settings

LATEST = 20


def list_all(everything: bool, as_json: bool) -> None:
    config = settings.load("local")
    with sessions.connect(config, sessions.state_folder()) as clients:
        absent = clients.sagemaker.exceptions.ResourceNotFound
        pages = clients.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=config.pipeline, SortBy="CreationTime", SortOrder="Descending"
        )
        try:
            found = [summary for page in pages for summary in page["PipelineExecutionSummaries"]]
        except absent:
            found = []
        shown = found if everything or as_json else found[:LATEST]
        rows = [_row(clients, summary) for summary in shown]
    if as_json:
        print(json.dumps([{**row, "started": row["started"].isoformat()} for row in rows], indent=1))
        return
    if not rows:
        print("no executions yet; start one with: python -m pipeline.run --local")
        return
    print(f"{'execution':<12}  {'started':<19}  {'status':<9}  accuracy  version  reason")
    for row in rows:
        accuracy = "-" if row["accuracy"] is None else f"{row['accuracy']:.4f}"
        print(
            f"{row['execution']}  {row['started']:%Y-%m-%d %H:%M:%S}  {row['status']:<9}  {accuracy:<8}  "
            f"{row['model_package_version'] or '-':<7}  {row['failure_reason'] or ''}".rstrip()
        )
    if len(found) > len(rows):
        print(f"and {len(found) - len(rows):,} more; see: python -m pipeline runs list --all")


def _row(clients: sessions.Clients, summary: dict[str, Any]) -> dict[str, Any]:
    accuracy, version = outcome.headline(clients, summary["PipelineExecutionArn"])
    return {
        "execution": execution_id(summary["PipelineExecutionArn"]),
        "status": summary["PipelineExecutionStatus"],
        "started": summary["StartTime"].astimezone().replace(microsecond=0),
        "accuracy": accuracy,
        "model_package_version": version,
        "failure_reason": summary.get("PipelineExecutionFailureReason"),
    }


def show(execution: str, as_json: bool) -> None:
    config, home = settings.load("local"), sessions.state_folder()
    with sessions.connect(config, home) as clients:
        result = outcome.of(clients, _arn(config, execution))
    if as_json:
        print(result.as_json())
    else:
        follow.show(result, home, sys.stdout)


def retry(execution: str, as_json: bool, timeout: float) -> int:
    config, home = settings.load("local"), sessions.state_folder()
    with sessions.connect(config, home) as clients:
        arn = _arn(config, execution)
        done = control.retry(clients, arn)
        return follow.follow(clients, arn, config, home, as_json, timeout, done)


def stop(execution: str) -> None:
    config = settings.load("local")
    with sessions.connect(config, sessions.state_folder()) as clients:
        control.stop(clients.sagemaker, _arn(config, execution))
    print(f"{execution} is stopping")


def _arn(config: Settings, execution: str) -> str:
    return (
        f"arn:aws:sagemaker:{config.region}:{config.account}:pipeline/{config.pipeline}/execution/{execution}"
    )

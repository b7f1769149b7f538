"""runs list, runs show, retry, stop."""

import json
import sys

from pipeline import control, outcome, sessions, settings
from pipeline.cli import follow
from pipeline.control import execution_id
from pipeline.settings import Settings


def list_all(as_json: bool) -> None:
    config = settings.load("local")
    with sessions.connect(config, sessions.state_folder()) as clients:
        absent = clients.sagemaker.exceptions.ResourceNotFound
        pages = clients.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=config.pipeline, SortBy="CreationTime", SortOrder="Descending"
        )
        try:
            found = [
                {
                    "execution": execution_id(summary["PipelineExecutionArn"]),
                    "status": summary["PipelineExecutionStatus"],
                    "started": summary["StartTime"].astimezone().isoformat(timespec="seconds"),
                    "failure_reason": summary.get("PipelineExecutionFailureReason", ""),
                }
                for page in pages
                for summary in page["PipelineExecutionSummaries"]
            ]
        except absent:
            found = []
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print("{execution}  {started}  {status:<9}  {failure_reason}".format(**row).rstrip())
    if not found:
        print("no executions yet; start one with: python -m pipeline.run --local")


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

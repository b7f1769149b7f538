"""Do what was asked of python -m pipeline.run.

The order is: whatever can be wrong with the request first (parameters, data, definition, account), then the
plan, then the first write. --plan stops before it, and --upsert does what the plan says.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from pipeline import (
    code_bundle,
    compiled,
    control,
    data,
    lineage,
    live,
    parameters,
    plan,
    selection,
    sessions,
    settings,
    start,
    upsert,
)
from pipeline.cli import plan_text, summary
from pipeline.cli.follow import follow
from pipeline.cli.progress import uploading
from pipeline.cli.report import command, run
from pipeline.cli.request import Request
from pipeline.code_bundle import Bundle
from pipeline.dag import Definition
from pipeline.data import Data
from pipeline.errors import DefinitionError, Interrupted, NotFound, UsageError
from pipeline.lint import Finding, errors, lint
from pipeline.parameters import Value
from pipeline.plan import Plan
from pipeline.sessions import Clients
from pipeline.settings import Settings
from pipeline.start import Start


@dataclass(frozen=True)
class Sources:
    """What a plan and a start are made of."""

    settings: Settings
    values: Mapping[str, Value]  # of parameters
    bundles: Mapping[str, Bundle]
    text: str  # the compiled definition
    reviews: Data | None  # on this machine


def perform(request: Request) -> int:
    """The exit code."""
    summary.check(request.summary)
    sources = _read(request)
    config, told = sources.settings, sys.stderr if request.as_json else sys.stdout
    if request.against:
        compared = plan.against(_definition_in(request.against), config, sources.text, sources.values)
        _show(compared, request.as_json, sys.stdout)
        return 0
    size = None if request.plan else sources.reviews.size if sources.reviews else 0
    with sessions.connect(config, sessions.state_folder(), size) as clients:
        if request.start and not request.wait and not clients.outlives:
            raise UsageError("an execution on this machine ends with the command that started it; add --wait")
        _refuse(clients.preflight(config), UsageError, f"this would fail in account {config.account}")
        _look_up(clients, request, sources.values)
        planned = None
        if request.plan or request.upsert:
            planned = plan.make(
                clients, config, sources.text, sources.bundles, sources.reviews, sources.values
            )
        if planned and request.plan:
            _show(planned, request.as_json, sys.stdout)
            return 0
        to_start = _start(clients, request, sources) if request.start else None
        if planned:
            _upsert(clients, planned, request, told)
        if not to_start:
            if request.reviews:
                options = ["--start", "--wait", "--data", str(sources.values["InputData"])]
                print(f"start it on these reviews with: {run(config.environment, *options)}", file=told)
            return 0
        try:
            arn = start.execute(clients.sagemaker, to_start, config)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; the execution may have started, see: "
                + command(config.environment, "runs", "list")
            ) from None
        execution, before = control.execution_id(arn), " before" if to_start.earlier else ""
        print(f"started{before}: execution {execution}", file=told, flush=True)
        if request.wait:
            return follow(clients, arn, config, request.as_json, request.timeout, summary=request.summary)
    print(f"watch it with: {command(config.environment, 'runs', 'wait', execution)}", file=told)
    if request.as_json:
        print(json.dumps({"execution": execution, "arn": arn}))
    return 0


def _read(request: Request) -> Sources:
    """Everything that needs no account. Raises UsageError in one of its kinds."""
    config = settings.load(request.environment, request.settings)
    named = [f"InputData={request.data}"] if request.data and not request.reviews else []
    values = parameters.parse([*request.assignments, *named], parameters.table(config))
    found = data.find(request.reviews) if request.reviews else None
    elsewhere = config.input_data or "InputData" in values or request.selective or request.against
    if (request.plan or request.upsert) and not found and not elsewhere:
        found = data.find(None)
    if found:
        values["InputData"] = found.uri(config.root)
    bundles = code_bundle.bundles()
    text = compiled.load(config, bundles, sessions.state_folder())
    if request.selective and request.upsert:  # else of the definition as it is, which is not known yet
        selection.steps(Definition.parse(text), request.only, request.first)
    _refuse(lint(text, config, values), DefinitionError, "the pipeline would be refused")
    return Sources(config, values, bundles, text, found)


def _start(clients: Clients, request: Request, sources: Sources) -> Start:
    """Of the definition that the pipeline will have by then: this one, or without an upsert its own."""
    config, values = sources.settings, sources.values
    text = sources.text if request.upsert else _live(clients, config)
    graph, chosen = Definition.parse(text), None
    if request.selective:
        chosen = selection.select(clients, config, graph, request.only, request.first, request.source)
        if chosen.source:
            print(chosen.inherited(graph, values), file=sys.stderr)
        values = {**chosen.values, **values}
    reviews = values.get("InputData", parameters.table(config)["InputData"].default)
    origin = lineage.of(text, sources.bundles, sources.reviews, str(reviews))
    if graph != Definition.parse(sources.text):
        print(f"{config.pipeline} is not what these sources make; it starts as it is", file=sys.stderr)
        origin = replace(origin, commit=lineage.UNKNOWN, code=lineage.UNKNOWN)
    token = control.token(config.pipeline, request.token, os.environ)
    return start.make(clients.sagemaker, config, graph, values, origin, token, chosen)


def _live(clients: Clients, config: Settings) -> str:
    """The definition of the pipeline as it is. Raises NotFound, and NotOurs for one that is not ours."""
    found = live.read(clients.sagemaker, config.pipeline)
    if found is None:
        raise NotFound(f"there is no pipeline {config.pipeline} yet; add --upsert, which makes it")
    live.check_ours(found, config)
    return found.text


def _look_up(clients: Clients, request: Request, values: Mapping[str, Value]) -> None:
    """The reviews in S3 that a person named: a job would find out minutes later that they are not there."""
    from botocore.exceptions import ClientError

    from pipeline import aws_errors

    named = request.data or any(each.startswith("InputData=") for each in request.assignments)
    if not named or request.reviews:
        return
    uri = str(values["InputData"])
    try:
        found = clients.storage.exists(uri)
    except ClientError as error:
        if aws_errors.is_denied(error):
            return  # a job's role may see what this person may not
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        found = False
    if not found:
        look = f"aws s3 ls {uri}" if clients.outlives else f"ls {sessions.state_folder() / 's3'}"
        raise NotFound(f"there is nothing at {uri}; see: {look}")


def _upsert(clients: Clients, planned: Plan, request: Request, told: TextIO) -> None:
    done = upsert.execute(clients, planned, uploading)  # which shows each upload
    for line in done.called if done.uploaded or done.called else ["nothing to upload or to change"]:
        print(line, file=told, flush=True)
    if request.as_json and not request.start:
        print(json.dumps({"pipeline": planned.settings.pipeline, "done": [*done.uploaded, *done.called]}))


def _definition_in(file: str) -> str | None:
    if file == "-":
        return None
    try:
        text = Path(file).read_text("utf-8")
        Definition.parse(text)
    except (OSError, UnicodeDecodeError, DefinitionError) as error:
        raise UsageError(f"cannot read --against {file}: {error}") from error
    return text


def _refuse(findings: Iterable[Finding], kind: type[UsageError], what: str) -> None:
    """Warnings are said; with an error among the findings nothing goes on."""
    found = list(findings)
    if faults := errors(found):
        raise kind("\n  ".join([f"{what}:", *map(str, faults)]))
    for finding in found:
        if finding.severity == "warning":
            print(finding, file=sys.stderr)


def _show(planned: Plan, as_json: bool, stream: TextIO) -> None:
    if as_json:
        print(json.dumps(planned.as_json(), indent=1), file=stream)
    else:
        plan_text.show(planned, stream)

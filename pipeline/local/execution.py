"""One execution of one definition: which step may start, how often it is tried, and what became of each.

A thread decides, and a small pool runs the steps. After a step has failed nothing new starts, and what runs
is let finish. Every change is written down before anyone acts on it, so that a killed execution can go on
from there.
"""

import json
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pipeline.dag import Definition, Step
from pipeline.errors import PipelineError, StateFolderError, StepFailed
from pipeline.local.backend import Backend
from pipeline.local.cache import Cache
from pipeline.local.expressions import Scope
from pipeline.local.operations import hosting
from pipeline.local.parameters import bind
from pipeline.local.steps import JOB_KINDS, Result, StepRun, request_of, run_step
from pipeline.local.store import Document, Store

EXECUTION = "PipelineExecution"
STEP = "PipelineExecutionStep"
POLL_SECONDS = 0.1  # how often a running execution looks whether it is to stop
PARALLEL_STEPS = 50  # where neither pipeline nor execution says otherwise, as on AWS
RETRIES = 5  # of a retry policy that gives no limit


class Execution:
    """One run of one definition. `_states` holds, for each step that is past, how it ended."""

    def __init__(self, backend: Backend, execution: str, closing: threading.Event) -> None:
        self.backend = backend
        self._closing = closing  # set when the service closes
        self.store = backend.store
        self.id = execution
        self.document: Document = self.store.get(EXECUTION, execution) or {}
        self.definition = Definition.parse(self.document["PipelineDefinition"])
        self.pipeline: str = self.document["PipelineName"]
        self._states: dict[str, str] = {}  # Succeeded, Failed, Stopped, Skipped
        self._properties: dict[str, Document] = {}
        self._stop = threading.Event()
        self._cache = Cache(
            self.store,
            backend.storage,
            lambda model: hosting.model_container(backend, model),
            backend.runner.identify,
        )

    def run(self) -> None:
        """Run to the end, and write the end down; on a full disk, as soon as there is room."""
        try:
            self._resume()
            self._schedule()
            status, reason = self._verdict()
        except StateFolderError as error:
            status, reason = "Failed", str(error)
        except Exception as error:  # a defect here must end the execution, not leave it Executing for ever
            status, reason = "Failed", f"InternalFailure in the local executor: {_name_of(error)}"
        while True:
            try:
                settle(self.store, self.id, status, reason)
                return
            except StateFolderError:
                if self._closing.wait(1):
                    return  # the next process to open the state folder settles it

    def _verdict(self) -> tuple[str, str | None]:
        failed = sorted(name for name, state in self._states.items() if state == "Failed")
        if failed:
            reasons = [f"Step {name}: {(self._record(name) or {}).get('FailureReason')}" for name in failed]
            return "Failed", "; ".join(reasons)[:3072]
        return ("Stopped", None) if self._stop.is_set() else ("Succeeded", None)

    def _resume(self) -> None:
        """Take over what is done already: before a retry, or by the source of a selective execution."""
        selective = self.document.get("SelectiveExecutionConfig")
        if selective:
            chosen = {each["StepName"] for each in selective["SelectedSteps"]}
            source = selective.get("SourcePipelineExecutionArn", "").rpartition("/")[2]
            for name in self.definition.steps.keys() - chosen:
                record = self.store.get(STEP, f"{source}/{name}")
                self._states[name] = (
                    "Succeeded" if record and record["StepStatus"] == "Succeeded" else "Skipped"
                )
                if record and "Properties" in record:
                    self._properties[name] = record["Properties"]
        for record in self.store.all(STEP, parent=self.id):
            if record["StepStatus"] == "Succeeded":
                self._states[record["StepName"]] = "Succeeded"
                self._properties[record["StepName"]] = record["Properties"]

    def _schedule(self) -> None:
        most = (self.document.get("ParallelismConfiguration") or {}).get(
            "MaxParallelExecutionSteps", PARALLEL_STEPS
        )
        running: dict[Future[str], str] = {}
        with ThreadPoolExecutor(max_workers=most, thread_name_prefix=self.id) as pool:
            while True:
                self._look_for_stop()
                if not self._stop.is_set() and "Failed" not in self._states.values():
                    for step in self._ready(set(running.values())):
                        if len(running) < most:
                            running[pool.submit(self._run_step, step)] = step.name
                if not running:
                    return
                for future in wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done:
                    self._states[running.pop(future)] = future.result()

    def _look_for_stop(self) -> None:
        document = self.store.get(EXECUTION, self.id) or {}
        if document.get("PipelineExecutionStatus") == "Stopping":
            self._stop.set()

    def _ready(self, running: set[str]) -> list[Step]:
        """The steps that may start now. Those on a branch not taken, and what needs them, are marked."""
        ready = []
        for name in self.definition.order():
            if name in self._states or name in running:
                continue
            step, needed = self.definition.steps[name], self.definition.dependencies[name]
            skipped = sorted(each for each in needed if self._states.get(each) == "Skipped")
            if skipped:
                self._skip(name, f"step {skipped[0]} was not executed")
            elif all(self._states.get(each) == "Succeeded" for each in needed):
                branch = step.branch
                if branch and branch.condition in self._properties:
                    outcome = self._properties[branch.condition]["Outcome"]
                    if outcome != branch.outcome:
                        self._skip(name, f"{branch.condition} was {outcome}")
                        continue
                ready.append(step)
        return ready

    def _skip(self, name: str, why: str) -> None:
        self._states[name] = "Skipped"
        self._event(name, "skipped", f"not executed: {why}")

    def _run_step(self, step: Step) -> str:
        """Run a step to its end and record it. Returns its status."""
        record: Document = {
            "StepName": step.name,
            "StepDisplayName": step.body.get("DisplayName"),
            "StepDescription": step.body.get("Description"),
            "StepType": step.type,
            "StepStatus": "Executing",
            "StartTime": self.store.clock(),
            "AttemptCount": 1,
        }
        record = {key: value for key, value in record.items() if value is not None}
        self.store.put(STEP, f"{self.id}/{step.name}", record, parent=self.id)
        try:
            result, source = self._attempts(step)
        except Exception as error:  # a defect fails the step that met it, by name
            known = isinstance(error, PipelineError)
            failure = str(error) if known else f"InternalFailure in the local executor: {_name_of(error)}"
            status = "Stopped" if self._stop.is_set() else "Failed"
            self._change(step, StepStatus=status, EndTime=self.store.clock(), FailureReason=failure[:1024])
            return status
        properties = {**result.properties, "PropertyFiles": result.property_files}
        self._properties[step.name] = properties
        self._change(
            step,
            StepStatus="Succeeded",
            EndTime=self.store.clock(),
            Metadata=result.metadata,
            Properties=properties,
            CacheHitResult={"SourcePipelineExecutionArn": source} if source else None,
        )
        return "Succeeded"

    def _attempts(self, step: Step) -> tuple[Result, str | None]:
        """The step's result, and the execution it was cached from. Tried again as its retry policies say."""
        failures: dict[int, int] = {}  # policy -> how often it has been used
        began = time.monotonic()
        while True:
            try:
                return self._attempt(step)
            except StepFailed as failure:
                elapsed = time.monotonic() - began
                delay = None if self._stop.is_set() else _retry_delay(step, failure, failures, elapsed)
                if delay is None:
                    raise
                count = sum(failures.values()) + 1
                message = f"attempt {count} in {delay:g} s, after {failure.error_type}: {failure}"
                self._event(step.name, "retry", message)
                self._change(step, AttemptCount=count)
                if self._stop.wait(delay):
                    raise

    def _attempt(self, step: Step) -> tuple[Result, str | None]:
        run = StepRun(
            backend=self.backend,
            step=step,
            execution=self.id,
            scope=self._scope(),
            stopping=self._stop.is_set,
            started=lambda metadata: self._change(step, Metadata=metadata),
        )
        name = run.name()
        try:
            request = request_of(run, name)
            lookup = self._cache.look(self.pipeline, step, request)
            if lookup is None:
                return run_step(run, name, request), None
            self._event(step.name, "cache-hit" if lookup.found else "cache-miss", lookup.message)
            if found := lookup.found:
                result = Result(found["Properties"], found["Metadata"], found["PropertyFiles"])
                return result, found["Execution"]
            result = run_step(run, name, request)
        except PipelineError as error:
            raise error if isinstance(error, StepFailed) else StepFailed(str(error)) from error
        except OSError as error:
            raise StepFailed(f"{error.strerror or error}: {error.filename or self.backend.home}") from error
        entry = {
            "Properties": result.properties,
            "Metadata": result.metadata,
            "PropertyFiles": result.property_files,
            "Execution": self.document["PipelineExecutionArn"],
        }
        self._cache.add(self.pipeline, step, lookup.key, entry)
        return result, None

    def _scope(self) -> Scope:
        created = datetime.fromtimestamp(self.document["CreationTime"], UTC)
        execution = {
            "PipelineExecutionId": self.id,
            "PipelineExecutionArn": self.document["PipelineExecutionArn"],
            "PipelineName": self.pipeline,
            "PipelineArn": self.document["PipelineArn"],
            "StartDateTime": _iso(created),
            "CurrentDateTime": _iso(datetime.fromtimestamp(self.store.clock(), UTC)),
        }
        parameters = bind(self.definition.parameters, self.document.get("PipelineParameters", []))
        return Scope(parameters, execution, dict(self._properties), self.backend.storage.read)

    def _record(self, name: str) -> Document | None:
        return self.store.get(STEP, f"{self.id}/{name}")

    def _change(self, step: Step, **changes: Any) -> None:
        self.store.update(STEP, f"{self.id}/{step.name}", **changes)

    def _event(self, step: str, event: str, message: str) -> None:
        """A line in the execution's event log: an account for people, for want of which nothing may fail."""
        log = self.backend.home / "events" / f"{self.id}.jsonl"
        with suppress(OSError):
            log.parent.mkdir(exist_ok=True)
            with log.open("a") as stream:
                stream.write(json.dumps({"step": step, "event": event, "message": message}) + "\n")


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _retry_delay(step: Step, failure: StepFailed, used: dict[int, int], elapsed: float) -> float | None:
    """Seconds until the next attempt, by the first policy that covers the failure; None: there is none."""
    for index, policy in enumerate(step.body.get("RetryPolicies") or []):
        if failure.error_type not in policy["ExceptionType"]:
            continue
        count = used.get(index, 0)
        most = policy.get("MaxAttempts", float("inf") if "ExpireAfterMin" in policy else RETRIES)
        if count >= most or elapsed > 60 * policy.get("ExpireAfterMin", float("inf")):
            return None
        used[index] = count + 1
        delay: float = policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** count
        return delay
    return None


def _name_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def settle(store: Store, execution: str, status: str, reason: str | None) -> list[str]:
    """Write an execution's end down, in one transaction; steps and jobs that still run have failed with it.
    Returns the names of those jobs."""
    with store.transaction():
        unfinished = []
        for step in store.all(STEP, parent=execution):
            if step["StepStatus"] == "Executing":
                name = f"{execution}/{step['StepName']}"
                store.update(STEP, name, StepStatus="Failed", EndTime=store.clock(), FailureReason=reason)
        for kind in JOB_KINDS:
            for job in store.all(kind, parent=execution):
                if job[f"{kind}Status"] == "InProgress":
                    unfinished.append(job[f"{kind}Name"])
                    store.update(
                        kind, job[f"{kind}Name"], **{f"{kind}Status": "Failed", "FailureReason": reason}
                    )
        store.update(
            EXECUTION,
            execution,
            PipelineExecutionStatus=status,
            FailureReason=reason,
            LastModifiedTime=store.clock(),
            Owner=None,
        )
    return unfinished

"""The executions that this process runs: starting them, settling what a killed process left, closing.

All state is in the store, so that a killed execution resumes from it. What one execution does is
`execution.py`'s.
"""

import shutil
import threading

from pipeline.errors import Fault
from pipeline.local.backend import Backend
from pipeline.local.execution import EXECUTION, Execution, settle
from pipeline.local.store import Document, is_alive

INTERRUPTED = "interrupted: the process that ran it ended; resume it with: python -m pipeline retry {}"


class Engine:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self, execution: str) -> None:
        """Run an execution that the store holds as this process's own, in the background."""
        with self._lock:
            if self._closing.is_set():
                raise Fault("ServiceUnavailable", "the local service is closing", 503)
            run = Execution(self.backend, execution, self._closing).run
            self._threads = {name: thread for name, thread in self._threads.items() if thread.is_alive()}
            self._threads[execution] = threading.Thread(target=run, name=f"execution-{execution}")
            self._threads[execution].start()

    def recover(self) -> None:
        """Settle executions whose process is gone: they, their running steps and jobs have failed, and what
        the jobs had half written goes."""
        store = self.backend.store
        for document in filter(_is_abandoned, store.all(EXECUTION)):
            execution = document["PipelineExecutionArn"].rpartition("/")[2]
            with store.transaction():
                if not _is_abandoned(store.get(EXECUTION, execution) or {}):
                    continue  # another process has retried it meanwhile
                unfinished = settle(store, execution, "Failed", INTERRUPTED.format(execution))
            for job in unfinished:
                shutil.rmtree(self.backend.home / "jobs" / job / "ml", ignore_errors=True)

    def close(self) -> None:
        """Stop what still runs, and wait for it."""
        with self._lock:
            self._closing.set()
            threads = dict(self._threads)
        for execution, thread in threads.items():
            if thread.is_alive():
                request_stop(self.backend, execution)
        for thread in threads.values():
            thread.join()


def _is_abandoned(execution: Document) -> bool:
    running = execution.get("PipelineExecutionStatus") in ("Executing", "Stopping")
    return running and not is_alive(execution.get("Owner"))


def request_stop(backend: Backend, execution: str) -> None:
    """Mark an execution as stopping; the process that runs it sees the mark within a tenth of a second."""
    with backend.store.transaction():
        document = backend.store.get(EXECUTION, execution)
        if document and document["PipelineExecutionStatus"] == "Executing":
            backend.store.update(EXECUTION, execution, PipelineExecutionStatus="Stopping")

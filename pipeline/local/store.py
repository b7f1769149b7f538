"""The state of the local service: one SQLite file, one table of resources, every change a transaction.

A resource is a JSON document in the shape that Describe* answers, under its kind and its name. SQLite, rather
than files or a server, because a process may be killed at any point, two commands may run at once in one
state folder, and nothing has to be started first. Documents, rather than columns, because AWS's shapes are
the schema.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import StateFolderError

FORMAT = 1  # of the tables below; a state folder of a newer format is refused
RESERVE_BYTES = 256 * 1024
Document = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, name TEXT NOT NULL, parent TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_parent ON resources (kind, parent, created, name);
"""


class Store:
    """Resources by kind and name. Safe to share between threads and between processes."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._home = home
        self._reserve = (
            home / "reserve"
        )  # given up when the disk is full, so that the end can be written down
        self._lock = threading.RLock()  # one connection, one thread at a time: a call takes microseconds
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._reserve.write_bytes(bytes(RESERVE_BYTES))
            self._connection = sqlite3.connect(
                home / "state.db", timeout=30, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise StateFolderError(
                f"cannot open the state folder {home}: {error}. "
                "Free space or mend its permissions, or name another folder in PIPELINE_HOME."
            ) from error

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing; a power cut, a second
        with self.transaction():
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise StateFolderError(
                    f"the state folder {self._home} has format {found}, written by a newer version of this "
                    f"project; this one reads up to {FORMAT}. Update the project, or name another folder "
                    "in PIPELINE_HOME."
                )
            for statement in _TABLES.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; others wait. A transaction inside a transaction is part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself has rolled back when the disk was full
                    self._connection.execute("ROLLBACK")
                raise

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:  # no room, or another process holds it too long
                self._reserve.unlink(missing_ok=True)
                raise StateFolderError(
                    f"cannot write {self._home / 'state.db'}: {error}; free some space"
                ) from error

    def get(self, kind: str, name: str) -> Document | None:
        rows = self._execute("SELECT body FROM resources WHERE kind = ? AND name = ?", (kind, name))
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind: str, name: str, body: Document, parent: str = "") -> None:
        """Write a whole resource; its creation time and parent stay those of the first write."""
        self._execute(
            "INSERT INTO resources (kind, name, parent, created, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
            (kind, name, parent, self.clock(), json.dumps(body, sort_keys=True)),
        )

    def update(self, kind: str, name: str, **changes: Any) -> Document:
        """Change some members of a resource that is there; None removes one."""
        with self.transaction():
            body = self.get(kind, name)
            if body is None:
                raise KeyError(f"{kind} {name}")
            body = {key: value for key, value in {**body, **changes}.items() if value is not None}
            self.put(kind, name, body)
        return body

    def delete(self, kind: str, name: str) -> None:
        self._execute("DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name))

    def all(self, kind: str, parent: str | None = None) -> list[Document]:
        """All of a kind (under one parent), oldest first."""
        if parent is None:
            rows = self._execute("SELECT body FROM resources WHERE kind = ? ORDER BY created, name", (kind,))
        else:
            query = "SELECT body FROM resources WHERE kind = ? AND parent = ? ORDER BY created, name"
            rows = self._execute(query, (kind, parent))
        return [json.loads(row[0]) for row in rows]


def process_identity() -> list[float]:
    """[pid, start time]: the pair names one process for good, where a pid alone comes again."""
    import psutil

    return [os.getpid(), psutil.Process().create_time()]


def is_alive(identity: list[float] | None) -> bool:
    import psutil

    if not identity:
        return False
    try:
        process = psutil.Process(int(identity[0]))
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and nobody has looked yet
            return False
        started = process.create_time()
    except psutil.NoSuchProcess:
        return False
    return (
        abs(started - identity[1]) < 2
    )  # seconds: it is reckoned from the clock, which may be set meanwhile

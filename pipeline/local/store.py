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
        self._path = home / "state.db"
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        try:
            home.mkdir(parents=True, exist_ok=True)
            with self.transaction():
                found = self._connection().execute("PRAGMA user_version").fetchone()[0]
                if found > FORMAT:
                    raise StateFolderError(
                        f"the state folder {home} has format {found}, written by a newer version of this "
                        f"project; this one reads up to {FORMAT}. Update the project, or name another folder "
                        "in PIPELINE_HOME."
                    )
                for statement in _TABLES.split(";"):
                    self._connection().execute(statement)
                self._connection().execute(f"PRAGMA user_version = {FORMAT}")
        except (sqlite3.DatabaseError, OSError) as error:
            raise StateFolderError(
                f"cannot open the state folder {home}: {error}. "
                "Free space or mend its permissions, or name another folder in PIPELINE_HOME."
            ) from error

    def _connection(self) -> sqlite3.Connection:
        """One connection a thread; isolation_level None leaves BEGIN and COMMIT to `transaction`."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=30, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "PRAGMA synchronous = NORMAL"
            )  # a killed process loses nothing; a power cut, the last second
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; others wait. A transaction inside a transaction is part of it."""
        connection = self._connection()
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def get(self, kind: str, name: str) -> Document | None:
        row = (
            self._connection()
            .execute("SELECT body FROM resources WHERE kind = ? AND name = ?", (kind, name))
            .fetchone()
        )
        return json.loads(row[0]) if row else None

    def put(self, kind: str, name: str, body: Document, parent: str = "") -> None:
        """Write a whole resource; its creation time and parent stay those of the first write."""
        self._connection().execute(
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
        self._connection().execute("DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name))

    def all(self, kind: str, parent: str | None = None) -> list[Document]:
        """All of a kind (under one parent), oldest first."""
        where, values = ("AND parent = ?", (kind, parent)) if parent is not None else ("", (kind,))
        query = f"SELECT body FROM resources WHERE kind = ? {where} ORDER BY created, name"  # noqa: S608 - no input in it
        return [json.loads(row[0]) for row in self._connection().execute(query, values)]


def process_identity() -> list[float]:
    """[pid, start time]: the pair names one process for good, where a pid alone comes again."""
    import psutil

    return [os.getpid(), psutil.Process().create_time()]


def is_alive(identity: list[float] | None) -> bool:
    import psutil

    if not identity:
        return False
    try:
        return abs(psutil.Process(int(identity[0])).create_time() - identity[1]) < 0.01
    except psutil.NoSuchProcess:
        return False

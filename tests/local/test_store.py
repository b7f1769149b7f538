"""The state folder: transactions, several processes at once, a newer format, a kill in the middle of a
write."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from pipeline.errors import StateFolderError
from pipeline.local.store import FORMAT, Store, is_alive, process_identity


def test_a_resource_is_found_changed_listed_and_deleted(home):
    store = Store(home)
    store.put("Model", "b", {"ModelName": "b"}, parent="x")
    store.put("Model", "a", {"ModelName": "a"})
    assert store.get("Model", "a") == {"ModelName": "a"}
    assert [model["ModelName"] for model in store.all("Model")] == ["b", "a"]  # oldest first
    assert store.all("Model", parent="x") == [{"ModelName": "b"}]
    assert store.update("Model", "b", Status="new", ModelName=None) == {"Status": "new"}
    store.delete("Model", "a")
    assert store.get("Model", "a") is None
    with pytest.raises(KeyError):
        store.update("Model", "a", Status="new")


def test_a_transaction_that_fails_leaves_nothing(home):
    store = Store(home)
    with pytest.raises(RuntimeError), store.transaction():
        store.put("Model", "a", {})
        with store.transaction():
            store.put("Model", "b", {})
        raise RuntimeError
    assert store.all("Model") == []


def _count_up(home, times):
    store = Store(home)
    for _ in range(times):
        with store.transaction():
            found = store.get("Counter", "n") or {"n": 0}
            store.put("Counter", "n", {"n": found["n"] + 1})


def test_processes_share_one_state_folder_without_losing_a_write(home):
    Store(home)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count_up, args=(home, 100)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Store(home).get("Counter", "n") == {"n": 400}


def test_a_kill_in_the_middle_of_a_transaction_leaves_the_last_whole_state(home):
    store = Store(home)
    store.put("Model", "a", {"version": 1})
    script = """
        import os, pathlib, signal, sys
        from pipeline.local.store import Store
        store = Store(pathlib.Path(sys.argv[1]))
        with store.transaction():
            store.put("Model", "a", {"version": 2})
            store.put("Model", "b", {})
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(home)], env={**os.environ, "PYTHONPATH": "."}
    )
    assert killed.returncode == -signal.SIGKILL
    assert Store(home).all("Model") == [{"version": 1}]


def test_a_newer_format_is_refused_and_left_as_it_is(home):
    Store(home).close()
    connection = sqlite3.connect(home / "state.db")
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(StateFolderError, match=rf"format {FORMAT + 1}.*newer version.*PIPELINE_HOME"):
        Store(home)
    connection = sqlite3.connect(home / "state.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT + 1,)
    connection.close()


def test_what_is_no_state_folder_is_named(home, tmp_path):
    home.mkdir()
    (home / "state.db").write_text("not a database, and long enough to be read as one " * 20)
    with pytest.raises(StateFolderError, match="not a database"):
        Store(home)
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderError, match="file"):
        Store(tmp_path / "file" / "state")


def test_a_process_is_alive_until_it_ends(home):
    assert is_alive(process_identity())
    assert not is_alive(None)
    pid, started = process_identity()
    assert not is_alive([pid, started - 60])  # the pid came again, for another process

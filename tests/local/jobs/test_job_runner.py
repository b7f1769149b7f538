import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

as_a_process = pytest.mark.parametrize("isolation", ["namespace", "prefix"], indirect=True)

BEAT = """
import sys, time
while True:
    with open(sys.argv[1], "a") as file:
        file.write(".")
    time.sleep(0.02)
"""


def run(runner, job, stopping=lambda: False):
    lines = []
    return runner.run(job, lines.append, stopping), lines


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def assert_silent(heartbeat: Path):
    """Nothing writes the heartbeat any more."""
    time.sleep(0.1)  # a write under way
    before = heartbeat.stat().st_size
    time.sleep(0.3)
    assert heartbeat.stat().st_size == before


def test_a_path_below_opt_ml_in_an_argument_is_in_the_jobs_folder(runner, make_job):
    job = make_job(command=("python3", "-c", "import sys; open(sys.argv[1], 'w').write('x')", "/opt/ml/made"))
    outcome, _ = run(runner, job)
    assert outcome.exit_code == 0
    assert (job.folder / "made").read_text() == "x"


def test_a_path_below_opt_ml_in_a_variable_is_in_the_jobs_folder(runner, make_job):
    job = make_job(
        "import os; open(os.environ['WHERE'] + '/made', 'w').write(os.environ['OTHER'])",
        environment={"WHERE": "/opt/ml", "OTHER": "s3://bucket/opt/ml /opt/mlx"},
    )
    run(runner, job)
    assert (job.folder / "made").read_text() == "s3://bucket/opt/ml /opt/mlx"


def test_a_relative_state_folder_works(runner, make_job, tmp_path, monkeypatch):
    job = make_job(command=("touch", "/opt/ml/made"))
    monkeypatch.chdir(tmp_path)
    relative = replace(job, folder=job.folder.relative_to(tmp_path), log=job.log.relative_to(tmp_path))
    assert run(runner, relative)[0].exit_code == 0
    assert (job.folder / "made").exists()


def test_a_script_that_spells_opt_ml_itself_finds_it_unless_nothing_is_mounted_there(
    runner, make_job, isolation
):
    job = make_job("import os; print(os.path.isdir('/opt' + '/ml'), os.getcwd())")
    _, lines = run(runner, job)
    if isolation != "prefix":
        assert lines == ["True /opt/ml"]
    else:
        assert lines[-1] == f"{os.path.isdir('/opt/ml')} {job.folder}"


@as_a_process
def test_the_hosts_opt_is_as_it_was_and_visible_inside(runner, make_job):
    before = sorted(os.listdir("/opt"))
    _, lines = run(runner, make_job("import os; print(sorted(set(os.listdir('/opt')) - {'ml'}))"))
    assert lines[-1] == str([name for name in before if name != "ml"])
    assert sorted(os.listdir("/opt")) == before


def test_a_job_gets_nothing_of_the_users_environment(runner, make_job, monkeypatch, isolation):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "PYTHONPATH", "LD_PRELOAD_X"):
        monkeypatch.setenv(name, "a secret")
    job = make_job("import os; print(dict(os.environ))", environment={"MINE": "1"})
    _, lines = run(runner, job)
    variables = eval(lines[-1])
    assert variables["MINE"] == "1" and "a secret" not in variables.values()
    if isolation == "container":
        return  # the image has variables of its own
    assert set(variables) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == {
        "HOME", "LANG", "MINE", "PATH", "PYTHONUNBUFFERED", "TMPDIR",
    }  # fmt: skip


@as_a_process
def test_home_is_a_temporary_folder_that_is_gone_afterwards(runner, make_job):
    job = make_job(
        "import os, pathlib; home = os.environ['HOME']; pathlib.Path(home, 'x').touch(); print(home)"
    )
    _, lines = run(runner, job)
    assert lines[-1].startswith("/") and not os.path.exists(lines[-1])


@as_a_process
@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_is_this_interpreter_with_its_packages(runner, make_job, name):
    code = "import sys, httpx; print(sys.prefix)"
    assert run(runner, make_job(command=(name, "-c", code)))[1][-1] == sys.prefix
    assert run(runner, make_job(command=("sh", "-c", f"{name} -c '{code}'")))[1][-1] == sys.prefix


CONNECT = """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=5).close()
    print("connected")
except OSError as error:
    print("refused")
"""


def test_an_isolated_job_cannot_reach_the_hosts_loopback(runner, make_job, isolation):
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = CONNECT.format(port=server.getsockname()[1])
        assert run(runner, make_job(code, network=True))[1] == ["connected"]
        _, lines = run(runner, make_job(code, network=False))
    if isolation != "prefix":
        assert lines == ["refused"]
    else:
        assert lines[-1] == "connected" and "allows no namespaces" in lines[0]  # and says so


def test_an_isolated_job_has_a_loopback_of_its_own(runner, make_job):
    job = make_job(
        """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname(), timeout=5)
        print("connected")
        """
    )
    assert run(runner, job)[1][-1] == "connected"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_exit_codes(runner, make_job, code, expected):
    outcome, _ = run(runner, make_job(code))
    assert (outcome.exit_code, outcome.stopped, outcome.timed_out) == (expected, False, False)


def test_a_command_that_does_not_exist_is_named(runner, make_job):
    outcome, lines = run(runner, make_job(command=("no-such-program",)))
    assert outcome.exit_code == 127
    assert "no-such-program" in lines[-1] and "no such file or directory" in lines[-1].lower()


def test_output_comes_line_by_line_while_the_job_runs(runner, make_job):
    job = make_job(
        """
        import sys, time
        print("one")
        print("two", file=sys.stderr)
        time.sleep(0.5)
        print("three", end="")
        """
    )
    seen = []
    runner.run(job, lambda line: seen.append((line, time.monotonic())), lambda: False)
    lines, times = zip(*seen[-3:], strict=True)
    assert sorted(lines[:2]) == ["one", "two"] and lines[2] == "three"  # an engine may mix the two streams
    assert times[2] - times[1] > 0.3  # not all at the end
    assert job.log.read_text().splitlines()[-3:] == list(lines)


def test_bad_bytes_and_huge_lines_are_no_problem(runner, make_job):
    job = make_job(
        r"""
        import sys
        sys.stdout.buffer.write(b"caf\xe9\r\n" + b"x" * 300_000 + b"\nend\n")
        """
    )
    _, lines = run(runner, job)
    start = lines.index("caf\N{REPLACEMENT CHARACTER}")
    assert "".join(lines[start + 1 : -1]) == "x" * 300_000
    assert lines[-1] == "end"


def test_stopping_asks_first(runner, make_job):
    job = make_job(
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        open("ready", "w")
        try:
            time.sleep(60)
        finally:
            open("saved", "w")
        """
    )
    outcome, _ = run(runner, job, stopping=(job.folder / "ready").exists)
    assert (outcome.exit_code, outcome.stopped) == (0, True)
    assert (job.folder / "saved").exists()


def test_a_job_that_will_not_stop_is_killed_after_the_grace_time(runner, make_job):
    job = make_job(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("ready", "w")
        time.sleep(60)
        """
    )
    started = time.monotonic()
    outcome, _ = run(runner, job, stopping=(job.folder / "ready").exists)
    assert (outcome.exit_code, outcome.stopped) == (137, True)
    assert time.monotonic() - started < 5


def test_a_job_may_run_for_its_maximum_only(runner, make_job):
    outcome, _ = run(runner, make_job("import time; time.sleep(60)", max_seconds=0.5))
    assert (outcome.exit_code, outcome.timed_out, outcome.stopped) == (143, True, False)


@pytest.mark.parametrize(
    ("isolation", "daemon"),  # without a namespace a process that leaves its group is out of reach
    [("namespace", False), ("namespace", True), ("prefix", False)],
    indirect=["isolation"],
)
def test_nothing_of_a_job_outlives_it(runner, make_job, daemon):
    job = make_job(
        f"""
        import os, subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {BEAT!r}, "heartbeat"], start_new_session={daemon})
        while not os.path.exists("heartbeat"):
            time.sleep(0.01)
        """
    )
    assert run(runner, job)[0].exit_code == 0
    assert_silent(job.folder / "heartbeat")


def test_a_callback_that_fails_ends_the_job(runner, make_job):
    job = make_job(BEAT.replace("sys.argv[1]", "'heartbeat'") + "    print('beat')\n")

    def fail(line):
        if line == "beat":
            raise RuntimeError("no room for it")

    with pytest.raises(RuntimeError, match="no room"):
        runner.run(job, fail, lambda: False)
    assert_silent(job.folder / "heartbeat")


@as_a_process
def test_a_job_dies_with_a_runner_that_is_killed(tmp_path, isolation):
    heartbeat = tmp_path / "ml" / "heartbeat"
    heartbeat.parent.mkdir()
    service = f"""
        from pathlib import Path
        from pipeline.local.jobs import Job, ProcessRunner
        command = ("python3", "-c", {BEAT!r}, "/opt/ml/heartbeat")
        job = Job("job", Path({str(tmp_path)!r}, "ml"), "", command, {{}},
                  network=False, max_seconds=60, log=Path({str(tmp_path)!r}, "log.txt"))
        ProcessRunner(isolation={isolation!r}).run(job, lambda line: None, lambda: False)
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(service)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    wait_for(heartbeat.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    assert_silent(heartbeat)
    assert not list(temporary.iterdir())


ATTACKS = {
    "append": "open(path, 'a').write('altered')",
    "overwrite in place": "os.chmod(path, 0o666); open(path, 'r+').write('altered')",
    "truncate": "os.truncate(path, 0)",
    "remove": "os.unlink(path)",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_job_cannot_alter_what_is_stored_through_its_input(runner, make_job, upload, context, attack):
    uri = upload("s3://bucket/in/data.txt", "original")
    job = make_job(
        f"""
        import os
        path = os.environ["DATA"]
        assert open(path).read() == "original"
        try:
            {attack}
        except OSError as error:
            print(error)
        """,
        environment={"DATA": "/opt/ml/in/data.txt"},
        inputs=("/opt/ml/in",),
    )
    context.storage.get("s3://bucket/in", job.folder / "in")
    assert run(runner, job)[0].exit_code == 0
    assert context.storage.read(uri) == b"original"

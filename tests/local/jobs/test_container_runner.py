"""What is true of containers alone: what they may do, what they are limited to, that none is left."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import docker
from pipeline.errors import EngineFailed, UsageError
from pipeline.local.jobs import ContainerRunner
from pipeline.local.jobs.container import OWNER, local_names

ROOT = Path(__file__).parents[3]


@pytest.fixture
def isolation():
    return "container"


def containers() -> list[str]:
    return docker.run("ps", "--all", "--quiet", "--filter", f"label={OWNER}").split()


def output(runner, job):
    lines = []
    outcome = runner.run(job, lines.append, lambda: False)
    return outcome.exit_code, lines


ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("a/b:1", ["a/b:1"]),
        ("image", ["image"]),
        (f"{ECR}/a/b:1", [f"{ECR}/a/b:1", "a/b:1", "a/b:local"]),
        (f"{ECR}/a@sha256:00", [f"{ECR}/a@sha256:00", "a@sha256:00", "a:local"]),
        ("localhost/a", ["localhost/a", "a", "a:local"]),
        ("127.0.0.1:5000/a:1", ["127.0.0.1:5000/a:1", "a:1", "a:local"]),
    ],
)
def test_an_image_of_a_registry_has_local_names(image, names):
    assert local_names(image) == names


def test_an_image_that_is_not_there_is_refused_and_not_pulled(runner):
    with pytest.raises(UsageError, match=r"no image a/b:1; .* python -m pipeline images build"):
        runner.identify("a/b:1")
    with pytest.raises(UsageError, match=r"no image localhost/x:1 or x:1 or x:local; "):
        runner.identify("localhost/x:1")


def test_an_image_is_what_it_holds(runner, image):
    assert runner.identify("image") == docker.image_id("image:local")
    assert runner.identify("127.0.0.1:1/image:7") == docker.image_id("image:local")


def test_without_docker_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineFailed, match="there is no docker on this machine's PATH"):
        ContainerRunner()


def test_without_an_engine_it_is_said(monkeypatch, tmp_path, image):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(EngineFailed, match="docker version failed"):
        ContainerRunner()


def test_a_container_may_do_little(runner, make_job):
    code = """
        import json, os, socket
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        def writes(path):
            try:
                open(path, "w")
            except OSError as error:
                return error.strerror
            return True
        print(json.dumps({
            "capabilities": int(status["CapEff"], 16),
            "gains privileges": status["NoNewPrivs"].strip() != "1",
            "interfaces": os.listdir("/sys/class/net"),
            "root": writes("/x"), "tmp": writes("/tmp/x"), "ml": writes("/opt/ml/x"),
            "host": socket.gethostname(), "itself": socket.gethostbyname("algo-1"),
            "user": os.getuid(),
        }))
        """
    _, lines = output(runner, make_job(code))
    assert json.loads(lines[-1]) == {
        "capabilities": 0,
        "gains privileges": False,
        "interfaces": ["lo"],
        "root": "Read-only file system",
        "tmp": True,
        "ml": True,
        "host": "algo-1",
        "itself": "127.0.0.1",
        "user": os.getuid(),
    }


def test_one_that_needs_more_memory_than_it_may_is_killed_and_that_is_said(make_job, runner):
    small = ContainerRunner(memory=100 * 10**6)
    code, lines = output(small, make_job("bytearray(500_000_000)"))
    assert code == 137
    assert lines[-1] == "the container was killed: it needed more than 0.1 GB of memory"
    assert containers() == []


def test_its_processes_are_counted(runner, make_job):
    code = "print(open('/sys/fs/cgroup/pids.max' if __import__('os').path.exists('/sys/fs/cgroup/pids.max') "
    code += "else '/sys/fs/cgroup/pids/pids.max').read().strip())"
    assert output(runner, make_job(code))[1] == ["4096"]


def test_a_folder_with_a_comma_and_a_quote_is_mounted(runner, make_job, tmp_path):
    folder = tmp_path / 'a, "b"' / "ml"
    folder.mkdir(parents=True)
    code, _ = output(runner, make_job("open('made', 'w')", folder=folder))
    assert code == 0 and (folder / "made").exists()


def test_a_shared_folder_is_the_storages_own(runner, make_job, tmp_path):
    shared = tmp_path / "checkpoints"
    shared.mkdir()
    job = make_job("open('/opt/ml/checkpoints/1', 'w')", shared={"/opt/ml/checkpoints": shared})
    assert output(runner, job)[0] == 0
    assert [path.name for path in shared.iterdir()] == ["1"]


def test_the_images_own_command_gets_the_arguments(runner, make_job):
    job = replace(make_job(), command=(), arguments=("echo", "hello"))
    assert output(runner, job)[1] == ["hello"]


def test_none_is_left_of_one_that_ended_or_was_stopped(runner, make_job):
    job = make_job("open('ready', 'w'); import time; time.sleep(60)")
    runner.run(job, lambda line: None, (job.folder / "ready").exists)
    output(runner, make_job("raise SystemExit(1)"))
    assert containers() == []


SERVICE = """
    from pathlib import Path
    from pipeline.local.jobs import ContainerRunner, Job
    code = "open('/opt/ml/ready', 'w'); import time; time.sleep(600)"
    job = Job("job", Path({folder!r}), "image", ("python3", "-c", code), {{}},
              network=False, max_seconds=600, log=Path({folder!r}).parent / "log.txt")
    ContainerRunner().run(job, lambda line: None, lambda: False)
"""


@pytest.fixture
def killed_runner(tmp_path, image):
    """A process whose container runs, killed by SIGKILL together with what else it is given."""
    folder = tmp_path / "ml"
    folder.mkdir()
    code = textwrap.dedent(SERVICE.format(folder=str(folder)))
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (folder / "ready").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)

    def kill(launcher: bool) -> None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
        for child in children if launcher else []:
            os.kill(int(child), signal.SIGKILL)
        process.wait()

    yield kill
    if process.poll() is None:
        kill(True)


def test_a_container_goes_with_a_runner_that_is_killed(killed_runner):
    killed_runner(launcher=False)
    deadline = time.monotonic() + 30
    while containers():
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.1)


def test_the_next_runner_removes_what_a_killed_one_and_its_launcher_left(killed_runner):
    assert len(containers()) == 1
    ContainerRunner()  # of another process: the first one is alive
    assert len(containers()) == 1
    killed_runner(launcher=True)
    assert len(containers()) == 1
    ContainerRunner()
    assert containers() == []

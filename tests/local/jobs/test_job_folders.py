import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.local.jobs import JobContext, ProcessRunner, job_folder, sweep
from pipeline.storage import FolderStorage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path):
    """A state folder as killed processes leave it."""
    for name in (
        "jobs/killed/ml/model/weights",
        "jobs/killed/output/x.out",
        "jobs/killed/model.tar.gz",
        "jobs/killed/log.txt",
        "jobs/done/log.txt",
        "models/abc/weights",
        "models/.abc.0123/weights",
        "s3/bucket/x",
        "s3/.incoming/0123/x",
        "s3/.incoming/4567",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


@pytest.fixture
def context(home):
    return JobContext(FolderStorage(home / "s3"), home / "jobs", home / "models", ProcessRunner())


def files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def test_a_jobs_folder_is_empty_at_first_and_gone_afterwards(home, context):
    with pytest.raises(InterruptedError), job_folder("killed", context) as folder:
        assert folder == home / "jobs" / "killed" / "ml" and list(folder.iterdir()) == []
        (folder / "x").touch()
        raise InterruptedError
    assert not folder.exists()
    assert (home / "jobs" / "killed" / "log.txt").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "/tmp/job"])
def test_a_jobs_folder_lies_in_the_folder_of_jobs(context, name):
    with pytest.raises(UsageError, match="a job cannot be named"), job_folder(name, context):
        pass


def test_what_killed_processes_left_is_swept(home):
    sweep(home, seconds=0)
    kept = ["jobs/done/log.txt", "jobs/killed/log.txt", "models/abc/weights", "s3/bucket/x"]
    assert files(home) == kept
    assert list((home / "s3" / ".incoming").iterdir()) == []


def test_what_changed_within_a_day_is_not_swept(home):
    before = files(home)
    os.utime(home / "s3" / ".incoming" / "4567", (0, 0))  # an old file, linked just now
    sweep(home)
    assert files(home) == before


def test_a_new_state_folder_can_be_swept(tmp_path):
    sweep(tmp_path / "new")
    assert not (tmp_path / "new").exists()


HOLD = """
    import sys
    from pathlib import Path
    from pipeline.local.jobs import JobContext, ProcessRunner, job_folder
    from pipeline.storage import FolderStorage
    home = Path(sys.argv[1])
    context = JobContext(FolderStorage(home / "s3"), home / "jobs", home / "models", ProcessRunner())
    with job_folder("job", context) as folder:
        (folder / "x").touch()
        print("ready", flush=True)
        sys.stdin.read()
"""


def test_a_folder_in_use_is_not_swept_until_its_process_is_killed(home):
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        sweep(home, seconds=0)
        assert (home / "jobs" / "job" / "ml" / "x").exists()
        process.kill()
        process.wait()
    assert (home / "jobs" / "job" / "ml" / "x").exists()
    sweep(home, seconds=0)
    assert list((home / "jobs" / "job").iterdir()) == []

"""An endpoint in several processes: one updates it and is killed, others go on asking it."""

import os
import signal
import subprocess
import sys

import pytest

from hosted import Clock, Hosted, canary, runner
from pipeline.local import LocalSageMaker
from shared import ROOT

UPDATING = """
import pathlib, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests", sys.argv[1] + "/tests/local"]
from hosted import Hosted, canary, runner
from pipeline.local import LocalSageMaker

home = pathlib.Path(sys.argv[2])
with LocalSageMaker(home, runner=runner()) as service:
    hosted = Hosted(service.url, home)
    hosted.update("v2", canary(50, wait=3600))
    hosted.baking(50)
    print(hosted.answers(10)["v2"], flush=True)
    sys.stdin.read()
"""


def in_service(home):
    """v1, and v2 to update to."""
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        hosted.configure("v1")
        hosted.configure("v2")
        hosted.create()


@pytest.fixture
def updating(home):
    """Another process in the middle of an update from v1 to v2."""
    in_service(home)
    process = subprocess.Popen(
        [sys.executable, "-c", UPDATING, str(ROOT), str(home)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "5\n"
        yield process
        process.kill()


def test_an_update_that_is_killed_has_not_happened_and_the_next_process_says_so(home, updating):
    updating.kill()
    assert updating.wait() == -signal.SIGKILL
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        found = hosted.describe()
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v1")
        assert found["FailureReason"] == "interrupted: the process that was changing the endpoint ended"
        assert "PendingDeploymentSummary" not in found
        assert hosted.answers(4) == {"v1": 4}
        hosted.update("v2")
        found = hosted.settled()
        assert found["EndpointConfigName"] == "v2" and "FailureReason" not in found


def test_the_requests_of_other_processes_go_to_the_live_configuration(home, updating):
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        found = hosted.describe()
        assert found["EndpointStatus"] == "Updating"
        assert found["PendingDeploymentSummary"]["EndpointConfigName"] == "v2"
        assert hosted.answers(10) == {"v1": 10}
        with pytest.raises(hosted.refused, match="Cannot update in-progress endpoint"):
            hosted.update("v2")


def test_a_process_follows_the_update_of_another_under_load_without_a_failed_request(home):
    clock = Clock()
    with (
        LocalSageMaker(home, runner=runner(), clock=clock) as one,
        LocalSageMaker(home, runner=runner()) as other,
    ):
        hosted, asking = Hosted(one.url, home), Hosted(other.url, home)
        hosted.configure("v1", sleep=0.02)
        hosted.configure("v2", sleep=0.02)
        hosted.create()
        with asking.load(threads=4) as (answers, failures):
            hosted.update("v2", canary(50, wait=60))
            hosted.baking(50)
            clock.now += 60
            hosted.baking(100)
            assert answers["v2"] == 0
            clock.now += 60
            assert hosted.settled()["EndpointConfigName"] == "v2"
            while answers["v2"] < 20:
                assert failures == []
        assert failures == []
        assert list(other._backend.endpoints._servers) == [("sentiment", "v2")]


DIES = """
import itertools, os, pathlib, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests", sys.argv[1] + "/tests/local"]
from hosted import Hosted, canary, runner
from pipeline.local import LocalSageMaker
from pipeline.local.store import Store

home, writes = pathlib.Path(sys.argv[2]), int(sys.argv[3])
whole_put, count = Store.put, itertools.count(1)

def put(self, *arguments, **named):
    number = next(count)
    whole_put(self, *arguments, **named)
    if number == writes:
        os.kill(os.getpid(), signal.SIGKILL)

with LocalSageMaker(home, runner=runner()) as service:
    hosted = Hosted(service.url, home)
    Store.put = put
    hosted.update("v2", canary(50, wait=0))
    hosted.settled()
print(next(count) - 1)
"""


def test_an_update_killed_after_any_write_leaves_one_configuration_in_service(home):
    in_service(home)

    def attempt(writes):
        command = [sys.executable, "-c", DIES, str(ROOT), str(home), str(writes)]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
        )

    writes = 0
    seen = set()
    while True:
        writes += 1
        ran = attempt(writes)
        with LocalSageMaker(home, runner=runner()) as service:
            hosted = Hosted(service.url, home)
            found = hosted.describe()
            live = found["EndpointConfigName"]
            assert found["EndpointStatus"] == "InService"
            begun = writes > 1  # the first write is the update itself, killed before it was committed
            assert ("FailureReason" in found) == (live == "v1" and begun), found
            assert hosted.answers(2) == {live: 2}
            if live == "v2":
                hosted.update("v1")
                hosted.settled()
        if ran.returncode == 0:
            break
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        seen.add(live)
    assert seen == {"v1", "v2"}
    assert writes > 4

"""Updates of an endpoint, as a client sees them: canary, linear, all at once; and what makes them go back."""

import threading

import pytest

from hosted import NAME, Clock, Hosted, canary, runner, until
from pipeline.local import Alarm, LocalSageMaker

ALARMS = {
    "sentiment-5xx": Alarm("Invocation5XXErrors", 0.05, minimum_requests=10),
    "sentiment-latency": Alarm("ModelLatency", 20e6, statistic="p90", minimum_requests=3),
}
IMPATIENT = {"impatient": Alarm("ModelLatency", 200_000, statistic="p90", minimum_requests=3)}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service(home, clock):
    with LocalSageMaker(home, runner=runner(), alarms={**ALARMS, **IMPATIENT}, clock=clock) as running:
        yield running


@pytest.fixture
def hosted(service, home):
    """An endpoint that serves v1."""
    made = Hosted(service.url, home)
    made.configure("v1", sleep=0.03)
    assert made.create()["EndpointStatus"] == "InService"
    return made


def servers(service):
    """The configurations that have a server in this process."""
    return sorted(config for _, config in service._backend.endpoints._servers)


def test_a_canary_gets_its_share_to_the_request_then_everything(hosted, service, clock):
    hosted.configure("v2")
    deployment = canary(10, wait=600, termination=300, alarms=ALARMS)
    hosted.update("v2", deployment)
    pending = hosted.baking(10)
    assert pending["EndpointConfigName"] == "v2"
    assert pending["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Baking"
    assert hosted.describe()["EndpointConfigName"] == "v1"
    assert hosted.answers(100) == {"v1": 90, "v2": 10}

    clock.now += 600
    hosted.baking(100)
    assert hosted.answers(20) == {"v2": 20}
    clock.now += 600
    hosted.baking(100, "TerminationWaitInSeconds")
    assert servers(service) == ["v1", "v2"]
    assert hosted.describe()["EndpointConfigName"] == "v1"  # the update is not over
    clock.now += 300
    found = hosted.settled()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v2")
    assert found["LastDeploymentConfig"] == deployment
    assert found.keys().isdisjoint({"FailureReason", "PendingDeploymentSummary"})
    assert servers(service) == ["v2"]
    assert hosted.answers(5) == {"v2": 5}


def test_no_request_fails_while_an_update_shifts_constant_load(hosted, service, clock):
    hosted.configure("v2", sleep=0.03)
    with hosted.load() as (answers, failures):
        until(lambda: answers["v1"] > 20)
        hosted.update("v2", canary(25, wait=60, termination=60, alarms=ALARMS))
        hosted.baking(25)
        until(lambda: answers["v2"] > 20)
        clock.now += 60
        hosted.baking(100)
        clock.now += 60
        hosted.baking(100, "TerminationWaitInSeconds")
        clock.now += 60
        assert hosted.settled()["EndpointConfigName"] == "v2"
        until(lambda: servers(service) == ["v2"])
        before = answers["v2"]
        until(lambda: answers["v2"] > before + 20)
        for version in ("v1", "v2"):  # all at once, back and forth
            hosted.update(version)
            assert hosted.settled()["EndpointConfigName"] == version
    assert failures == []
    assert answers.keys() == {"v1", "v2"}


def test_the_requests_that_the_old_server_has_are_answered(hosted, service, tmp_path):
    go = tmp_path / "go"
    hosted.configure("v2", wait_for=str(go))
    hosted.configure("v3")
    hosted.update("v2")
    hosted.settled()
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(hosted.ask())) for _ in range(4)]
    for thread in asking:
        thread.start()
    (server,) = service._backend.endpoints._servers._running.values()
    until(lambda: server.leases == 4)
    hosted.update("v3")
    until(lambda: hosted.describe()["EndpointConfigName"] == "v3")
    assert hosted.answers(4) == {"v3": 4}
    assert answers == []  # v2 still works on them
    go.touch()
    assert hosted.settled()["EndpointConfigName"] == "v3"
    for thread in asking:
        thread.join()
    assert answers == ["v2"] * 4


def test_linear_goes_step_by_step(hosted, clock):
    hosted.configure("v2")
    deployment = canary()
    deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] = {
        "Type": "LINEAR",
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40},
        "WaitIntervalInSeconds": 60,
    }
    hosted.update("v2", deployment)
    for percent in (40, 80, 100):
        hosted.baking(percent)
        assert hosted.answers(10)["v2"] == percent / 10
        clock.now += 60
    assert hosted.settled()["EndpointConfigName"] == "v2"


def test_all_at_once_is_watched_too(hosted):
    hosted.configure("v2", fail_every=1)
    deployment = canary(alarms=["sentiment-5xx"])
    deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] = {
        "Type": "ALL_AT_ONCE",
        "WaitIntervalInSeconds": 60,
    }
    hosted.update("v2", deployment)
    hosted.baking(100)
    hosted.answers(10)
    assert "alarm sentiment-5xx" in hosted.settled()["FailureReason"]


BAD = {
    "broken": ({"fail_every": 2}, ALARMS, "alarm sentiment-5xx: Average of Invocation5XXErrors is 0."),
    "slow": ({"sleep": 0.3}, IMPATIENT, "alarm impatient: p90 of ModelLatency is 3"),
    "dies": ({"die_at": 3}, ALARMS, "the model server of v2 died"),
}


@pytest.mark.parametrize(("rules", "alarms", "reason"), BAD.values(), ids=BAD)
def test_a_bad_version_is_rolled_back_and_reported(hosted, service, rules, alarms, reason):
    hosted.configure("v2", **rules)
    deployment = canary(50, alarms=alarms)
    hosted.update("v2", deployment)
    hosted.baking(50)
    while hosted.describe()["EndpointStatus"] == "Updating":
        hosted.answers(2)
    found = hosted.settled()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v1")
    assert found["FailureReason"].startswith(f"the update to v2 was rolled back: {reason}")
    assert found["LastDeploymentConfig"] == deployment
    assert "PendingDeploymentSummary" not in found
    assert servers(service) == ["v1"]
    assert hosted.answers(10) == {"v1": 10}

    hosted.configure("v3")
    hosted.update("v3")
    found = hosted.settled()
    assert found["EndpointConfigName"] == "v3" and "FailureReason" not in found


def test_a_version_that_hangs_is_rolled_back_and_the_requests_that_it_has_are_answered(hosted, tmp_path):
    go = tmp_path / "go"
    hosted.configure("v2", wait_for=str(go))
    hosted.update("v2", canary(50, alarms=IMPATIENT))
    hosted.baking(50)
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(hosted.ask())) for _ in range(6)]
    for thread in asking:
        thread.start()
    until(lambda: hosted.describe()["EndpointStatus"] == "RollingBack")
    assert hosted.answers(4) == {"v1": 4}
    assert hosted.describe()["EndpointStatus"] == "RollingBack"  # v2 still works on its requests
    until(lambda: answers == ["v1"] * 3)
    with pytest.raises(hosted.refused, match="in-progress endpoint .*: RollingBack"):
        hosted.update("v2")
    go.touch()
    for thread in asking:
        thread.join()
    assert sorted(answers) == ["v1"] * 3 + ["v2"] * 3
    found = hosted.settled()
    assert found["EndpointConfigName"] == "v1"
    assert "alarm impatient" in found["FailureReason"]


def test_of_a_server_that_dies_only_the_requests_that_it_had_fail(hosted):
    hosted.configure("v2", die_at=3)
    hosted.update("v2", canary(50, alarms=["sentiment-latency"]))
    hosted.baking(50)
    assert hosted.answers(40)["failed"] == 1
    assert "died" in hosted.settled()["FailureReason"]


def test_constant_load_meets_a_rollback_and_only_the_canary_answers_badly(hosted):
    hosted.configure("v2", fail_every=1)
    with hosted.load() as (answers, failures):
        until(lambda: answers["v1"] > 20)
        hosted.update("v2", canary(10, alarms=ALARMS))
        found = hosted.settled()
        before = answers["v1"]
        until(lambda: answers["v1"] > before + 20)
    assert "alarm sentiment-5xx" in found["FailureReason"]
    assert answers.keys() == {"v1"}
    assert {type(error).__name__ for error in failures} == {"ModelError"}
    assert {error.response["OriginalStatusCode"] for error in failures} == {500}
    assert len(failures) >= ALARMS["sentiment-5xx"].minimum_requests


@pytest.mark.parametrize("deployment", [None, canary(50, alarms=ALARMS)], ids=["at once", "canary"])
def test_a_server_that_does_not_come_up_changes_nothing(hosted, service, deployment):
    hosted.configure("v2", crash=True)
    hosted.update("v2", deployment)
    found = hosted.settled()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v1")
    assert "the model server ended before it was ready" in found["FailureReason"]
    assert "weights are missing" in found["FailureReason"]
    assert hosted.answers(4) == {"v1": 4}
    assert servers(service) == ["v1"]


def test_an_alarm_in_the_final_bake_rolls_back_too(hosted, clock):
    hosted.configure("v2", fail_every=7)
    hosted.update("v2", canary(50, wait=60, alarms=ALARMS))
    hosted.baking(50)
    assert hosted.answers(12) == {"v1": 6, "v2": 6}
    clock.now += 60
    hosted.baking(100)
    hosted.answers(10)
    found = hosted.settled()
    assert found["EndpointConfigName"] == "v1"
    assert "alarm sentiment-5xx" in found["FailureReason"]


def test_without_requests_there_is_no_alarm(hosted, clock):
    hosted.configure("v2", fail_every=1)
    hosted.update("v2", canary(50, wait=60, alarms=ALARMS))
    hosted.baking(50)
    clock.now += 60
    hosted.baking(100)
    clock.now += 60
    assert hosted.settled()["EndpointConfigName"] == "v2"


def test_an_update_that_takes_too_long_is_rolled_back(hosted, clock):
    hosted.configure("v2")
    hosted.update("v2", canary(50, wait=400, MaximumExecutionTimeoutInSeconds=900))
    hosted.baking(50)
    clock.now += 900
    assert "MaximumExecutionTimeoutInSeconds" in hosted.settled()["FailureReason"]


def test_a_second_update_and_a_delete_are_refused_while_one_runs(hosted, clock):
    hosted.configure("v2")
    hosted.configure("v3")
    hosted.update("v2", canary(50, wait=60))
    hosted.baking(50)
    for change in (lambda: hosted.update("v3"), lambda: hosted.sagemaker.delete_endpoint(EndpointName=NAME)):
        with pytest.raises(hosted.refused, match="Cannot update in-progress endpoint"):
            change()
    clock.now += 60
    hosted.baking(100)
    clock.now += 60
    assert hosted.settled()["EndpointConfigName"] == "v2"
    hosted.sagemaker.delete_endpoint(EndpointName=NAME)
    with pytest.raises(hosted.refused, match="Could not find"):
        hosted.describe()


def test_the_end_of_the_service_in_the_middle_of_an_update_leaves_the_old_configuration(home, clock):
    with LocalSageMaker(home, runner=runner(), alarms=ALARMS, clock=clock) as service:
        hosted = Hosted(service.url, home)
        hosted.configure("v1")
        hosted.configure("v2")
        hosted.create()
        hosted.update("v2", canary(50))
        hosted.baking(50)
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        found = hosted.describe()
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v1")
        assert "the process that was changing the endpoint ended" in found["FailureReason"]
        assert hosted.answers(4) == {"v1": 4}

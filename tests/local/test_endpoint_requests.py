"""What CreateEndpointConfig and UpdateEndpoint take here, and what they refuse, by AWS's rules."""

import pytest

from hosted import NAME, Hosted, canary, runner
from pipeline.local import Alarm, LocalSageMaker

SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
CAPTURE = {
    "DataCaptureConfig": {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
}


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """An endpoint with two instances that serves v1; v2, and serverless v3, are there too."""
    home = tmp_path_factory.mktemp("state")
    alarms = {"known": Alarm("Invocation5XXErrors", 0)}
    with LocalSageMaker(home, runner=runner(), alarms=alarms) as service:
        made = Hosted(service.url, home)
        made.configure("v1", variant={"InstanceType": "ml.m5.large", "InitialInstanceCount": 4})
        made.configure("v2", variant={"InstanceType": "ml.m5.large", "InitialInstanceCount": 4})
        made.configure("v3", variant=SERVERLESS)
        made.create()
        yield made


def routing(**changes):
    deployment = canary()
    deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] = {
        "WaitIntervalInSeconds": 0,
        **changes,
    }
    return deployment


def percent(value):
    return {"Type": "CAPACITY_PERCENT", "Value": value}


REFUSED = {
    "rolling": (
        {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                "WaitIntervalInSeconds": 0,
            }
        },
        "RollingUpdatePolicy is not supported by the local service; use BlueGreenUpdatePolicy",
    ),
    "canary without size": (routing(Type="CANARY"), "CANARY traffic routing needs CanarySize"),
    "linear without step": (routing(Type="LINEAR"), "LINEAR traffic routing needs LinearStepSize"),
    "size of another type": (
        routing(Type="ALL_AT_ONCE", CanarySize=percent(10)),
        "CanarySize is for CANARY, and the Type of the traffic routing is ALL_AT_ONCE",
    ),
    "canary too large": (routing(Type="CANARY", CanarySize=percent(51)), "CanarySize is 51 percent"),
    "step too small": (routing(Type="LINEAR", LinearStepSize=percent(9)), "use 10 to 50 percent"),
    "too many instances": (
        routing(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 3}),
        r"CanarySize is 75 percent of 4 instance\(s\)",
    ),
    "too little time": (
        canary(wait=300, MaximumExecutionTimeoutInSeconds=600),
        "MaximumExecutionTimeoutInSeconds is 600, and the waits alone take 600 seconds",
    ),
    "unknown alarm": (canary(alarms=["other"]), "alarm other does not exist; there is known"),
    "wrong type": (routing(Type="SIDEWAYS"), "SIDEWAYS"),
}


@pytest.mark.parametrize(("deployment", "message"), REFUSED.values(), ids=REFUSED)
def test_a_deployment_that_cannot_be_done_is_refused_and_changes_nothing(hosted, deployment, message):
    with pytest.raises(hosted.refused, match=message) as refused:
        hosted.update("v2", deployment)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    found = hosted.describe()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "v1")


def test_more_instances_are_taken_and_told_and_have_one_server(hosted):
    (variant,) = hosted.describe()["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (4, 4)
    hosted.update("v2", routing(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 2}))
    assert hosted.settled()["EndpointConfigName"] == "v2"
    hosted.update("v1")
    assert hosted.settled()["EndpointConfigName"] == "v1"


def test_an_endpoint_with_instances_does_not_become_serverless(hosted):
    with pytest.raises(hosted.refused, match="cannot be updated to a serverless one; delete it"):
        hosted.update("v3")


def test_a_serverless_endpoint(home):
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        hosted.configure("v1", variant=SERVERLESS)
        hosted.configure("v2", variant=SERVERLESS)
        found = hosted.create()
        assert found["EndpointStatus"] == "InService"
        (variant,) = found["ProductionVariants"]
        assert variant["CurrentServerlessConfig"] == SERVERLESS["ServerlessConfig"]
        assert variant["CurrentInstanceCount"] == 0
        assert hosted.answers(2) == {"v1": 2}
        with pytest.raises(hosted.refused, match="DeploymentConfig: a serverless variant is updated all at"):
            hosted.update("v2", canary())
        hosted.update("v2")
        assert hosted.settled()["EndpointConfigName"] == "v2"
        hosted.configure("v3")  # with instances
        hosted.update("v3")
        assert hosted.settled()["EndpointConfigName"] == "v3"


BAD_CONFIGS = {
    "capture of a serverless variant": (
        CAPTURE,
        SERVERLESS,
        "DataCaptureConfig: a serverless variant has no",
    ),
    "both": ({}, {**SERVERLESS, "InitialInstanceCount": 1}, "InitialInstanceCount: a serverless variant has"),
    "a destination that is none": (
        {"DataCaptureConfig": {**CAPTURE["DataCaptureConfig"], "DestinationS3Uri": "https://x/y"}},
        {},
        "'https://x/y' is not an S3 URI",
    ),
}


@pytest.mark.parametrize(("config", "variant", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_configuration_that_aws_would_refuse(home, config, variant, message):
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        with pytest.raises(hosted.refused, match=message):
            hosted.configure("v1", config, variant)
        assert hosted.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []


def test_an_endpoint_that_failed_is_deleted_not_updated(home):
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        hosted.configure("v1", crash=True)
        hosted.configure("v2")
        found = hosted.create()
        assert found["EndpointStatus"] == "Failed" and "weights are missing" in found["FailureReason"]
        with pytest.raises(hosted.refused, match="it is Failed; delete it, and create it again"):
            hosted.update("v2")
        hosted.sagemaker.delete_endpoint(EndpointName=NAME)
        assert hosted.create("v2")["EndpointStatus"] == "InService"

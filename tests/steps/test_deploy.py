"""Each call and each answer is checked against botocore's own model of the service (Stubber)."""

import io
import json
import re

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

import deploy

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/sentiment/3"
EVENT = {
    "model_package_arn": ARN,
    "endpoint_name": "sentiment",
    "instance_type": "ml.m5.large",
    "instance_count": "2",
    "role_arn": "arn:aws:iam::123456789012:role/Endpoint",
}
METADATA = {"accuracy": "0.9153", "test_size": "2490", "seed": "1"}
MODEL = "sentiment-3-[0-9a-f]{8}"
CREATED = {"CreationTime": 0, "LastModifiedTime": 0}


class Account:
    """The two clients, and what the service will answer, in order."""

    def __init__(self):
        keys = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
        self.sagemaker = boto3.client("sagemaker", **keys)
        self.runtime = boto3.client("sagemaker-runtime", **keys)
        self.stub, self.runtime_stub = Stubber(self.sagemaker), Stubber(self.runtime)
        self.calls = []
        self.slept = []
        self.sagemaker.meta.events.register("provide-client-params.*.*", self._note)

    def _note(self, params, model, **_):
        if not model.name.startswith("Describe"):
            self.calls.append((model.name, params))

    def package(self, status="Approved", metadata=METADATA):
        fields = {"ModelPackageName": "p", "ModelPackageArn": ARN, "CreationTime": 0}
        answer = fields | {"ModelApprovalStatus": status, "ModelPackageStatus": "Completed"}
        answer["ModelPackageStatusDetails"] = {"ValidationStatuses": []}
        answer |= {} if metadata is None else {"CustomerMetadataProperties": metadata}
        self.stub.add_response("describe_model_package", answer, {"ModelPackageName": ARN})

    def model_and_config(self, exist=False):
        if exist:
            for operation, kind in (("create_model", "model"), ("create_endpoint_config", "endpoint config")):
                message = f'Cannot create already existing {kind} "arn".'
                self.stub.add_client_error(operation, "ValidationException", message)
            return
        arn = "arn:aws:sagemaker:us-east-1:123456789012:"
        self.stub.add_response("create_model", {"ModelArn": f"{arn}model/m"})
        self.stub.add_response("create_endpoint_config", {"EndpointConfigArn": f"{arn}endpoint-config/c"})

    def endpoint(self, status, config=None, reason=None):
        if status == "absent":
            message = 'Could not find endpoint "arn:aws:sagemaker:…:endpoint/sentiment".'
            self.stub.add_client_error("describe_endpoint", "ValidationException", message)
            return
        arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sentiment"
        answer = {"EndpointName": "sentiment", "EndpointArn": arn, "EndpointStatus": status, **CREATED}
        answer |= {"EndpointConfigName": config or wanted()} | ({"FailureReason": reason} if reason else {})
        self.stub.add_response("describe_endpoint", answer, {"EndpointName": "sentiment"})

    def change(self, operation, refused=None, event=None, tags=None):
        if refused:
            self.stub.add_client_error(operation, *refused)
            return
        arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sentiment"
        expected = {"EndpointName": "sentiment", "EndpointConfigName": wanted(event or EVENT)}
        expected |= {"Tags": tags} if tags else {}
        self.stub.add_response(operation, {"EndpointArn": arn}, expected)

    def answers(self, *bodies):
        for body in bodies:
            content = body if isinstance(body, bytes) else json.dumps({"label": body}).encode()
            answer = {"Body": StreamingBody(io.BytesIO(content), len(content))}
            request = {"EndpointName": "sentiment", "ContentType": "text/plain", "Accept": "application/json"}
            self.runtime_stub.add_response("invoke_endpoint", answer, {**request, "Body": ANY})

    def deploy(self, event=EVENT):
        with self.stub, self.runtime_stub:
            answer = deploy.deploy(self.sagemaker, self.runtime, event, self.slept.append)
        self.stub.assert_no_pending_responses()
        self.runtime_stub.assert_no_pending_responses()
        return answer


def wanted(event=EVENT, metadata=METADATA) -> str:
    """The name of the endpoint configuration, taken from what the function asks for on a new endpoint."""
    names = []

    class Recorder:
        def create_model(self, **request):
            pass

        def create_endpoint_config(self, **request):
            names.append(request["EndpointConfigName"])

    deploy._make_config(Recorder(), event, metadata)
    return names[0]


@pytest.fixture
def account():
    return Account()


def test_a_new_endpoint(account):
    account.package()
    account.model_and_config()
    account.endpoint("absent")
    account.change("create_endpoint")
    account.endpoint("Creating")
    account.endpoint("Creating")
    account.endpoint("InService")
    account.answers("positive", "negative")
    answer = account.deploy()
    assert answer["status"] == "Deployed"
    assert all(isinstance(value, str) for value in answer.values())
    assert (answer["endpoint_name"], answer["model_package_arn"]) == ("sentiment", ARN)
    assert account.slept == pytest.approx([0.2, 0.3, 0.45])

    (_, model), (_, config), _ = account.calls
    assert re.fullmatch(MODEL, model["ModelName"])
    told = {"MODEL_PACKAGE_VERSION": "3", "MODEL_TEST_ACCURACY": "0.9153", "MODEL_TEST_REVIEWS": "2490"}
    assert model["Containers"] == [{"ModelPackageName": ARN, "Environment": told}]
    assert model["EnableNetworkIsolation"] is True
    [variant] = config["ProductionVariants"]
    assert variant["ModelName"] == model["ModelName"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 2)


GUARDED = {
    **EVENT,
    "network_isolation": False,
    "volume_kms_key": "alias/disks",
    "subnets": "subnet-0a,subnet-0b",
    "security_groups": "sg-0c",
    "tags": "team=search,project=sentiment",
}


def test_keys_vpc_isolation_and_tags_of_the_event_reach_what_is_made(account):
    tags = [{"Key": "team", "Value": "search"}, {"Key": "project", "Value": "sentiment"}]
    account.package()
    account.model_and_config()
    account.endpoint("absent")
    account.change("create_endpoint", event=GUARDED, tags=tags)
    account.endpoint("InService", wanted(GUARDED))
    account.answers("positive", "negative")
    assert account.deploy(GUARDED)["status"] == "Deployed"
    (_, model), (_, config), _ = account.calls
    assert model["VpcConfig"] == {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0c"]}
    assert model["EnableNetworkIsolation"] is False
    assert config["KmsKeyId"] == "alias/disks"
    assert model["Tags"] == config["Tags"] == tags


def test_what_the_event_does_not_name_is_not_asked_for(account):
    account.package()
    account.model_and_config()
    account.endpoint("InService")
    account.answers("positive", "negative")
    account.deploy()
    (_, model), (_, config) = account.calls
    assert set(model) == {"ModelName", "Containers", "ExecutionRoleArn", "EnableNetworkIsolation"}
    assert set(config) == {"EndpointConfigName", "ProductionVariants"}


@pytest.mark.parametrize("metadata", [None, {}, {"seed": "1"}])
def test_a_version_without_metrics_tells_its_number_alone(account, metadata):
    account.package(metadata=metadata)
    account.model_and_config()
    account.endpoint("InService", wanted(metadata=metadata or {}))
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "AlreadyLive"
    (_, model), _ = account.calls
    assert model["Containers"][0]["Environment"] == {"MODEL_PACKAGE_VERSION": "3"}


def test_metadata_that_is_not_told_is_no_other_configuration():
    assert wanted(metadata={**METADATA, "note": "read"}) == wanted()


@pytest.mark.parametrize("key", ["network_isolation", "volume_kms_key", "subnets", "security_groups"])
def test_another_key_vpc_or_isolation_is_another_configuration(key):
    assert wanted({**GUARDED, key: True if key == "network_isolation" else "other"}) != wanted(GUARDED)


def test_other_tags_are_no_other_configuration():
    assert wanted({**GUARDED, "tags": "team=lab"}) == wanted(GUARDED)


def test_an_endpoint_with_another_version_is_updated(account):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("InService", "sentiment-2-00000000")
    account.change("update_endpoint")
    account.endpoint("Updating", "sentiment-2-00000000")
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "Deployed"


def test_what_is_live_already_is_asked_but_not_changed(account):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "AlreadyLive"
    assert account.slept == []


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_what_is_not_approved_changes_nothing_although_it_is_named(account, status):
    account.package(status)
    answer = account.deploy()
    assert answer["status"] == "NotApproved"
    assert status in answer["message"]
    assert account.calls == []


def test_an_endpoint_that_someone_else_is_changing_is_waited_for(account):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("Updating", "sentiment-1-00000000")
    account.endpoint("InService", "sentiment-2-00000000")
    refused = (
        "ValidationException",
        "Cannot update in-progress endpoint.",
    )  # they began between the two calls
    account.change("update_endpoint", refused=refused)
    account.endpoint("Updating", "sentiment-2-00000000")
    account.endpoint("InService", "sentiment-2-11111111")
    account.change("update_endpoint")
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "Deployed"


def test_two_deployers_of_one_version_at_once_both_succeed(account):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("absent")
    refused = ("ValidationException", "Cannot create already existing endpoint")
    account.change("create_endpoint", refused=refused)
    account.endpoint("Creating")
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "AlreadyLive"


@pytest.mark.parametrize(
    ("refusals", "code"),
    [(1, "AccessDeniedException"), (1, "ResourceLimitExceeded"), (6, "ValidationException")],
)
def test_a_refusal_that_is_no_race_is_raised(account, refusals, code):
    account.package()
    account.model_and_config()
    for _ in range(refusals):
        account.endpoint("absent")
        account.change("create_endpoint", refused=(code, "no"))
    with pytest.raises(ClientError, match=code):
        account.deploy()


def test_a_failed_endpoint_is_raised_with_its_reason(account):
    account.package()
    account.model_and_config()
    account.endpoint("absent")
    account.change("create_endpoint")
    account.endpoint("Failed", reason="The container did not pass the ping health check.")
    with pytest.raises(deploy.DeployError, match="Failed with .*: The container did not pass the ping"):
        account.deploy()


def test_a_silent_rollback_is_raised(account):
    account.package()
    account.model_and_config()
    account.endpoint("InService", "sentiment-2-00000000")
    account.change("update_endpoint")
    account.endpoint("InService", "sentiment-2-00000000", reason="an alarm went off")
    message = "did not take sentiment-3-.*: InService with sentiment-2-00000000: an alarm went off"
    with pytest.raises(deploy.DeployError, match=message):
        account.deploy()


def test_a_failed_endpoint_serves_nothing_and_is_made_anew(account):
    account.package()
    account.model_and_config()
    account.endpoint("Failed", reason="an earlier deployment")
    account.stub.add_response("delete_endpoint", {}, {"EndpointName": "sentiment"})
    account.endpoint("Deleting")
    account.endpoint("absent")
    account.change("create_endpoint")
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy()["status"] == "Deployed"


def test_a_newer_version_is_not_replaced_unless_it_is_said(account):
    account.package()
    account.model_and_config()
    account.endpoint("InService", "sentiment-4-00000000")
    assert account.deploy()["status"] == "Superseded"
    assert [name for name, _ in account.calls] == ["CreateModel", "CreateEndpointConfig"]

    account.package()
    account.model_and_config(exist=True)
    account.endpoint("InService", "sentiment-4-00000000")
    account.change("update_endpoint")
    account.endpoint("InService")
    account.answers("positive", "negative")
    assert account.deploy({**EVENT, "allow_older": True})["status"] == "Deployed"


def test_of_two_deployers_at_once_the_newer_version_wins(account):
    account.package()
    account.model_and_config()
    account.endpoint("InService", "sentiment-1-00000000")
    account.change("update_endpoint")
    account.endpoint("Updating", "sentiment-1-00000000")
    account.endpoint("InService", "sentiment-2-00000000")  # an older one came between: once more
    account.change("update_endpoint")
    account.endpoint("Updating", "sentiment-2-00000000")
    account.endpoint("InService", "sentiment-4-00000000")  # a newer one came between: leave it
    assert account.deploy()["status"] == "Superseded"


def test_it_gives_up_before_the_ten_minutes_of_a_lambda_step(account):
    account.package()
    account.model_and_config()
    for _ in list(deploy._pauses()):
        account.endpoint("Updating", "sentiment-2-00000000")
    with pytest.raises(deploy.DeployError, match="is still Updating after 480 s"):
        account.deploy()
    assert sum(account.slept) == pytest.approx(480)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["positive", "positive"], "calls a plainly negative review 'positive'; it is live"),
        (["negative"], "calls a plainly positive review 'negative'"),
        ([b"<html>"], "answers b'<html>', which has no label"),
        ([b'{"error": "no"}'], "which has no label"),
    ],
)
def test_wrong_answers_are_a_failure_also_of_what_was_live(account, answers, message):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("InService")
    account.answers(*answers)
    with pytest.raises(deploy.DeployError, match=message):
        account.deploy()


def test_a_model_that_raises_is_a_failure(account):
    account.package()
    account.model_and_config(exist=True)
    account.endpoint("InService")
    account.runtime_stub.add_client_error("invoke_endpoint", "ModelError", "Received server error (500)")
    with pytest.raises(deploy.DeployError, match="does not answer a plain review: .*500"):
        account.deploy()


def test_an_event_that_lacks_a_key_is_named(account):
    with pytest.raises(deploy.DeployError, match="the event lacks endpoint_name, role_arn"):
        account.deploy({"model_package_arn": ARN, "instance_type": "ml.m5.large"})


def test_names_are_valid_and_tell_settings_apart():
    one = deploy._name("a-very-long-name" * 5, "12", {"InstanceType": "ml.m5.large"})
    assert len(one) == 63
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", one)
    assert one != deploy._name("a-very-long-name" * 5, "12", {"InstanceType": "ml.m5.xlarge"})

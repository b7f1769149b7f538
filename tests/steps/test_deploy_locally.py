"""deploy.py against the local service: real model servers, real races."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

import deploy
from pipeline.local import LocalSageMaker
from shared import aws_client

INFERENCE = """
import json, os

CONTENT_TYPES = ("text/plain",)
ACCEPTS = ("application/json",)

def model_fn(folder):
    return None

def input_fn(body, content_type):
    return body.decode()

def predict_fn(review, model):
    names = ("MODEL_PACKAGE_VERSION", "MODEL_TEST_ACCURACY", "MODEL_TEST_REVIEWS")
    told = [os.environ[name] for name in names]
    return {"label": "positive" if ("loved" in review) == RIGHT else "negative", "told": told}

def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""


class Registry:
    """The service, with version 1 right and version 2 wrong about every review, and not approved."""

    def __init__(self, service, home):
        self.service = service
        self.sagemaker = aws_client("sagemaker", service.url)
        self.runtime = aws_client("sagemaker-runtime", service.url)
        self.sagemaker.create_model_package_group(ModelPackageGroupName="sentiment")
        (home / "s3" / "models").mkdir(parents=True)
        self.arns = [self._register(home, *version) for version in ((True, "Approved"), (False, "Rejected"))]

    def _register(self, home, right, approval):
        name = f"{right}.tar.gz"
        code = f"RIGHT = {right}\n{INFERENCE}".encode()
        with tarfile.open(home / "s3" / "models" / name, "w:gz") as archive:
            member = tarfile.TarInfo("code/inference.py")
            member.size = len(code)
            archive.addfile(member, io.BytesIO(code))
        specification = {
            "Containers": [{"Image": "image", "ModelDataUrl": f"s3://models/{name}"}],
            "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["application/json"],
        }
        return self.sagemaker.create_model_package(
            ModelPackageGroupName="sentiment",
            ModelApprovalStatus=approval,
            InferenceSpecification=specification,
            CustomerMetadataProperties={"accuracy": "0.9153", "test_size": "2490"},
        )["ModelPackageArn"]

    def deploy(self, version, allow_older=False):
        event = {
            "model_package_arn": self.arns[version - 1],
            "endpoint_name": "sentiment",
            "instance_type": "ml.m5.large",
            "instance_count": 1,
            "role_arn": "arn:aws:iam::000000000000:role/Endpoint",
            "volume_kms_key": "alias/disks",
            "subnets": "subnet-0a",
            "security_groups": "sg-0b",
            "tags": "project=sentiment",
            "allow_older": allow_older,
        }
        return deploy.deploy(self.sagemaker, self.runtime, event)["status"]

    def ask(self):
        request = {"ContentType": "text/plain", "Body": next(iter(deploy.PLAIN_REVIEWS))}
        return json.loads(self.runtime.invoke_endpoint(EndpointName="sentiment", **request)["Body"].read())

    def live(self):
        endpoint = self.sagemaker.describe_endpoint(EndpointName="sentiment")
        return endpoint["EndpointStatus"], endpoint["EndpointConfigName"].rsplit("-", 2)[1]


@pytest.fixture
def registry(home):
    with LocalSageMaker(home) as service:
        yield Registry(service, home)


def test_a_version_goes_live_once_and_a_wrong_one_is_found_out(registry):
    assert registry.deploy(1) == "Deployed"
    assert registry.deploy(1) == "AlreadyLive"
    assert registry.deploy(2) == "NotApproved"
    assert registry.live() == ("InService", "1")

    registry.sagemaker.update_model_package(ModelPackageArn=registry.arns[1], ModelApprovalStatus="Approved")
    for _ in range(2):  # a repeat does not make a success of it
        with pytest.raises(
            deploy.DeployError, match="calls a plainly positive review 'negative'; it is live"
        ):
            registry.deploy(2)
    assert registry.deploy(1) == "Superseded"
    assert registry.deploy(1, allow_older=True) == "Deployed"
    assert registry.live() == ("InService", "1")


def test_the_container_is_told_which_version_it_is_and_how_it_was_tested(registry):
    registry.deploy(1)
    assert registry.ask()["told"] == ["1", "0.9153", "2490"]


def test_two_deployers_of_one_version_at_once(registry):
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(registry.deploy, [1, 1]))
    assert set(results) <= {"Deployed", "AlreadyLive"} and "Deployed" in results
    assert registry.live() == ("InService", "1")


def test_a_service_follows_what_another_process_deployed_and_keeps_one_server(registry, home):
    assert registry.deploy(1) == "Deployed"
    registry.sagemaker.update_model_package(ModelPackageArn=registry.arns[1], ModelApprovalStatus="Approved")
    with LocalSageMaker(home) as other:
        here = registry.sagemaker, registry.runtime
        registry.sagemaker, registry.runtime = (
            aws_client(name, other.url) for name in ("sagemaker", "sagemaker-runtime")
        )
        with pytest.raises(deploy.DeployError, match="it is live"):
            registry.deploy(2)
        registry.sagemaker, registry.runtime = here
    assert registry.ask()["label"] == "negative"  # version 2 is wrong on purpose
    assert [key[1].rsplit("-", 2)[1] for key in registry.service._backend.endpoints._servers] == ["2"]

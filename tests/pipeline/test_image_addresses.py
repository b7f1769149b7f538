"""Addresses in ECR, what AWS publishes where, and what kind of machine runs an image."""

import pytest

from pipeline import service_model
from pipeline.images.addresses import Image, has_local_storage, processor, published

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("uri", "image"),
    [
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b:1", ("us-east-1", "a/b", "1", None)),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a", ("cn-north-1", "a", None, None)),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/a:1", ("us-east-1", "a", "1", None)),
        (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/a@{DIGEST}", ("us-east-1", "a", None, DIGEST)),
        (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1@{DIGEST}", ("us-east-1", "a", "1", DIGEST)),
    ],
)
def test_an_address_in_ecr_is_read(uri: str, image: tuple[str, str, str | None, str | None]) -> None:
    assert Image.parse(uri) == Image("123456789012", *image)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "python:3.13",
        "public.ecr.aws/docker/library/python:3.13",
        "12345.dkr.ecr.us-east-1.amazonaws.com/a:1",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/A:1",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:0",
    ],
)
def test_what_is_not_in_ecr_is_no_image_of_sagemakers(uri: str) -> None:
    assert Image.parse(uri) is None


@pytest.mark.parametrize(
    ("repository", "tag", "kind"),
    [
        ("pytorch", "2.13-cpu-amzn2023-sagemaker", "cpu"),
        ("pytorch", "2.13-cu133-amzn2023-sagemaker", "gpu"),
        ("pytorch-training", "2.10.0-gpu-py313", "gpu"),
        ("pytorch-inference-graviton", "2.4.0-cpu-py311-ubuntu22.04-sagemaker", "arm"),
        ("pytorch-inference-arm64", "2.6.0-cpu-py312", "arm"),
        ("pytorch-training-neuronx", "2.1.2-neuronx-py310", "neuron"),
        ("sentiment/serving", "1", ""),
    ],
)
def test_the_address_tells_what_an_image_is_made_for(repository: str, tag: str, kind: str) -> None:
    assert Image("1", "us-east-1", repository, tag, None).processor == kind


@pytest.mark.parametrize(
    ("instance_type", "kind"),
    [
        ("ml.m5.large", "cpu"),
        ("ml.c7i-flex.large", "cpu"),
        ("ml.t3.medium", "cpu"),
        ("ml.g4dn.xlarge", "gpu"),
        ("ml.g5.xlarge", "gpu"),
        ("ml.p4d.24xlarge", "gpu"),
        ("ml.p6-b200.48xlarge", "gpu"),
        ("ml.m6g.large", "arm"),
        ("ml.c6gn.large", "arm"),
        ("ml.r7gd.large", "arm"),
        ("ml.inf2.xlarge", "neuron"),
        ("ml.trn1.2xlarge", "neuron"),
    ],
)
def test_the_family_of_an_instance_tells_what_runs_on_it(instance_type: str, kind: str) -> None:
    assert processor(instance_type) == kind


def test_disks_of_their_own_are_those_that_the_sdk_knows() -> None:
    from sagemaker.core.common_utils import instance_supports_kms

    known = set(service_model.service().shape_for("TrainingInstanceType").enum)
    known |= set(service_model.service().shape_for("ProductionVariantInstanceType").enum)
    assert {each for each in known if has_local_storage(each)} == {
        each for each in known if not instance_supports_kms(each)
    }


@pytest.mark.parametrize(
    ("framework", "version", "region", "instance_type", "scope"),
    [
        ("pytorch-amzn2023", "2.13", "us-east-1", "ml.m5.large", "training"),
        ("pytorch-amzn2023", "2.14", "eu-south-1", "ml.g5.xlarge", "training"),
        ("pytorch", "2.10", "cn-north-1", "ml.g5.xlarge", "training"),
        ("pytorch", "2.6", "us-gov-west-1", "ml.c5.xlarge", "inference"),
        ("sklearn", "1.2-1", "eu-west-1", "ml.m5.large", "training"),
        ("xgboost", "1.7-1", "me-south-1", "ml.m5.large", "training"),
    ],
)
def test_what_the_sdk_retrieves_is_published(
    framework: str, version: str, region: str, instance_type: str, scope: str
) -> None:
    from sagemaker.core import image_uris

    uri = image_uris.retrieve(
        framework, region, version=version, instance_type=instance_type, image_scope=scope
    )
    image = Image.parse(uri)
    assert image is not None
    assert image.account in published()[image.repository].accounts[region]
    assert image.tag in published()[image.repository].tags

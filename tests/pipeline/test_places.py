"""Where a person finds an execution, its jobs and their logs."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from scenes import ARN, settings_of

from pipeline.control import Step
from pipeline.places import Console, Folders

KINDS = {"ProcessingJob": "processing-jobs", "TrainingJob": "jobs", "TransformJob": "transform-jobs"}
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def step(kind: str) -> Step:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:x-job/pipelines-abc-Train-1"
    return Step("Train", "Executing", None, None, "", {kind: {"Arn": arn}})


def console(partition: str = "aws", region: str = "eu-west-1", **flags: str) -> Console:
    role = f"arn:{partition}:iam::111122223333:role/pipeline"
    return Console(settings_of(region=region, pipeline_role=role, **flags))


def test_here_they_are_folders_and_a_log_is_there_when_it_is_written(tmp_path: Path) -> None:
    places, train = Folders(tmp_path), step("TrainingJob")
    assert places.logs == str(tmp_path / "jobs")
    assert (places.execution(ARN), places.job(train), places.log(train)) == (None, None, None)
    log = tmp_path / "jobs" / "pipelines-abc-Train-1" / "log.txt"
    log.parent.mkdir(parents=True)
    log.touch()
    assert places.log(train) == str(log)
    assert places.log(step("Lambda")) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("partition", CONSOLES)
def test_on_aws_they_are_pages_of_the_partition_s_console(partition: str, kind: str) -> None:
    places = console(partition)
    base, region = f"https://eu-west-1.{CONSOLES[partition]}", "home?region=eu-west-1"
    assert places.job(step(kind)) == f"{base}/sagemaker/{region}#/{KINDS[kind]}/pipelines-abc-Train-1"
    log = places.log(step(kind))
    assert log is not None
    page, _, fragment = log.partition("#")
    assert page == f"{base}/cloudwatch/{region}"
    read = unquote(unquote(fragment.replace("$", "%")))  # as the console reads it
    assert read == (
        f"logsV2:log-groups/log-group//aws/sagemaker/{kind}s?logStreamNameFilter=pipelines-abc-Train-1/"
    )


def test_all_logs_are_the_groups_of_sagemaker() -> None:
    assert console().logs == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logsV2:log-groups$3FlogGroupNameFilter$3D$252Faws$252Fsagemaker$252F"
    )


def test_an_execution_has_a_page_in_studio_where_a_domain_is_set() -> None:
    assert console().execution(ARN) is None
    assert console(studio_domain="d-abc").execution(ARN) == (
        "https://studio-d-abc.studio.eu-west-1.sagemaker.aws"
        "/pipelines/view/sentiment-dev/executions/abcdefghijkl/graph"
    )
    assert console("aws-cn", studio_domain="d-abc").execution(ARN) is None


def test_a_step_without_a_job_has_no_pages() -> None:
    assert (console().job(step("Lambda")), console().log(step("Lambda"))) == (None, None)


def test_of_a_partition_whose_console_is_not_known_there_are_no_links() -> None:
    places = console("aws-iso")
    assert (places.job(step("TrainingJob")), places.log(step("TrainingJob"))) == (None, None)
    assert places.logs == "CloudWatch Logs"

"""Control, against clients whose requests and answers botocore's model holds to the service's shapes."""

from typing import Any

import pytest
from scenes import ARN, JOB, Moments, ran
from scripted_aws import Refused, scripted

from pipeline import control
from pipeline.errors import NotFound, UsageError

PIPELINE = ARN.partition("/execution/")[0]


def absent(request: dict[str, Any]) -> dict[str, Any]:
    raise Refused("ResourceNotFound", "does not exist")


def test_start_sends_values_as_text_and_the_token_it_was_given() -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    client = scripted("sagemaker", {"StartPipelineExecution": lambda _: {"PipelineExecutionArn": ARN}}, calls)
    values = {"Epochs": 3, "LearningRate": 1e-07, "Recipe": "seed"}
    started = control.start(
        client, "sentiment", values, "t" * 64, display_name="abc-ttt", description="commit abc"
    )
    assert started == ARN
    assert calls == [
        (
            "StartPipelineExecution",
            {
                "PipelineName": "sentiment",
                "PipelineExecutionDisplayName": "abc-ttt",
                "PipelineExecutionDescription": "commit abc",
                "PipelineParameters": [
                    {"Name": "Epochs", "Value": "3"},
                    {"Name": "LearningRate", "Value": "1e-07"},
                    {"Name": "Recipe", "Value": "seed"},
                ],
                "ClientRequestToken": "t" * 64,
            },
        )
    ]


def test_a_pipeline_that_does_not_exist_is_named_whatever_is_asked_of_it() -> None:
    answers = {"StartPipelineExecution": absent, "DescribePipeline": absent}
    client = scripted("sagemaker", answers, [])
    asks = (
        lambda: control.start(client, "sentiment", {}, "t" * 32, display_name="a", description=""),
        lambda: control.arn_of(client, "sentiment", "abcdefghijkl"),
    )
    for ask in asks:
        with pytest.raises(NotFound, match="there is no pipeline sentiment"):
            ask()


CI = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "17"}


def test_the_token_is_one_for_all_attempts_of_a_ci_run_and_another_for_all_else() -> None:
    token = control.token("sentiment-dev", None, {**CI, "GITHUB_RUN_ATTEMPT": "1"})
    assert token == control.token("sentiment-dev", None, {**CI, "GITHUB_RUN_ATTEMPT": "2"})
    others = {
        control.token("sentiment-prod", None, CI),
        control.token("sentiment-dev", None, {**CI, "GITHUB_RUN_ID": "18"}),
        control.token("sentiment-dev", None, {**CI, "GITHUB_REPOSITORY": "a/c"}),
        control.token("sentiment-dev", "monday", CI),
        control.token("sentiment-dev", None, {}),
        control.token("sentiment-dev", None, {}),
    }
    assert len(others - {token}) == 6
    assert all(32 <= len(each) <= 128 for each in others)  # what AWS takes
    assert control.token("sentiment-dev", "monday", {}) in others


def test_executions_are_listed_to_the_last_page_and_none_of_no_pipeline() -> None:
    def page(request: dict[str, Any]) -> dict[str, Any]:
        assert (request["SortOrder"], request["MaxResults"]) == ("Descending", 100)
        number = int(request.get("NextToken", 0))
        more = {"NextToken": str(number + 1)} if number < 2 else {}
        return {"PipelineExecutionSummaries": [{"PipelineExecutionArn": f"{ARN}{number}"}], **more}

    client = scripted("sagemaker", {"ListPipelineExecutions": page}, [])
    found = [each["PipelineExecutionArn"] for each in control.executions(client, "sentiment")]
    assert found == [f"{ARN}0", f"{ARN}1", f"{ARN}2"]
    client = scripted("sagemaker", {"ListPipelineExecutions": absent}, [])
    assert list(control.executions(client, "sentiment")) == []


def test_an_execution_is_addressed_as_the_service_writes_its_pipeline() -> None:
    """AWS writes the names of pipelines in lower case in ARNs; nothing is put together here."""
    definition = {"PipelineArn": PIPELINE, "PipelineDefinition": "{}"}
    client = scripted("sagemaker", {"DescribePipeline": lambda _: definition}, [])
    assert control.arn_of(client, "Sentiment", "abcdefghijkl") == ARN
    assert control.arn_of(client, "Sentiment", ARN) == ARN
    with pytest.raises(NotFound, match="is no execution of other; name its environment"):
        control.arn_of(client, "other", ARN)


def test_retrying_says_what_had_succeeded_before() -> None:
    scene = Moments(
        ("Failed", [ran("Train", seconds=9), ran("Predict", "Failed", begin=9)], []), ("Executing", [], [])
    )
    assert control.retry(scene.clients, ARN) == {"Train"}
    assert scene.called("RetryPipelineExecution") == 1


@pytest.mark.parametrize("status", ["Executing", "Stopping", "Succeeded"])
def test_what_did_not_fail_is_not_retried(status: str) -> None:
    scene = Moments((status, [], []))
    with pytest.raises(UsageError, match=f"abcdefghijkl is {status}; only one that is Failed or Stopped"):
        control.retry(scene.clients, ARN)
    assert scene.called("RetryPipelineExecution") == 0


def test_of_the_log_of_a_failed_step_no_more_than_its_end_is_read() -> None:
    failed = ran("Train", "Failed", seconds=9, FailureReason="no", Metadata={"ProcessingJob": {"Arn": JOB}})
    scene = Moments(("Failed", [failed], ["one", "two", "three"]))
    (found,) = control.steps(scene.clients, ARN)
    assert (found.reason, found.seconds) == ("no", 9)
    assert control.log_end(scene.clients, found, 2) == ["two", "three"]
    assert [asked["limit"] for name, asked in scene.calls if name == "GetLogEvents"] == [2]


def test_an_execution_that_does_not_exist_is_named() -> None:
    client = scripted("sagemaker", {"DescribePipelineExecution": absent}, [])
    with pytest.raises(NotFound, match="there is no execution abcdefghijkl"):
        control.describe(client, ARN)


def test_an_empty_page_of_a_log_is_not_its_end() -> None:
    """CloudWatch answers empty pages in the middle, and at the end the token that it was asked with."""
    pages = {
        "": ([], "f/1"),
        "f/1": (["one"], "f/2"),
        "f/2": ([], "f/3"),
        "f/3": (["two"], "f/4"),
        "f/4": ([], "f/4"),
    }

    def events(request: dict[str, Any]) -> dict[str, Any]:
        lines, token = pages[request.get("nextToken", "")]
        return {"events": [{"message": line} for line in lines], "nextForwardToken": token}

    streams = {"logStreams": [{"logStreamName": "job/algo-1"}, {"logStreamName": "job/algo-2"}]}
    answers = {"DescribeLogStreams": lambda _: streams, "GetLogEvents": events}
    tail = control.LogTail(scripted("logs", answers, []), "group", "job/")
    assert tail.end(3) == ["two", "one", "two"]
    tail = control.LogTail(tail.logs, "group", "job/")
    assert tail.read() == ["one", "two", "one", "two"]  # of both streams
    assert tail.read() == []

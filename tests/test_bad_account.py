"""What an account that cannot run the pipeline gets from the real command: a message of its own with the
remedy, the exit code, and nothing changed. Against moto's server."""

import json
import socket

import pytest
from werkzeug.wrappers import Response

from aws_account import ACCOUNT, Account, command, json_error, query_error

DATA = ["--data", "s3://reviews-of-mine/folder"]
EVERYTHING = ["--upsert", "--start", *DATA]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """It keeps the compiled definition."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def account():
    with Account().serving() as account:
        account.reset()
        account.furnish()
        yield account


def refused(account, home, code, *named, arguments=EVERYTHING, module="pipeline.run", **variables):
    """Run, and hold what every refusal has in common."""
    account.forget()
    given = {key: value for key, value in account.variables(home, **variables).items() if value is not None}
    done = command(given, *arguments, module=module)
    assert done.returncode == code, done.stdout + done.stderr
    for part in named:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert account.writes() == []
    return done.stderr


def test_no_credentials(account, home):
    refused(
        account, home, 3, "NoCredentials", "AWS_PROFILE", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None
    )


def test_a_profile_that_does_not_exist(account, home):
    refused(account, home, 3, "ProfileNotFound", "nobody", "list-profiles", AWS_PROFILE="nobody")


def test_an_expired_token_is_not_repeated(account, home):
    secret = "IQoJb3JpZ2luX2Vj" * 12

    def expired(request):
        return query_error("ExpiredToken", "The security token included in the request is expired")

    account.faults["GetCallerIdentity"] = expired
    message = refused(account, home, 3, "ExpiredToken", "sign in again", AWS_SESSION_TOKEN=secret)
    assert secret not in message


def test_a_token_that_expires_between_the_plan_and_the_upsert(account, home):
    account.faults["CreateModelPackageGroup"] = lambda _: json_error("ExpiredTokenException", "expired")
    account.forget()
    done = command(account.variables(home), *EVERYTHING)
    assert done.returncode == 3
    assert "sign in again" in done.stderr
    assert "uploaded code of train.py" in done.stderr.partition("error:")[2]
    del account.faults["CreateModelPackageGroup"]
    account.forget()
    assert command(account.variables(home), *EVERYTHING).returncode == 0
    assert account.writes() == ["CreateModelPackageGroup", "CreatePipeline", "StartPipelineExecution"]


def test_credentials_of_another_account(account, home):
    refused(account, home, 2, ACCOUNT, "999999999999", "AWS_PROFILE", SENTIMENT_ACCOUNT="999999999999")


def test_the_wrong_region(account, home):
    """The bucket is where it is."""
    account.client("s3").delete_bucket(Bucket="sentiment-dev-123456789012")
    account.client("s3").create_bucket(
        Bucket="sentiment-dev-123456789012", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    refused(account, home, 2, "is in eu-west-1, and the pipeline in us-east-1", "set `region`")


def test_a_region_that_cannot_be_reached(account, home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
    refused(account, home, 3, "EndpointConnectionError", "region", AWS_ENDPOINT_URL_STS=nowhere)


def test_a_bucket_in_another_account(account, home):
    account.faults["HEAD /sentiment-dev-123456789012"] = lambda _: Response(status=403)
    refused(account, home, 2, "sentiment-dev-123456789012 is not account 123456789012's", "set `bucket`")


def test_a_bucket_that_does_not_exist(account, home):
    refused(account, home, 2, "there is no bucket nowhere-at-all", SENTIMENT_BUCKET="nowhere-at-all")


def test_a_role_that_cannot_be_passed(account, home):
    account.passes_roles = False
    message = refused(account, home, 2, "may not pass", "iam:PassRole")
    assert f"arn:aws:iam::{ACCOUNT}:role/sentiment-dev-pipeline" in message


def test_a_role_that_cannot_be_passed_where_nobody_may_look_beforehand(account, home):
    """SageMaker says so then, and its words become a remedy."""
    who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/ci/run is not authorized to perform: iam:PassRole"
    role = f"on resource: arn:aws:iam::{ACCOUNT}:role/sentiment-dev-pipeline"
    account.faults["SimulatePrincipalPolicy"] = lambda _: query_error("AccessDenied", "not you")
    account.faults["CreatePipeline"] = lambda _: json_error("AccessDeniedException", f"{who} {role}")
    done = command(account.variables(home), *EVERYTHING)
    assert done.returncode == 3
    warning, _, error = done.stderr.partition("error:")
    assert (
        "warning: pipeline_role: not checked; allow these credentials iam:SimulatePrincipalPolicy" in warning
    )
    assert f"allow arn:aws:sts::{ACCOUNT}:assumed-role/ci/run iam:PassRole on" in error
    assert "iam:PassedToService" in error


def test_a_role_that_does_not_exist(account, home):
    arn = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    refused(account, home, 2, f"there is no role {arn}", "job_role", SENTIMENT_JOB_ROLE=arn)


def test_an_image_that_is_not_in_ecr(account, home):
    image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sentiment/serving:99"
    refused(account, home, 2, f"{image} is not in ECR", "serving_image", SENTIMENT_SERVING_IMAGE=image)
    image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/absent:1"
    refused(account, home, 2, "there is no repository absent", SENTIMENT_SERVING_IMAGE=image)


def test_a_pipeline_of_that_name_made_by_something_else(account, home):
    sagemaker = account.client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="sentiment-dev",
        PipelineDefinition='{"Version": "2020-12-01", "Steps": []}',
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/theirs",
        ClientRequestToken="t" * 32,
        Tags=[{"Key": "team", "Value": "theirs"}],
    )
    message = refused(
        account,
        home,
        2,
        "sentiment-dev was made by something else",
        "set another name",
        "aws sagemaker add-tags",
    )
    assert "Key=project,Value=sentiment-dev" in message
    refused(account, home, 2, "was made by something else", arguments=["--plan", *DATA])
    refused(account, home, 2, "was made by something else", arguments=["--start", *DATA])


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("Epoch=3", "did you mean Epochs"),
        ("Epochs=many", "a whole number is needed"),
        ("AccuracyThreshold=1.5", "out of range"),
        ("TrainingInstanceType=ml.c5.banana", "ml.c5.banana"),
    ],
)
def test_a_parameter_that_is_unknown_or_of_the_wrong_type(account, home, assignment, named):
    refused(account, home, 2, named, arguments=[*EVERYTHING, "--set", assignment])
    assert account.calls == []


def test_another_execution_that_runs(account, home):
    assert command(account.variables(home), *EVERYTHING).returncode == 0
    running = account.client("sagemaker").list_pipeline_executions(PipelineName="sentiment-dev")
    (summary,) = running["PipelineExecutionSummaries"]
    arn = summary["PipelineExecutionArn"]
    answer = {
        "PipelineExecutionSummaries": [
            {
                "PipelineExecutionArn": arn,
                "PipelineExecutionStatus": "Executing",
                "PipelineExecutionDisplayName": "of-somebody-else",
                "StartTime": 1_790_000_000,
            }
        ]
    }
    account.faults["ListPipelineExecutions"] = lambda _: Response(
        json.dumps(answer), mimetype="application/json"
    )
    identity = arn.rpartition("/")[2]
    for module, arguments in {
        "pipeline.run": EVERYTHING,
        "pipeline": ["retry", "another", "--env", "dev"],
    }.items():
        refused(
            account,
            home,
            2,
            f"execution {identity} of sentiment-dev is Executing since",
            f"runs wait {identity} --env dev",
            f"stop {identity} --env dev",
            module=module,
            arguments=arguments,
        )


def test_what_aws_throttles_for_too_long(account, home):
    account.faults["DescribePipeline"] = lambda _: json_error("ThrottlingException", "Rate exceeded")
    refused(account, home, 3, "ThrottlingException", "it was tried several times")


def test_a_conflict_in_the_middle_of_an_upsert(account, home):
    """What was done is said, and the same command does the rest."""
    account.faults["CreatePipeline"] = lambda _: json_error("ConflictException", "somebody else is at it")
    done = command(account.variables(home), *EVERYTHING)
    assert done.returncode == 3
    error = done.stderr.partition("error:")[2]
    assert "ConflictException" in error and "run the same command again" in error
    assert "created the model package group" in error
    assert "StartPipelineExecution" not in account.calls
    account.faults.clear()
    account.forget()
    assert command(account.variables(home), *EVERYTHING).returncode == 0
    assert account.writes() == ["CreatePipeline", "StartPipelineExecution"]


def test_reviews_that_are_not_there(account, home):
    missing = ["--data", "s3://reviews-of-mine/foldr"]
    refused(
        account, home, 2, "there is nothing at s3://reviews-of-mine/foldr", arguments=["--plan", *missing]
    )
    refused(
        account, home, 2, "nothing at s3://no-bucket/x", arguments=["--plan", "--data", "s3://no-bucket/x"]
    )
    again = ["--start", "--set", "InputData=s3://reviews-of-mine/x"]
    refused(account, home, 2, "there is nothing at s3://reviews-of-mine/x", arguments=["--upsert", *again])


def test_reviews_that_only_a_job_may_see_are_no_mistake(account, home):
    def denied(request):
        return Response("<Error><Code>AccessDenied</Code></Error>", 403, content_type="application/xml")

    account.faults["GET /reviews-of-mine"] = denied
    done = command(account.variables(home), "--plan", *DATA)
    assert done.returncode == 0, done.stderr


def test_an_endpoint_that_is_no_url(account, home):
    for url in ("nonsense", "http://host:port", "http://127.0.0.1:99999", "http://[::1"):
        refused(account, home, 2, "see AWS_ENDPOINT_URL", AWS_ENDPOINT_URL=url)


@pytest.mark.parametrize("body", ["<html>sign in</html>", "", "[]", "null"])
def test_an_answer_that_is_not_json(account, home, body):
    account.faults["DescribePipeline"] = lambda _: Response(body, 200)
    refused(account, home, 3, "the answer is not AWS's; see what answers in AWS's place")

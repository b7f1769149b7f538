"""An environment's stacks: their names are the settings', their roles may what the code does and no more."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import botocore.session
import cfnlint
import pytest
import yaml
from botocore import xform_name
from cfnlint.decode import cfn_yaml

from infra import template
from pipeline import settings
from pipeline.images.addresses import Image
from shared import ROOT

TEMPLATE = template.load()
RESOURCES = TEMPLATE["Resources"]
ROLES = template.roles()
STATEMENTS = [
    pytest.param(statement, id=f"{role}-{statement.sid}")
    for role, each in ROLES.items()
    for statement in each.own + each.shared
]
PLACEHOLDER = "# steps/deploy.py: `make stack` puts its text here\n"

SERVICES = {  # whose operations are looked for, and what IAM calls them; of a shared name the first
    "sagemaker": "sagemaker",
    "sagemaker-runtime": "sagemaker",
    "s3": "s3",
    "iam": "iam",
    "ecr": "ecr",
    "sts": "sts",
    "logs": "logs",
    "lambda": "lambda",
    "scheduler": "scheduler",
}

# What IAM calls an operation that has another name there.
ACTIONS = {
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:UploadPart": "s3:PutObject",
}
FREE = {"sts:GetCallerIdentity"}  # needs no permission
OF_PEOPLE = {  # what CI does not do: list images, ask the endpoint, set a schedule
    "ecr:DescribeImages",
    "sagemaker:DescribeEndpoint",
    "sagemaker:InvokeEndpoint",
    *(f"scheduler:{verb}Schedule" for verb in ("Create", "Delete", "Get", "Update")),
}


OF_PUSH = {  # what `docker push` does, as ECR's user guide lists it, and what a repository's own key takes
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "kms:CreateGrant",
    "kms:DescribeKey",
    "kms:RetireGrant",
}


@pytest.fixture(scope="module")
def stack() -> Path:
    subprocess.run(["make", "--silent", "stack"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / ".cache" / "stack.yaml"


def test_the_linter_of_cloudformation_finds_nothing(stack):
    for path in (template.ROLES, template.WEB, stack):
        found = subprocess.run(
            [Path(sys.executable).parent / "cfn-lint", path], capture_output=True, text=True
        )
        assert (found.returncode, found.stdout) == (0, "")


def test_the_stack_is_the_template_with_the_deploy_function_in_it(stack):
    made = cfn_yaml.load(str(stack))
    code = made["Resources"]["DeployFunction"]["Properties"]["Code"]
    assert code["ZipFile"] == PLACEHOLDER + (ROOT / "steps" / "deploy.py").read_text()
    code["ZipFile"] = PLACEHOLDER
    assert made == TEMPLATE


def test_the_stack_is_short_enough_to_be_sent_as_it_is(stack):
    assert stack.stat().st_size <= 51_200  # bytes, of CreateStack's TemplateBody; else it needs a bucket


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_names_are_those_of_the_settings(environment):
    config = settings.load(environment, variables={})

    def named(key: str, name: str) -> str:
        text = RESOURCES[key]["Properties"][name]["Fn::Sub"]
        return text.replace("${Environment}", environment).replace("${AWS::AccountId}", config.account)

    assert named("Bucket", "BucketName") == config.bucket
    assert named("DeployFunction", "FunctionName") == config.deploy_function
    for key, role in {
        "PipelineRole": config.pipeline_role,
        "JobRole": config.job_role,
        "EndpointRole": config.endpoint_role,
        "ScheduleRole": config.schedule_role,
    }.items():
        assert role == f"arn:aws:iam::{config.account}:role/{named(key, 'RoleName')}"
    own = f"sentiment-{environment}"  # what the statements say literally
    assert (config.pipeline, config.model_package_group, config.endpoint) == (own, own, own)
    assert config.prefix == "sentiment"


# ---------------------------------------------------------------------- least privilege


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_action_is_a_wildcard(statement):
    assert not [action for action in statement.actions if "*" in action]


@cache
def reference() -> dict:
    """AWS's service authorization reference, as cfn-lint has it."""
    return json.loads(
        (Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json").read_text()
    )


def takes_a_resource(action: str) -> bool:
    service, name = action.split(":")
    return bool(reference()[service]["Actions"][name.lower()])


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_resource_is_a_wildcard_only_where_the_action_takes_none(statement):
    if statement.actions == ("cloudwatch:PutMetricData",):  # a metric has no ARN; AWS limits it so
        assert statement.resources == ("*",)
        assert statement.condition == {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
        return
    for action in statement.actions:
        assert takes_a_resource(action) == ("*" not in statement.resources), action


def test_the_reference_tells_which_actions_take_a_resource():
    assert takes_a_resource("s3:GetObject") and not takes_a_resource("ecr:GetAuthorizationToken")


def test_ci_pushes_to_the_repositories_of_the_settings_and_to_no_other():
    statements = {each.sid: each for each in ROLES["CiRole"].own}
    assert statements["Images"].resources == ("repository/sentiment/*",)
    for environment in ("dev", "prod"):
        config = settings.load(environment, variables={})
        for uri in (config.processing_image, config.training_image, config.serving_image):
            image = Image.parse(uri)
            assert image is not None and image.repository.startswith("sentiment/")
    assert statements["ImageKey"].resources == ("OutputKmsKey",)
    via_ecr = {"Fn::Sub": "ecr.${AWS::Region}.amazonaws.com"}
    assert statements["ImageKey"].condition == {"StringEquals": {"kms:ViaService": via_ecr}}


def test_a_role_is_passed_by_name_and_to_sagemaker_only():
    passed = {
        role: [(each.resources, each.condition) for each in ROLES[role].own if "iam:PassRole" in each.actions]
        for role in ROLES
    }
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert passed == {
        "PipelineRole": [(("JobRole",), to_sagemaker)],
        "JobRole": [],
        "EndpointRole": [],
        "DeployRole": [(("EndpointRole",), to_sagemaker)],
        "ScheduleRole": [],
        "CiRole": [(("PipelineRole",), to_sagemaker)],
        "WebRole": [],
    }


def test_a_role_is_assumed_by_one_service_and_for_this_account():
    of_this_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert {role: ROLES[role].trust["Principal"] for role in ROLES if role != "CiRole"} == {
        "PipelineRole": {"Service": "sagemaker.amazonaws.com"},
        "JobRole": {"Service": "sagemaker.amazonaws.com"},
        "EndpointRole": {"Service": "sagemaker.amazonaws.com"},
        "DeployRole": {"Service": "lambda.amazonaws.com"},
        "ScheduleRole": {"Service": "scheduler.amazonaws.com"},
        "WebRole": {"Service": "lambda.amazonaws.com"},
    }
    for role in ("PipelineRole", "JobRole", "EndpointRole", "ScheduleRole"):
        assert ROLES[role].trust["Condition"] == of_this_account


def test_ci_is_the_main_branch_in_a_protected_environment():
    claims = "token.actions.githubusercontent.com"
    assert ROLES["CiRole"].trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert ROLES["CiRole"].trust["Condition"] == {
        "StringEquals": {
            f"{claims}:aud": "sts.amazonaws.com",
            f"{claims}:sub": {
                "Fn::Sub": [
                    "repo:${GitHubRepository}:environment:${GitHubEnvironment}",
                    {"GitHubEnvironment": {"Fn::If": ["IsProduction", "production", {"Ref": "Environment"}]}},
                ]
            },
            f"{claims}:ref": "refs/heads/main",
        }
    }


def test_ci_may_what_the_workflow_asks_for():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (job,) = workflow["jobs"].values()
    (login,) = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]
    role = ROLES["CiRole"].name.replace("${Environment}", "${{ inputs.environment }}")
    assert login["role-to-assume"].endswith(f":role/{role}")
    longest = RESOURCES["CiRole"]["Properties"]["MaxSessionDuration"]
    assert login["role-duration-seconds"] <= longest
    assert job["timeout-minutes"] * 60 <= login["role-duration-seconds"]


# ---------------------------------------------------------------------- the permissions are the code's calls


def called(*files: Path) -> set[str]:
    """The IAM actions of client.list_tags, get_paginator("list_tags") and Call("ListTags", …)."""
    session, operations = botocore.session.get_session(), {}
    for service, prefix in SERVICES.items():
        names = session.get_service_model(service).operation_names
        operations = {xform_name(name): f"{prefix}:{name}" for name in names} | operations
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(node, "attr", None) or getattr(node, "value", None)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Call":
                name = xform_name(node.args[0].value)
            if isinstance(name, str) and "_" in name and name in operations:
                found.add(ACTIONS.get(operations[name], operations[name]))
    return found


def test_the_deploy_function_may_what_it_calls():
    beside = {  # what AWS asks for when tags, a role, a key are handed over, and to write a log
        "sagemaker:AddTags",
        "iam:PassRole",
        "kms:CreateGrant",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert ROLES["DeployRole"].actions == called(ROOT / "steps" / "deploy.py") | beside


def test_ci_may_what_the_commands_call():
    on_aws = [path for path in (ROOT / "pipeline").rglob("*.py") if "local" not in path.parts]
    beside = {"iam:PassRole", "kms:Decrypt", "kms:GenerateDataKey"}  # the pipeline's role, the bucket's key
    beside |= OF_PUSH
    assert ROLES["CiRole"].actions == called(*on_aws) - FREE - OF_PEOPLE | beside


OF_STEPS = {  # what a step of each type makes SageMaker do with the pipeline's role
    "Processing": {f"sagemaker:{verb}ProcessingJob" for verb in ("Create", "Describe", "Stop")},
    "Training": {f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")},
    "Transform": {f"sagemaker:{verb}TransformJob" for verb in ("Create", "Describe", "Stop")},
    "Model": {"sagemaker:CreateModel", "sagemaker:DescribeModel"},
    "RegisterModel": {"sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"},
    "Lambda": {"lambda:InvokeFunction"},
    "Condition": {"s3:GetObject", "kms:Decrypt"},  # the evaluation
    "Fail": set(),
}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_pipeline_may_run_every_step(environment):
    golden = ROOT / "tests" / "pipeline" / "golden" / f"{environment}.json"
    steps = json.loads(golden.read_text())["Steps"]
    needed = set().union(*(OF_STEPS[kind] for kind in kinds(steps)))
    assert ROLES["PipelineRole"].actions == needed | {"sagemaker:AddTags", "iam:PassRole"}  # of every job


def kinds(steps) -> set[str]:
    """The types of the steps, those in the branches of a condition too."""
    found = set()
    for step in steps:
        branches = [*step["Arguments"].get("IfSteps", []), *step["Arguments"].get("ElseSteps", [])]
        found |= {step["Type"]} | kinds(branches)
    return found


def test_the_schedule_may_start_one_pipeline_and_nothing_else():
    (statement,) = ROLES["ScheduleRole"].own
    assert statement.actions == ("sagemaker:StartPipelineExecution",)
    assert statement.resources == ("pipeline/sentiment-${Environment}",)


# ---------------------------------------------------------------------- the bucket


def test_the_bucket_is_private_versioned_encrypted_and_swept():
    bucket = RESOURCES["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    _, own_key, otherwise = rule["ServerSideEncryptionByDefault"]["Fn::If"]
    assert own_key == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "OutputKmsKey"}}
    assert otherwise == {"SSEAlgorithm": "AES256"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {each["Status"] for each in rules} == {"Enabled"}
    assert {"AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"} <= {
        key for each in rules for key in each
    }
    expiring = [each["Prefix"] for each in rules if "ExpirationInDays" in each]
    assert expiring == ["sentiment/checkpoints/"]  # never a model that a version points to


def test_the_bucket_takes_no_request_without_tls():
    (statement,) = RESOURCES["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}]


def test_removing_the_stack_keeps_the_results():
    assert RESOURCES["Bucket"]["DeletionPolicy"] == "Retain"
    assert RESOURCES["Bucket"]["UpdateReplacePolicy"] == "Retain"

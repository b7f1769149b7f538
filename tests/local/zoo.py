"""Small pipelines made with the SageMaker SDK, none of them this project's, for the local executor to run.

A job's script is a line or two of Python given on its command line; what it needs it finds in its channels.
"""

import logging
import os
import warnings

import boto3

# The SDK asks for a region and validates roles while it is imported and while it compiles.
os.environ.update(SAGEMAKER_VALIDATE_ROLE="false", AWS_DEFAULT_REGION="us-east-1")
logging.getLogger("sagemaker").setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sagemaker.core.lambda_helper import Lambda
    from sagemaker.core.processing import Processor
    from sagemaker.core.shapes import (
        OutputDataConfig,
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
        StoppingCondition,
    )
    from sagemaker.core.transformer import Transformer
    from sagemaker.core.workflow.conditions import (
        ConditionEquals,
        ConditionGreaterThan,
        ConditionGreaterThanOrEqualTo,
        ConditionIn,
        ConditionLessThan,
        ConditionLessThanOrEqualTo,
        ConditionNot,
        ConditionOr,
    )
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import (
        ParameterBoolean,
        ParameterFloat,
        ParameterInteger,
        ParameterString,
    )
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow import (
        CacheConfig,
        ConditionStep,
        FailStep,
        LambdaOutput,
        LambdaStep,
        ModelStep,
        Pipeline,
        ProcessingStep,
        SageMakerJobStepRetryPolicy,
        TrainingStep,
        TransformStep,
    )
    from sagemaker.mlops.workflow.lambda_step import LambdaOutputTypeEnum
    from sagemaker.mlops.workflow.retry import SageMakerJobExceptionTypeEnum
    from sagemaker.serve import ModelBuilder
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, InputData

BUCKET = "zoo"
ROLE = "arn:aws:iam::000000000000:role/Zoo"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/zoo:1"
OUT = "/opt/ml/processing/output"

__all__ = [
    "ConditionEquals",
    "ConditionGreaterThan",
    "ConditionGreaterThanOrEqualTo",
    "ConditionIn",
    "ConditionLessThan",
    "ConditionLessThanOrEqualTo",
    "ConditionNot",
    "ConditionOr",
    "ExecutionVariables",
    "FailStep",
    "Join",
    "JsonGet",
    "ParameterBoolean",
    "ParameterFloat",
    "ParameterInteger",
    "ParameterString",
    "PropertyFile",
]


def session() -> PipelineSession:
    keys = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    made = PipelineSession(boto_session=keys, default_bucket=BUCKET)
    made._default_bucket = BUCKET  # register() would otherwise check the bucket over the network
    return made


def processing(
    name, script, *arguments, inputs=None, outputs=("out",), files=(), cached=False, env=None, **step
):
    """A step whose job runs `script`, one string of Python; each output NAME is the folder
    /opt/ml/processing/output/NAME."""
    processor = Processor(
        role=ROLE,
        image_uri=IMAGE,
        instance_count=1,
        instance_type="ml.m5.large",
        entrypoint=["python3", "-c", script],
        env=env,
        sagemaker_session=session(),
    )
    request = processor.run(
        inputs=[
            ProcessingInput(
                input_name=key,
                s3_input=ProcessingS3Input(
                    s3_uri=uri,
                    local_path=f"/opt/ml/processing/input/{key}",
                    s3_data_type="S3Prefix",
                    s3_input_mode="File",
                ),
            )
            for key, uri in (inputs or {}).items()
        ],
        outputs=[
            ProcessingOutput(
                output_name=key,
                s3_output=ProcessingS3Output(
                    s3_uri=Join(
                        on="/", values=[f"s3://{BUCKET}", ExecutionVariables.PIPELINE_EXECUTION_ID, name, key]
                    ),
                    local_path=f"{OUT}/{key}",
                    s3_upload_mode="EndOfJob",
                ),
            )
            for key in outputs
        ],
        arguments=list(arguments) or None,
    )
    cache = CacheConfig(enable_caching=True, expire_after="P30D") if cached else None
    return ProcessingStep(
        name=name, step_args=request, property_files=list(files), cache_config=cache, **step
    )


def output_uri(step, name="out"):
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def training(name, hyperparameters, inputs, *, cached=False, **step):
    """A step whose job is `train.py` of the channel `code`."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        sagemaker_session=session(),
        role=ROLE,
        base_job_name="zoo",
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
            **hyperparameters,
        },
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/models"),
    )
    request = trainer.train(
        input_data_config=[InputData(channel_name=key, data_source=uri) for key, uri in inputs.items()]
    )
    cache = CacheConfig(enable_caching=True, expire_after="P30D") if cached else None
    return TrainingStep(name=name, step_args=request, cache_config=cache, **step)


def model_builder(artifacts):
    return ModelBuilder(
        s3_model_data_url=artifacts,
        image_uri=IMAGE,
        role_arn=ROLE,
        sagemaker_session=session(),
        env_vars={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
    )


def create_model(name, artifacts):
    return ModelStep(name=name, step_args=model_builder(artifacts).build())


def register(name, artifacts, group="zoo", approval="Approved"):
    request = model_builder(artifacts).register(
        model_package_group_name=group,
        content_types=["text/plain"],
        response_types=["application/json"],
        approval_status=approval,
    )
    return ModelStep(name=name, step_args=request)


def transform(name, model_name, data, **options):
    transformer = Transformer(
        model_name=model_name,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=Join(on="/", values=[f"s3://{BUCKET}", ExecutionVariables.PIPELINE_EXECUTION_ID, name]),
        strategy="MultiRecord",
        assemble_with="Line",
        accept="application/jsonlines",
        sagemaker_session=session(),
    )
    request = transformer.transform(
        data=data, content_type="application/jsonlines", split_type="Line", **options
    )
    return TransformStep(name=name, step_args=request)


def condition(name, conditions, if_steps=(), else_steps=(), **step):
    return ConditionStep(
        name=name, conditions=conditions, if_steps=list(if_steps), else_steps=list(else_steps), **step
    )


def function(name, function_name, inputs, outputs=()):
    return LambdaStep(
        name=name,
        lambda_func=Lambda(function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{function_name}"),
        inputs=inputs,
        outputs=[LambdaOutput(each, LambdaOutputTypeEnum.String) for each in outputs],
    )


def retry(attempts=2, interval=0):
    return [
        SageMakerJobStepRetryPolicy(
            exception_types=[SageMakerJobExceptionTypeEnum.INTERNAL_ERROR],
            interval_seconds=interval,
            backoff_rate=1.0,
            max_attempts=attempts,
        )
    ]


def compile_pipeline(steps, parameters=(), name="zoo") -> str:
    pipeline = Pipeline(
        name=name, parameters=list(parameters), steps=list(steps), sagemaker_session=session()
    )
    return pipeline.definition()

"""The pipeline: what runs, in which order, with what. Start reading here.

    Preprocess -> Train -> CreateModel -> Predict -> Evaluate -> AccuracyGate -> Register -> Deploy
                                                                      └-> AccuracyTooLow

Compiling is pure: settings and code hashes in, JSON out; no network, no upload, no clock. So the same
sources give the same bytes everywhere, step caching survives an upsert, and a plan tells the truth. The
price: nothing that the SageMaker SDK would upload or look up by itself may be used. The SDK takes 3 s to
import, so only `compile` does.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.sdk import offline
from pipeline.settings import Settings

if TYPE_CHECKING:
    from sagemaker.mlops.workflow import Pipeline

INPUT = "/opt/ml/processing/input"
OUTPUT = "/opt/ml/processing/output"
CONTENT_TYPES = ["text/plain", "application/json", "application/jsonlines", "text/csv"]
RESPONSE_TYPES = ["application/json", "application/jsonlines"]
METRICS = ["train_loss", "validation_loss", "validation_accuracy"]  # of each epoch's line in the log


def compile(settings: Settings, code: Mapping[str, str]) -> str:
    """The definition as JSON. `code` says where each script is published: {"train.py": "s3://…/code/<sha256>"}."""
    with offline(settings.region):
        definition = json.loads(_pipeline(settings, code).definition())
    return json.dumps({key: value for key, value in definition.items() if value is not None}, indent=1)


def _pipeline(settings: Settings, code: Mapping[str, str]) -> "Pipeline":
    from sagemaker.core.lambda_helper import Lambda
    from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
    from sagemaker.core.processing import Processor
    from sagemaker.core.shapes import (
        CheckpointConfig,
        MetricDefinition,
        OutputDataConfig,
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )
    from sagemaker.core.training.configs import InputData, Tag
    from sagemaker.core.transformer import Transformer
    from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow import (
        ConditionStep,
        FailStep,
        LambdaOutput,
        LambdaStep,
        ModelStep,
        Pipeline,
        ProcessingStep,
        TrainingStep,
        TransformStep,
    )
    from sagemaker.serve import ModelBuilder
    from sagemaker.train import ModelTrainer

    from pipeline import sdk_settings as shared
    from pipeline.sdk import session as offline_session

    # ------------------------------------------------------------------ what the steps share

    session = offline_session(settings.region, settings.bucket)
    given = shared.parameters_of(settings)
    cache = shared.cache(settings)
    service_retries = shared.service_retries(settings)
    retries = [service_retries, shared.job_retries(settings)]

    def digest(script: str) -> str:
        """The hash of what a script's jobs run: the last part of where it is published."""
        return code[script].rpartition("/")[2]

    def results(*parts: str) -> Join:
        """Where an execution's outputs lie: s3://bucket/prefix/executions/<id>/Train"""
        execution = ExecutionVariables.PIPELINE_EXECUTION_ID
        return Join(on="/", values=[f"{settings.root}/executions", execution, *parts])

    def source(name: str, uri: Any) -> ProcessingInput:
        at = ProcessingS3Input(
            s3_uri=uri, local_path=f"{INPUT}/{name}", s3_data_type="S3Prefix", s3_input_mode="File"
        )
        return ProcessingInput(input_name=name, s3_input=at)

    def output(step: str, name: str) -> ProcessingOutput:
        at = ProcessingS3Output(
            s3_uri=results(step, name), local_path=f"{OUTPUT}/{name}", s3_upload_mode="EndOfJob"
        )
        return ProcessingOutput(output_name=name, s3_output=at)

    def processor(script: str) -> Processor:
        return Processor(
            role=settings.job_role,
            image_uri=settings.processing_image,
            entrypoint=["python3", f"{INPUT}/code/{script}"],
            instance_type=given["ProcessingInstanceType"],
            instance_count=1,
            volume_size_in_gb=settings.processing_volume_gb,
            volume_kms_key=settings.volume_kms_key,
            output_kms_key=settings.output_kms_key,
            max_runtime_in_seconds=settings.processing_max_seconds,
            network_config=shared.processing_network(settings),
            tags=shared.tags(settings, given, digest(script)),
            sagemaker_session=session,
        )

    # ------------------------------------------------------------------ Preprocess

    preprocess = ProcessingStep(
        name="Preprocess",
        display_name="Preprocess the reviews",
        description="Split the reviews, build the vocabulary from the training split, turn words into ids",
        step_args=processor("preprocess.py").run(
            inputs=[source("code", code["preprocess.py"]), source("raw", given["InputData"])],
            outputs=[
                output("Preprocess", name)
                for name in ("train", "validation", "test", "reviews", "vocabulary", "report")
            ],
            arguments=[
                *("--input", f"{INPUT}/raw"),
                *("--output", OUTPUT),
                *("--recipe", given["Recipe"]),
                *("--vocabulary-size", given["VocabularySize"].to_string()),
                *("--max-length", given["MaxLength"].to_string()),
                *("--seed", given["Seed"].to_string()),
            ],
        ),
        cache_config=cache,
        retry_policies=retries,
    )
    prepared = preprocess.properties.ProcessingOutputConfig.Outputs

    # ------------------------------------------------------------------ Train

    model_tags = shared.tags(settings, given, digest("train.py"))  # of all that knows the model
    trainer = ModelTrainer(
        training_image=settings.training_image,
        role=settings.job_role,
        base_job_name=settings.pipeline,
        compute=shared.training_compute(settings, given["TrainingInstanceType"]),
        networking=shared.networking(settings),
        stopping_condition=shared.training_limits(settings),
        output_data_config=OutputDataConfig(
            s3_output_path=results("Train"), kms_key_id=settings.output_kms_key
        ),
        # Without the execution's id: it is part of the cache key, and a repeated run, or a training on spot
        # capacity that was interrupted, resumes from it.
        checkpoint_config=CheckpointConfig(
            s3_uri=f"{settings.root}/checkpoints", local_path="/opt/ml/checkpoints"
        ),
        hyperparameters={
            # Script mode. The code is a channel, because an isolated job cannot fetch it from S3.
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
            "checkpoint-dir": "/opt/ml/checkpoints",
            "seed": given["Seed"].to_string(),  # hyperparameters are strings
            "epochs": given["Epochs"].to_string(),
            "batch-size": given["BatchSize"].to_string(),
            "learning-rate": given["LearningRate"].to_string(),
            "embedding-size": given["EmbeddingSize"].to_string(),
            "hidden-size": given["HiddenSize"].to_string(),
            "dropout": given["Dropout"].to_string(),
            "patience": given["Patience"].to_string(),
        },
        tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in model_tags],
        sagemaker_session=session,
    ).with_metric_definitions([MetricDefinition(name=name, regex=rf"\b{name}=([0-9.]+)") for name in METRICS])
    train = TrainingStep(
        name="Train",
        display_name="Train the LSTM",
        description="Train until the validation accuracy stops rising; keep the best epoch",
        step_args=trainer.train(
            input_data_config=[
                InputData(channel_name="code", data_source=code["train.py"]),
                *(
                    InputData(channel_name=name, data_source=prepared[name].S3Output.S3Uri)
                    for name in ("train", "validation", "vocabulary")
                ),
            ]
        ),
        cache_config=cache,
        retry_policies=retries,
    )

    # ------------------------------------------------------------------ CreateModel, Predict

    def model_builder() -> ModelBuilder:  # one for each call: a ModelBuilder remembers
        return ModelBuilder(
            s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
            image_uri=settings.serving_image,
            role_arn=settings.job_role,
            network=shared.networking(settings),
            env_vars={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",  # the model archive carries its code
            },
            sagemaker_session=session,
        )

    create_model = ModelStep(
        name="CreateModel",
        display_name="Create the model",
        description="Join the trained weights and the serving image, so that a batch transform can use them",
        step_args=model_builder().build(tags=model_tags),
        retry_policies=[service_retries],
    )
    predict = TransformStep(
        name="Predict",
        display_name="Score the test reviews",
        description="Batch transform of the raw test reviews; each answer joins its review and label",
        step_args=Transformer(
            model_name=create_model.properties.ModelName,
            instance_type=given["TransformInstanceType"],
            instance_count=1,
            strategy="MultiRecord",
            max_payload=1,  # MB a request: some hundred reviews
            assemble_with="Line",
            accept="application/jsonlines",
            output_path=results("Predict"),
            volume_kms_key=settings.volume_kms_key,
            output_kms_key=settings.output_kms_key,
            tags=model_tags,
            sagemaker_session=session,
        ).transform(
            data=prepared["reviews"].S3Output.S3Uri,
            content_type="application/jsonlines",
            split_type="Line",
            input_filter="$.review",  # the model never sees the label
            join_source="Input",
            model_client_config={"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 1},
        ),
        cache_config=cache,
        retry_policies=retries,
    )

    # ------------------------------------------------------------------ Evaluate, AccuracyGate

    evaluation = PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    evaluate = ProcessingStep(
        name="Evaluate",
        display_name="Evaluate the predictions",
        description="Accuracy with its interval, precision, recall, AUC, calibration, the worst mistakes",
        step_args=processor("evaluate.py").run(
            inputs=[
                source("code", code["evaluate.py"]),
                source("predictions", predict.properties.TransformOutput.S3OutputPath),
                source("report", prepared["report"].S3Output.S3Uri),
            ],
            outputs=[output("Evaluate", "evaluation")],
            arguments=[
                *("--predictions", f"{INPUT}/predictions"),
                *("--data-report", f"{INPUT}/report/data_report.json"),
                *("--output", f"{OUTPUT}/evaluation"),
            ],
        ),
        property_files=[evaluation],
        cache_config=cache,
        retry_policies=retries,
    )

    def evaluated(path: str) -> JsonGet:
        return JsonGet(step_name=evaluate.name, property_file=evaluation, json_path=path)

    accuracy = evaluated("binary_classification_metrics.accuracy.value")
    test_size = evaluated("dataset.item_count")

    # ------------------------------------------------------------------ Register, Deploy: the gate is open

    report = Join(
        on="/",
        values=[
            evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri,
            "evaluation.json",
        ],
    )
    register = ModelStep(
        name="Register",
        display_name="Register the model version",
        description="A new version of the model package group, with its metrics and where it comes from",
        step_args=model_builder().register(
            model_package_group_name=settings.model_package_group,
            content_types=CONTENT_TYPES,
            response_types=RESPONSE_TYPES,
            approval_status=given["ApprovalStatus"],
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(content_type="application/json", s3_uri=report)
            ),
            customer_metadata_properties={
                "accuracy": Join(on="", values=[accuracy]),
                "accuracy_threshold": given["AccuracyThreshold"].to_string(),
                "test_size": Join(on="", values=[test_size]),
                "input_data": given["InputData"],
                **shared.lineage(given),
                "training_code": digest("train.py"),
                "execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
            },
        ),
        retry_policies=[service_retries],
    )
    deploy = LambdaStep(
        name="Deploy",
        display_name="Deploy to the endpoint",
        description="Roll the endpoint over to the version if it is approved, then ask it two plain reviews",
        lambda_func=Lambda(function_arn=settings.deploy_function_arn, session=session),
        inputs={
            "model_package_arn": register.properties.ModelPackageArn,
            "instance_type": given["EndpointInstanceType"],
            "instance_count": given["EndpointInstanceCount"],
            **shared.endpoint(settings),
        },
        outputs=[LambdaOutput(name) for name in ("status", "endpoint_name", "message")],
    )

    # ------------------------------------------------------------------ AccuracyTooLow: the gate is shut

    too_low = FailStep(
        name="AccuracyTooLow",
        display_name="Stop: accuracy too low",
        description="End the execution as failed, with the numbers; nothing is registered",
        error_message=Join(
            on="",
            values=[
                *("test accuracy ", accuracy, " is below the threshold "),
                *(given["AccuracyThreshold"], " (", test_size, " test reviews); nothing was registered"),
            ],
        ),
    )
    gate = ConditionStep(
        name="AccuracyGate",
        display_name="Accurate enough?",
        description="Register and deploy only what reaches the accuracy threshold on the test reviews",
        conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=given["AccuracyThreshold"])],
        if_steps=[register, deploy],
        else_steps=[too_low],
    )

    return Pipeline(
        name=settings.pipeline,
        parameters=list(given.values()),
        pipeline_experiment_config=None,  # no SageMaker Experiments: one permission less
        steps=[preprocess, train, create_model, predict, evaluate, gate],
        sagemaker_session=session,
    )

"""Preprocess and Train in the local mode of SageMaker's own SDK, to set beside the project's runners.

Run by benchmarks/runners.py, in an environment of its own: the SDK's version 2, whose local mode works with
Docker Compose, and the project's version 3 exclude each other. The images and the scripts are the project's;
the last line of the output is the seconds that each step took.

    python sdk_local_mode.py CODE_OF_PREPROCESS CODE_OF_TRAIN REVIEWS RESULTS
"""

import json
import sys
import time
from pathlib import Path

import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

ROLE = "arn:aws:iam::000000000000:role/unused"
INPUT, OUTPUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
OUTPUTS = ("train", "validation", "test", "reviews", "vocabulary", "report")


def main(preprocess_code: Path, train_code: Path, reviews: Path, results: Path) -> None:
    session = LocalPipelineSession(
        boto3.Session("none", "none", region_name="us-east-1"), default_bucket="unused"
    )
    session.config = {"local": {"local_code": True, "container_root": str(results)}}

    processor = Processor(
        ROLE, "sentiment/processing:local", 1, "local",
        entrypoint=["python3", f"{INPUT}/code/preprocess.py"], sagemaker_session=session,
    )  # fmt: skip
    preprocess = ProcessingStep(
        "Preprocess",
        step_args=processor.run(
            inputs=[
                ProcessingInput(str(preprocess_code), f"{INPUT}/code", input_name="code"),
                ProcessingInput(str(reviews), f"{INPUT}/raw", input_name="raw"),
            ],
            outputs=[ProcessingOutput(output_name=name, source=f"{OUTPUT}/{name}") for name in OUTPUTS],
            arguments=["--input", f"{INPUT}/raw", "--output", OUTPUT],
        ),
    )
    estimator = Estimator(
        "sentiment/training:local", ROLE, 1, "local",
        sagemaker_session=session,
        hyperparameters={  # as JSON, which the local mode wants and the toolkit reads
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps("/opt/ml/input/data/code/sourcedir.tar.gz"),
            "epochs": 2,
        },
    )  # fmt: skip
    prepared = preprocess.properties.ProcessingOutputConfig.Outputs
    channels = {
        name: TrainingInput(prepared[name].S3Output.S3Uri) for name in ("train", "validation", "vocabulary")
    }
    train = TrainingStep(
        "Train",
        step_args=estimator.fit({"code": TrainingInput(f"file://{train_code.resolve()}"), **channels}),
    )
    pipeline = Pipeline("sentiment", steps=[preprocess, train], sagemaker_session=session)
    pipeline.create(ROLE)
    started = time.monotonic()
    execution = pipeline.start()
    seconds = time.monotonic() - started
    steps = {each["StepName"]: each for each in execution.list_steps()["PipelineExecutionSteps"]}
    print(
        json.dumps(
            {
                "seconds": seconds,
                "steps": {
                    name: {"status": step["StepStatus"], "seconds": step["EndTime"] - step["StartTime"]}
                    for name, step in steps.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

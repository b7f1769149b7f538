"""Each step's arguments as the request that SageMaker will make of them, judged by botocore's model."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import service_model
from pipeline.dag import Definition, Step, references
from pipeline.finding import Finding
from pipeline.lint.examples import property_of, resolved
from pipeline.settings import Settings

_CREATES = {  # step type -> the operation that its arguments become, and the name that the service adds
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "name"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "name"}),
    "Transform": ("CreateTransformJob", {"TransformJobName": "name"}),
    "Model": ("CreateModel", {"ModelName": "name"}),
    "RegisterModel": ("CreateModelPackage", {}),
}
_EXECUTION_VARIABLES = {
    "CurrentDateTime",
    "PipelineArn",
    "PipelineExecutionArn",
    "PipelineExecutionId",
    "PipelineName",
    "ProcessingJobName",
    "StartDateTime",
    "TrainingJobName",
}


def check(definition: Definition, settings: Settings, values: Mapping[str, Any]) -> Iterator[Finding]:
    for step in definition.steps.values():
        yield from _references(step, definition)
        yield from _request(step, definition, settings, values)


def _references(step: Step, definition: Definition) -> Iterator[Finding]:
    """References to what will not be there."""
    for reference in references(step.arguments):
        if reference.source == "Steps" and property_of(reference, definition) is None:
            yield Finding(
                step.name,
                "",
                f"{reference}: a {definition.steps[reference.name].type} step has no such property",
                "see the Describe operation of its job in AWS's API reference",
            )
        if reference.source == "Execution" and reference.name not in _EXECUTION_VARIABLES:
            known = ", ".join(sorted(_EXECUTION_VARIABLES))
            yield Finding(step.name, "", f"{reference}: an execution has no such variable", f"it has {known}")


def _request(
    step: Step, definition: Definition, settings: Settings, values: Mapping[str, Any]
) -> Iterator[Finding]:
    def problems(given: Mapping[str, Any]) -> list[str]:
        operation, request = _made_of(step, resolved(step.arguments, definition, given), settings)
        return service_model.validate(operation, request) if operation else []

    operation, _ = _made_of(step, {}, settings)
    for problem in problems(values):
        causes = [
            f"--set {name}={value}"
            for name, value in values.items()
            if problem not in problems({key: values[key] for key in values if key != name})
        ]
        place = " and ".join(causes) or "pipeline/definition.py or the settings"
        yield Finding(step.name, "Arguments", problem, f"{operation} would be refused; correct {place}")


def _made_of(step: Step, arguments: Any, settings: Settings) -> tuple[str, dict[str, Any]]:
    """The operation and the request that become of a step; no operation for a step that makes none."""
    if (
        step.body.get("FunctionArn") == settings.deploy_function_arn
    ):  # what steps/deploy.py makes of its event
        variant = {
            "VariantName": "AllTraffic",
            "InstanceType": arguments.get("instance_type"),
            "InitialInstanceCount": arguments.get("instance_count", 1),
        }
        return "CreateEndpointConfig", {"EndpointConfigName": "name", "ProductionVariants": [variant]}
    operation, added = _CREATES.get(step.type, ("", {}))
    return operation, {**arguments, **added}

"""An account with one pipeline in it, whose every call a test can make fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripted_aws import Refused, scripted

from definitions import compiled, settings_of
from pipeline.places import Folders
from pipeline.plan import DESCRIPTION
from pipeline.sessions import Clients
from pipeline.settings import Settings
from pipeline.storage import FolderStorage

ARN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/sentiment-dev"
GROUP_ARN = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/sentiment-dev"

Rows = list[dict[str, Any]]


class Account:
    """text: a definition for it. live: the pipeline as stored, or None.

    executions: {ARN: (status, steps)}, oldest first.
    """

    def __init__(self, home: Path, settings: Settings | None = None) -> None:
        self.settings = settings or settings_of("dev")
        self.text = compiled("dev")
        self.live: dict[str, Any] | None = None
        self.tags: dict[str, str] = {}
        self.groups: set[str] = set()
        self.executions: dict[str, tuple[str, Rows]] = {}
        self.failing: dict[str, Refused] = {}
        self.before: dict[str, Callable[[], None]] = {}  # what somebody else does just before a call
        self.calls: list[tuple[str, dict[str, Any]]] = []
        answers = {
            "DescribePipeline": self._describe,
            "CreatePipeline": self._create,
            "UpdatePipeline": self._update,
            "ListTags": lambda _: {
                "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]
            },
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "DescribeModelPackageGroup": self._describe_group,
            "CreateModelPackageGroup": self._create_group,
            "ListPipelineExecutions": self._list,
            "ListPipelineExecutionSteps": self._steps,
        }
        sagemaker = scripted(
            "sagemaker", {name: self._or_fail(name, answer) for name, answer in answers.items()}, self.calls
        )
        self.clients = Clients(
            sagemaker, None, None, FolderStorage(home / "s3"), Folders(home), outlives=True
        )

    def holds(self, text: str, **members: Any) -> None:
        """The pipeline is there as an upsert leaves it, but for these members."""
        self.groups.add(self.settings.model_package_group)
        self.tags = dict(self.settings.all_tags)
        self.live = {
            "PipelineArn": ARN,
            "PipelineDefinition": text,
            "PipelineDescription": DESCRIPTION,
            "RoleArn": self.settings.pipeline_role,
            "ParallelismConfiguration": {"MaxParallelExecutionSteps": self.settings.max_parallel_steps},
            **members,
        }

    def mutations(self) -> list[str]:
        return [name for name, _ in self.calls if not name.startswith(("Describe", "List"))]

    def _or_fail(self, name: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
        def answered(request: dict[str, Any]) -> dict[str, Any]:
            self.before.pop(name, lambda: None)()
            if name in self.failing:
                raise self.failing[name]
            return answer(request)

        return answered

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.live is None:
            raise Refused("ResourceNotFound", "Pipeline does not exist.")
        return self.live

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.live is not None:
            raise Refused("ValidationException", "Pipeline names must be unique … already exists.")
        self.holds("")
        self.tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return self._update(request)

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.live is not None
        self.live |= {key: value for key, value in request.items() if key in self.live}
        return {"PipelineArn": ARN}

    def _add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        self.tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return {"Tags": []}

    def _delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        for key in request["TagKeys"]:
            del self.tags[key]
        return {}

    def _describe_group(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["ModelPackageGroupName"] not in self.groups:
            raise Refused("ValidationException", f"ModelPackageGroup {GROUP_ARN} does not exist.")
        return {
            "ModelPackageGroupName": request["ModelPackageGroupName"],
            "ModelPackageGroupArn": GROUP_ARN,
            "CreationTime": 0,
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }

    def _create_group(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["ModelPackageGroupName"] in self.groups:
            raise Refused("ValidationException", f"Model Package Group already exists: {GROUP_ARN}")
        self.groups.add(request["ModelPackageGroupName"])
        return {"ModelPackageGroupArn": GROUP_ARN}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"PipelineExecutionArn": arn, "PipelineExecutionStatus": status}
            for arn, (status, _) in reversed(self.executions.items())
        ]
        return {"PipelineExecutionSummaries": rows}

    def _steps(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["PipelineExecutionArn"] not in self.executions:
            raise Refused("ResourceNotFound", "Pipeline execution does not exist.")
        return {"PipelineExecutionSteps": self.executions[request["PipelineExecutionArn"]][1]}

"""Where a person looks at an execution, its jobs and their logs: folders here, the AWS console there.

The console's addresses are not part of any API: they are what it shows in the browser, and a change there
breaks a link but nothing else.
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pipeline.control import Step, execution_id
from pipeline.settings import Settings

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_PAGES = {"ProcessingJob": "processing-jobs", "TrainingJob": "jobs", "TransformJob": "transform-jobs"}


class Places(Protocol):
    """Each is a path or an URL; None where there is no such place."""

    logs: str  # of all jobs
    notes: str | None  # the log group in which the service accounts for cache hits, misses and retries

    def execution(self, arn: str) -> str | None: ...

    def job(self, step: Step) -> str | None: ...

    def log(self, step: Step) -> str | None: ...


class Folders:
    """The state folder of the local service."""

    notes: str | None = "/aws/sagemaker/Pipelines"

    def __init__(self, home: Path) -> None:
        self._jobs = home / "jobs"
        self.logs = str(self._jobs)

    def execution(self, arn: str) -> str | None:
        return None

    def job(self, step: Step) -> str | None:
        return None

    def log(self, step: Step) -> str | None:
        path = self._jobs / step.job[1] / "log.txt" if step.job else None
        return str(path) if path and path.is_file() else None


class Console:
    """The AWS console, and SageMaker Studio where a domain is set. Other partitions have no links."""

    notes: str | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.logs = self._logs("$3FlogGroupNameFilter$3D" + _escaped("/aws/sagemaker/")) or "CloudWatch Logs"

    def execution(self, arn: str) -> str | None:
        domain, region = self._settings.studio_domain, self._settings.region
        if domain is None or self._settings.partition != "aws":
            return None
        return (
            f"https://studio-{domain}.studio.{region}.sagemaker.aws"
            f"/pipelines/view/{self._settings.pipeline}/executions/{execution_id(arn)}/graph"
        )

    def job(self, step: Step) -> str | None:
        if step.job is None:
            return None
        kind, name = step.job
        return self._page("sagemaker", f"/{_PAGES[kind]}/{quote(name)}")

    def log(self, step: Step) -> str | None:
        if step.job is None:
            return None
        kind, name = step.job
        group = _escaped(f"/aws/sagemaker/{kind}s")
        return self._logs(f"/log-group/{group}$3FlogStreamNameFilter$3D{_escaped(name + '/')}")

    def _logs(self, fragment: str) -> str | None:
        return self._page("cloudwatch", f"logsV2:log-groups{fragment}")

    def _page(self, service: str, fragment: str) -> str | None:
        host, region = _CONSOLES.get(self._settings.partition), self._settings.region
        return f"https://{region}.{host}/{service}/home?region={region}#{fragment}" if host else None


def _escaped(text: str) -> str:
    """ "/aws/x" -> "$252Faws$252Fx": the logs console quotes twice, the second time with $ for %."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")

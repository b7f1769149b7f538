"""ARNs of the settings that name another account or region than the pipeline's."""

from collections.abc import Iterator

from pipeline.finding import Finding
from pipeline.settings import Settings


def check(settings: Settings) -> Iterator[Finding]:
    for key in ("pipeline_role", "job_role", "endpoint_role", "schedule_role"):
        arn = getattr(settings, key)
        if arn and (found := arn.split(":")[4]) != settings.account:
            problem = (
                f"it is of account {found}, and a role cannot be passed from {settings.account} to there"
            )
            yield Finding("", key, problem, f"name a role of account {settings.account}, or set account")
    for key in ("volume_kms_key", "output_kms_key"):
        arn = getattr(settings, key)
        if arn and arn.startswith("arn:") and (found := arn.split(":")[3]) != settings.region:
            problem = f"the key is in {found}, and the pipeline in {settings.region}"
            yield Finding("", key, problem, f"name a key of {settings.region}")

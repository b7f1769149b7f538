"""The account of the settings, and their ARNs that name another account or region than the pipeline's."""

from collections.abc import Iterator

from pipeline.finding import Finding
from pipeline.settings import Settings

EXAMPLE_ACCOUNT = "111122223333"  # of AWS's documentation, and of config/ as it is shipped


def check(settings: Settings) -> Iterator[Finding]:
    if settings.account == EXAMPLE_ACCOUNT:
        problem = f"{EXAMPLE_ACCOUNT} is the account of AWS's own examples"
        remedy = f"write yours into config/{settings.environment}.yaml"
        yield Finding("", "account", problem, remedy, "warning")
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

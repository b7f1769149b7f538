"""Every error of botocore as an AwsRefused: the operation, AWS's code and message, and what to do."""

from pipeline.errors import AwsRefused


def explain(error: Exception) -> AwsRefused | None:
    """None for an error that is not AWS's."""
    return None

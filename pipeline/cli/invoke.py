"""invoke: one review to the endpoint."""

import json
from typing import Any

from pipeline import sessions, settings
from pipeline.errors import NotFound, UsageError


def ask(review: str) -> dict[str, Any]:
    """{"label": "positive", "probability": 0.98, "model_version": "…"}. Raises NotFound: no endpoint."""
    if not review.strip():
        raise UsageError("the review is empty; write some words in quotes")
    config = settings.load("local")
    with sessions.connect(config, sessions.state_folder()) as clients:
        try:
            clients.sagemaker.describe_endpoint(EndpointName=config.endpoint)
        except clients.sagemaker.exceptions.ClientError as error:
            if "Could not find" not in str(error):  # how AWS says that there is none
                raise
            raise NotFound(
                f"there is no endpoint {config.endpoint}; python -m pipeline.run --local deploys one"
            ) from error
        answer = clients.runtime.invoke_endpoint(
            EndpointName=config.endpoint,
            ContentType="text/plain",
            Accept="application/json",
            Body=review.encode(),
        )
        found: dict[str, Any] = json.loads(answer["Body"].read())
    return found

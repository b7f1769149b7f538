"""invoke: one review to the endpoint."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline import sessions, settings
from pipeline.cli.report import run
from pipeline.errors import NotFound, UsageError
from pipeline.settings import Settings


def invoke(environment: str, flags: Mapping[str, Any], review: str, as_json: bool) -> None:
    answer = ask(environment, flags, review)
    if as_json:
        print(json.dumps(answer))
    else:
        print("{label}  (probability of positive {probability:.4f}, model {model_version})".format(**answer))


def ask(environment: str, flags: Mapping[str, Any], review: str) -> dict[str, Any]:
    """{"label": "positive", "probability": 0.98, "model_version": "…"}. Raises NotFound: no endpoint."""
    if not review.strip():
        raise UsageError("the review is empty; write some words in quotes")
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder()) as clients:
        check_deployed(clients.sagemaker, config, flags)
        answer = clients.runtime.invoke_endpoint(
            EndpointName=config.endpoint,
            ContentType="text/plain",
            Accept="application/json",
            Body=review.encode(),
        )
        found: dict[str, Any] = json.loads(answer["Body"].read())
    return found


def check_deployed(sagemaker: Any, config: Settings, flags: Mapping[str, Any]) -> None:
    """Raises NotFound, with the command that deploys it, where the endpoint does not exist."""
    try:
        sagemaker.describe_endpoint(EndpointName=config.endpoint)
    except sagemaker.exceptions.ClientError as error:
        if "Could not find" not in str(error):  # how AWS says that there is none
            raise
        env = config.environment
        wanted = [] if env == "local" else ["--upsert", "--start", "--wait"]
        given = [part for key, value in flags.items() for part in ("--setting", f"{key}={value}")]
        raise NotFound(
            f"there is no endpoint {config.endpoint}; this deploys it: {run(env, *wanted, *given)}"
        ) from error

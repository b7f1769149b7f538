"""Bring an endpoint to a model package version; success is reported once it answers two plain reviews right.

A Lambda function (`handler`) and a script. Everything it makes is named after what it is made of, so that a
repeat, or a second deployer, finds it instead of making it again; the price is a hash in the names. It waits
within the ten minutes that SageMaker gives to the function of a Lambda step.
"""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

WAIT_SECONDS = 480
RACES = ("ValidationException", "ConflictException")  # how an endpoint that is changing refuses a change
MAX_REFUSALS = 5
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
CONFIG_NAME = re.compile(r".*-(\d+)-[0-9a-f]{8}")  # as `_name` makes them: endpoint, version, hash
TOLD = {"MODEL_TEST_ACCURACY": "accuracy", "MODEL_TEST_REVIEWS": "test_size"}  # variable: of the metadata
PLAIN_REVIEWS = {
    "A wonderful film. The acting is superb, the story moving, and I loved every minute of it.": "positive",
    "A terrible film. The acting is awful, the story boring, and I hated every minute of it.": "negative",
}


class DeployError(RuntimeError):
    """The endpoint does not serve the version: the message says what it does instead."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """Event: model_package_arn, endpoint_name, instance_type, role_arn; optional: instance_count (1),
    network_isolation (true), volume_kms_key, subnets and security_groups ("a,b"), tags ("key=value,…"), and
    allow_older, without which a version never replaces a newer one: the newest of two deployers wins."""
    return deploy(boto3.client("sagemaker"), boto3.client("sagemaker-runtime"), event)


def deploy(
    sagemaker: Any, runtime: Any, event: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep
) -> dict[str, str]:
    """Returns status (Deployed, AlreadyLive, NotApproved, Superseded), endpoint_name, model_package_arn and
    message."""
    if absent := {"model_package_arn", "endpoint_name", "instance_type", "role_arn"} - set(event):
        raise DeployError(f"the event lacks {', '.join(sorted(absent))}")
    arn, endpoint = event["model_package_arn"], event["endpoint_name"]

    def answer(status: str, message: str) -> dict[str, str]:
        print(f"{status}: {message}", flush=True)
        return {"status": status, "endpoint_name": endpoint, "model_package_arn": arn, "message": message}

    package = sagemaker.describe_model_package(ModelPackageName=arn)
    approval = package["ModelApprovalStatus"]
    if approval != "Approved":
        return answer("NotApproved", f"{arn} is {approval}: nothing was changed; approve it to deploy it")
    config = _make_config(sagemaker, event, package.get("CustomerMetadataProperties", {}))
    outcome = _bring_to(sagemaker, event, config, sleep)
    if outcome == "Superseded":
        return answer(outcome, f"{endpoint} serves a newer version than {arn}; allow_older goes back to it")
    _ask(runtime, endpoint, arn)
    if outcome == "AlreadyLive":
        return answer("AlreadyLive", f"{endpoint} serves {arn} already")
    return answer("Deployed", f"{endpoint} serves {arn} and answers two plain reviews right")


def _make_config(sagemaker: Any, event: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """The model and the endpoint configuration, unless they exist; the name of the latter."""
    package, version = event["model_package_arn"].split("/")[-2:]
    told = {"MODEL_PACKAGE_VERSION": version}  # which the model server tells with an explanation
    told |= {name: metadata[key] for name, key in TOLD.items() if key in metadata}
    model: dict[str, Any] = {
        "Containers": [{"ModelPackageName": event["model_package_arn"], "Environment": told}],
        "ExecutionRoleArn": event["role_arn"],
        "EnableNetworkIsolation": bool(event.get("network_isolation", True)),
    }
    if subnets := _listed(event, "subnets"):
        model["VpcConfig"] = {"Subnets": subnets, "SecurityGroupIds": _listed(event, "security_groups")}
    model_name = _name(package, version, model)
    _create(sagemaker.create_model, ModelName=model_name, **model, **_tagged(event))
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model_name,
        "InstanceType": event["instance_type"],
        "InitialInstanceCount": int(event.get("instance_count", 1)),
        "InitialVariantWeight": 1.0,
    }
    config: dict[str, Any] = {"ProductionVariants": [variant]}
    if key := event.get("volume_kms_key"):
        config["KmsKeyId"] = key
    config_name = _name(event["endpoint_name"], version, config)
    _create(sagemaker.create_endpoint_config, EndpointConfigName=config_name, **config, **_tagged(event))
    return config_name


def _listed(event: Mapping[str, Any], key: str) -> list[str]:
    """{"subnets": "a,b"} -> ["a", "b"]: an event of a Lambda step is flat."""
    return [part for part in (event.get(key) or "").split(",") if part]


def _tagged(event: Mapping[str, Any]) -> dict[str, Any]:
    """{"tags": "team=search"} -> what a Create… takes. Tags are in no name: to change one deploys nothing."""
    pairs = [tag.partition("=") for tag in _listed(event, "tags")]
    return {"Tags": [{"Key": key, "Value": value} for key, _, value in pairs]} if pairs else {}


def _name(prefix: str, version: str, settings: Mapping[str, Any]) -> str:
    """("sentiment", "3", {...}) -> "sentiment-3-1f0c4b7e": at most 63 characters, told by the settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    suffix = f"-{version}-{digest}"
    return prefix[: 63 - len(suffix)].rstrip("-") + suffix


def _create(operation: Callable[..., object], **request: object) -> None:
    try:
        operation(**request)
    except ClientError as error:
        if "already exist" not in str(error):
            raise


def _bring_to(sagemaker: Any, event: Mapping[str, Any], config: str, sleep: Callable[[float], None]) -> str:
    """Wait until the endpoint is InService with the configuration: Deployed, or AlreadyLive without a change
    of ours; Superseded when it serves a newer version.

    An endpoint that someone else is changing is waited for, before the change and when the change is refused;
    one that an older deployment has taken meanwhile is changed again.
    """
    endpoint, allow_older = event["endpoint_name"], event.get("allow_older")
    wanted = {"EndpointName": endpoint, "EndpointConfigName": config}
    before: str | None = None  # what was live when we asked for the change
    changing, refusals = False, 0
    for pause in _pauses():
        found = _describe(sagemaker, endpoint)
        status = found["EndpointStatus"] if found else "absent"
        if status not in BUSY:
            live = found.get("EndpointConfigName")
            if status == "InService" and live == config:
                return "Deployed" if changing else "AlreadyLive"
            if status == "InService" and _version(live) > _version(config) and not allow_older:
                return "Superseded"
            if changing and (status != "InService" or live == before):
                raise DeployError(f"{endpoint} did not take {config}: {status} with {live}: {_reason(found)}")
            try:
                if status == "Failed":  # it serves nothing, and can be neither updated nor created over
                    sagemaker.delete_endpoint(EndpointName=endpoint)
                else:
                    if found:
                        sagemaker.update_endpoint(**wanted)
                    else:
                        sagemaker.create_endpoint(**wanted, **_tagged(event))
                    before, changing = live, True
                print(f"{endpoint}: {status}, going to {config}", flush=True)
            except ClientError as error:
                refusals += 1
                if refusals > MAX_REFUSALS or error.response["Error"]["Code"] not in RACES:
                    raise
        sleep(pause)
    raise DeployError(
        f"{endpoint} is still {status} after {WAIT_SECONDS} s; deploy again when it is InService"
    )


def _version(config: str | None) -> int:
    """("sentiment-3-1f0c4b7e") -> 3; 0 for a configuration that this function did not make."""
    match = CONFIG_NAME.fullmatch(config or "")
    return int(match[1]) if match else 0


def _pauses() -> Iterator[float]:
    """Seconds between looks: 0.2, 0.3, 0.45 … up to 10, WAIT_SECONDS in all."""
    pause, left = 0.2, float(WAIT_SECONDS)
    while left > 0:
        yield min(pause, left)
        left -= pause
        pause = min(1.5 * pause, 10)


def _describe(sagemaker: Any, endpoint: str) -> dict[str, Any]:
    """What DescribeEndpoint answers; empty where there is no such endpoint."""
    try:
        return sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find" in str(error):
            return {}
        raise


def _reason(found: Mapping[str, Any]) -> str:
    return found.get("FailureReason", "no reason was given")


def _ask(runtime: Any, endpoint: str, arn: str) -> None:
    for review, expected in PLAIN_REVIEWS.items():
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=endpoint,
                ContentType="text/plain",
                Accept="application/json",
                Body=review.encode(),
            )
            body = answer["Body"].read()
            label = json.loads(body)["label"]
        except ClientError as error:
            raise DeployError(f"{endpoint} with {arn} does not answer a plain review: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DeployError(f"{endpoint} with {arn} answers {body[:200]!r}, which has no label") from error
        if label != expected:
            raise DeployError(
                f"{endpoint} with {arn} calls a plainly {expected} review {label!r}; it is live: "
                "deploy an earlier version with allow_older"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring an endpoint to an approved model package version.")
    parser.add_argument("--model-package-arn", required=True, help="the version")
    parser.add_argument("--endpoint-name", required=True, help="created if absent, else updated")
    parser.add_argument("--role-arn", required=True, help="the role of the model")
    parser.add_argument("--instance-type", default="ml.m5.large", help="(%(default)s)")
    parser.add_argument("--instance-count", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--volume-kms-key", help="of the endpoint's disks")
    parser.add_argument("--subnets", metavar="ID,ID", help="of the VPC in which the endpoint is")
    parser.add_argument("--security-groups", metavar="ID,ID", help="beside --subnets")
    parser.add_argument("--no-network-isolation", dest="network_isolation", action="store_false")
    parser.add_argument("--tags", metavar="KEY=VALUE,…", help="of what is made")
    parser.add_argument("--allow-older", action="store_true", help="also in place of a newer version")
    try:
        answer = handler(vars(parser.parse_args()), None)
    except (DeployError, ClientError) as error:
        print(f"deploy.py: {error}", file=sys.stderr)
        return 1
    return int(answer["status"] in ("NotApproved", "Superseded"))


if __name__ == "__main__":
    sys.exit(main())

"""The handler as an AWS Lambda function behind an HTTP API (payload format 2.0).

ENDPOINT_NAME is the one endpoint that it asks, CORRECTIONS_URI the s3://bucket/prefix where corrections go.
The clients are made once, at the first request, and kept for those that follow.
"""

import base64
import binascii
import json
import os
import sys
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from .corrections import Corrections
from .handler import Handler, Request, Response, refuse
from .model import READ_SECONDS, Model
from .refusal import Refusal


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    http = event["requestContext"]["http"]
    request_id = event["requestContext"]["requestId"]
    body = (event.get("body") or "").encode("utf-8", "surrogatepass")
    try:
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True)
        request = Request(http["method"], event["rawPath"], event.get("headers") or {}, body, request_id)
        return _answer(_handler()(request))
    except binascii.Error:
        return _answer(refuse(Refusal("invalid_request", "the body is not base64"), request_id))


@cache
def _handler() -> Handler:
    once = Config(connect_timeout=3, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
    model = Model(boto3.client("sagemaker-runtime", config=once), os.environ["ENDPOINT_NAME"])
    s3 = boto3.client("s3", config=once)
    bucket, _, prefix = os.environ["CORRECTIONS_URI"].removeprefix("s3://").partition("/")

    def put(name: str, content: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)

    return Handler(model, Corrections(put).store, _log)


def _log(entry: dict[str, Any]) -> None:
    print(json.dumps(entry), file=sys.stderr, flush=True)


def _answer(response: Response) -> dict[str, Any]:
    return {"statusCode": response.status, "headers": response.headers, "body": response.body.decode()}

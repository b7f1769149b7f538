"""A boto3 client whose answers a test scripts. botocore's model of the service holds both sides to it."""

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator

from pipeline import service_model

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """Raised by a script: the AWS error to answer with."""

    def __init__(self, code: str, message: str = "refused") -> None:
        super().__init__(message)
        self.code = code


def scripted(service: str, answers: dict[str, Answer], calls: list[tuple[str, dict[str, Any]]]) -> Any:
    """A client of `service`; answers[operation](request) is the answer; calls are noted in `calls`."""
    client = boto3.client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")

    def answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        request = json.loads(params["body"])
        calls.append((model.name, request))
        assert service_model.validate(model.name, request, service) == []
        try:
            parsed = answers[model.name](request)
        except Refused as refused:
            return _response(400), {"Error": {"Code": refused.code, "Message": str(refused)}}
        report = ParamValidator().validate(parsed, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return _response(200), parsed

    client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}", answer)
    return client


def _response(status: int) -> AWSResponse:
    return AWSResponse("https://scripted", status, {}, None)

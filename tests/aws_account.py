"""An AWS account on loopback: moto's server, with what the pipeline needs in it, and faults on demand.

What moto lacks is answered here: whether a role may be passed, the steps of an execution (none), and
ResourceNotFound for a pipeline that is not there. Every request is noted, so that a test can assert what a
command asked for and not what it said.
"""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import boto3
import requests
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from pipeline import settings
from shared import ROOT

ACCOUNT = "123456789012"  # moto's
VARIABLES = {"SENTIMENT_ACCOUNT": ACCOUNT}
# Of S3 and Lambda, whose operations are HTTP methods, those that only read.
READS = re.compile(r"(Describe|List|Get|Head|BatchGet|Simulate)\w*|(GET|HEAD) .*")
SIMULATED = """<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
<SimulatePrincipalPolicyResult><EvaluationResults><member><EvalActionName>iam:PassRole</EvalActionName>
<EvalDecision>{decision}</EvalDecision></member></EvaluationResults><IsTruncated>false</IsTruncated>
</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"""


class Quiet(MotoRequestHandler):
    def log_request(self, *arguments: Any) -> None:
        pass


Fault = Callable[[Request], Response | None]


def json_error(code: str, message: str, status: int = 400) -> Response:
    return Response(json.dumps({"__type": code, "message": message}), status, mimetype="application/json")


def query_error(code: str, message: str, status: int = 403) -> Response:
    """As IAM and STS answer."""
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Response(text, status, mimetype="text/xml")


class Account:
    def __init__(self) -> None:
        self.calls: list[str] = []  # "CreatePipeline"; of S3, Lambda and Scheduler "PUT /bucket/key"
        self.bodies: list[bytes] = []  # of the calls
        self.faults: dict[str, Fault] = {}  # by operation; one that answers None lets the request pass
        self.passes_roles = True
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._application, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"

    @contextmanager
    def serving(self) -> Iterator["Account"]:
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _application(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        body = request.get_data(cache=True)
        operation = _operation(request, body)
        if not request.path.startswith("/moto-api/"):
            self.calls.append(operation)
            self.bodies.append(body)
        fault = self.faults.get(operation) or self.faults.get("*")
        answer = fault(request) if fault else None
        if answer is None and operation == "SimulatePrincipalPolicy":
            decision = "allowed" if self.passes_roles else "implicitDeny"
            answer = Response(SIMULATED.format(decision=decision), mimetype="text/xml")
        elif answer is None and operation == "ListPipelineExecutionSteps":
            answer = Response('{"PipelineExecutionSteps": []}', mimetype="application/json")
        if answer is None:
            environ["wsgi.input"] = io.BytesIO(body)
            answer = Response.from_app(self._moto, environ)
            if "Pipeline" in operation and b"Could not find pipeline" in answer.get_data():
                answer = json_error("ResourceNotFound", f"Pipeline does not exist ({operation})")
        return answer(environ, start_response)

    def writes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if not READS.fullmatch(call)]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The requests of a SageMaker operation."""
        return [
            json.loads(body) for call, body in zip(self.calls, self.bodies, strict=True) if call == operation
        ]

    def forget(self) -> None:
        self.calls.clear()
        self.bodies.clear()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            "us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )

    def reset(self) -> None:
        requests.post(f"{self.url}/moto-api/reset", timeout=60).raise_for_status()
        self.faults.clear()
        self.passes_roles = True

    def furnish(self, environment: str = "dev") -> settings.Settings:
        """What infra/roles.yaml and a push of the images leave in an account."""
        config = settings.load(environment, variables=VARIABLES)
        s3 = self.client("s3")
        s3.create_bucket(Bucket=config.bucket)
        s3.create_bucket(Bucket="reviews-of-mine")
        s3.put_object(Bucket="reviews-of-mine", Key="folder/reviews.csv", Body=b"review,sentiment")
        iam, ecr = self.client("iam"), self.client("ecr")
        for arn in (config.pipeline_role, config.job_role, config.endpoint_role, config.schedule_role):
            iam.create_role(
                RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=_trust("sagemaker", "scheduler")
            )
        for image in {config.processing_image, config.training_image, config.serving_image}:
            name, _, tag = image.partition("/")[2].partition(":")
            ecr.create_repository(repositoryName=name)
            ecr.put_image(repositoryName=name, imageManifest=_manifest(name), imageTag=tag)
        iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=_trust("lambda"))
        self.client("lambda").create_function(
            FunctionName=config.deploy_function,
            Runtime="python3.12",
            Role=f"arn:aws:iam::{ACCOUNT}:role/deploy",
            Handler="deploy.handler",
            Code={"ZipFile": _zip("deploy.py", (ROOT / "steps" / "deploy.py").read_bytes())},
        )
        self.forget()
        return config

    def variables(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a command that works in this account."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "GITHUB_", "SENTIMENT_"))
        }
        return {
            **inherited,
            **VARIABLES,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PIPELINE_HOME": str(home),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            **more,
        }


def command(
    variables: dict[str, str], *arguments: Any, module: str = "pipeline.run"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _operation(request: Request, body: bytes) -> str:
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    if "x-www-form-urlencoded" in request.headers.get("Content-Type", ""):
        return parse_qs(body.decode())["Action"][0]
    return f"{request.method} {request.path}"


def _trust(*services: str) -> str:
    principals = {"Service": [f"{service}.amazonaws.com" for service in services]}
    statement = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _manifest(name: str) -> str:
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    return json.dumps(
        {"schemaVersion": 2, "mediaType": kind, "config": {"digest": f"sha256:{name}"}, "layers": []}
    )


def _zip(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()

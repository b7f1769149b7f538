"""Endpoints for tests, over boto3: models that are good or bad in a known way, on real model servers."""

import io
import json
import sys
import tarfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from pipeline.local.jobs import ProcessRunner
from shared import aws_client

ROLE = "arn:aws:iam::000000000000:role/Test"
SERVER = (sys.executable, str(Path(__file__).with_name("endpoint_server.py")))
NAME = "sentiment"


def runner():
    return ProcessRunner(serve_command=SERVER, grace=5)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def canary(percent=10, wait=600, termination=0, alarms=(), **changes):
    """A DeploymentConfig."""
    policy = {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
            "WaitIntervalInSeconds": wait,
        },
        "TerminationWaitInSeconds": termination,
        **changes,
    }
    named = [{"AlarmName": name} for name in alarms]
    return {
        "BlueGreenUpdatePolicy": policy,
        **({"AutoRollbackConfiguration": {"Alarms": named}} if named else {}),
    }


class Hosted:
    """One endpoint, and the configurations v1, v2 … made for it."""

    def __init__(self, url, home):
        self.home = home
        self.sagemaker = aws_client("sagemaker", url)
        self.runtime = aws_client("sagemaker-runtime", url)
        self.refused = self.sagemaker.exceptions.ClientError

    def configure(self, version, config=(), variant=(), **rules):
        """A model and its endpoint configuration, both named after the version."""
        content = json.dumps({"version": version, **rules}).encode()
        path = self.home / "s3" / "models" / f"{version}.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("rules.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        self.sagemaker.create_model(
            ModelName=version,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": "image", "ModelDataUrl": f"s3://models/{version}.tar.gz"},
        )
        instances = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        only = {"VariantName": "AllTraffic", "ModelName": version, **(dict(variant) or instances)}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=version, ProductionVariants=[only], **dict(config)
        )

    def create(self, version="v1"):
        self.sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=version)
        return self.settled()

    def update(self, version, deployment=None):
        request = {"DeploymentConfig": deployment} if deployment else {}
        self.sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=version, **request)

    def describe(self):
        return self.sagemaker.describe_endpoint(EndpointName=NAME)

    def ask(self, **request):
        answer = self.runtime.invoke_endpoint(EndpointName=NAME, Body=b"good", **request)
        return json.loads(answer["Body"].read())["version"]

    def answers(self, count):
        """Who answered so many requests: Counter(v1=9, failed=1)."""
        found = Counter()
        for _ in range(count):
            try:
                found[self.ask()] += 1
            except self.refused:
                found["failed"] += 1
        return found

    @contextmanager
    def load(self, threads=8):
        """Constant requests from many threads; yields the Counter of the answers and the list of failures."""
        answers, failures, stopping = Counter(), [], threading.Event()

        def ask():
            while not stopping.is_set():
                try:
                    answers[self.ask()] += 1
                except Exception as error:
                    failures.append(error)
                stopping.wait(0.02)

        running = [threading.Thread(target=ask) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield answers, failures
        finally:
            stopping.set()
            for thread in running:
                thread.join()

    def settled(self):
        return until(lambda: self._in("InService", "Failed"))

    def _in(self, *statuses):
        found = self.describe()
        return found if found["EndpointStatus"] in statuses else None

    def baking(self, percent, why="WaitIntervalInSeconds"):
        """Once the update watches its alarms at that share of the requests: the summary of the update."""

        def found():
            described = self.describe()
            assert described["EndpointStatus"] == "Updating", described
            pending = described.get("PendingDeploymentSummary", {"ProductionVariants": [{}]})
            (status,) = pending["ProductionVariants"][0].get("VariantStatus", [{}])
            message = status.get("StatusMessage", "")
            return pending if f"({why}) with {percent} percent" in message else None

        return until(found)


def until(found, seconds=60):
    """What it finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)
    return answer

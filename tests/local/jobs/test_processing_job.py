import errno
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.local.jobs import run_processing
from pipeline.storage import FolderStorage


@pytest.fixture
def process(context, upload):
    """Run a script as a processing job; it finds /opt/ml/processing's real path in the variable P."""

    def process(script, inputs=(), outputs=(), context=context, name="job", **changes):
        upload("s3://code", {"script.py": script})
        inputs = [("code", "s3://code"), *inputs]
        request = {
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/script.py"],
                "ContainerArguments": ["--verbose"],
            },
            "Environment": {"P": "/opt/ml/processing"},
            "ProcessingInputs": [
                {"InputName": each, "S3Input": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{each}"}}
                for each, uri in inputs
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": each,
                        "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{each}"},
                    }
                    for each, uri in outputs
                ]
            },
            "NetworkConfig": {"EnableNetworkIsolation": True},
            "RoleArn": "arn:aws:iam::000000000000:role/role",
            **changes,
        }
        return run_processing(name, request, context)

    return process


def log(context):
    return (context.jobs / "job" / "log.txt").read_text()


def test_objects_go_in_and_come_out(process, upload, context):
    upload("s3://bucket/in/a", {"x.txt": "1", "deep/y.txt": "2"})
    result = process(
        """
        import os, sys
        P = os.environ["P"]
        assert sys.argv[1:] == ["--verbose"]
        total = sum(int(open(f"{P}/in/{name}").read()) for name in ("x.txt", "deep/y.txt"))
        os.makedirs(f"{P}/out/more")
        open(f"{P}/out/more/total.txt", "w").write(str(total))
        """,
        inputs=[("in", "s3://bucket/in/a")],
        outputs=[("out", "s3://bucket/out")],
    )
    assert result.status == "Completed" and result.failure_reason is None
    assert context.storage.list("s3://bucket/out") == ["s3://bucket/out/more/total.txt"]
    assert context.storage.read("s3://bucket/out/more/total.txt") == b"3"
    assert not (context.jobs / "job" / "ml").exists()


def test_an_input_that_is_one_object_lies_in_its_folder(process, upload):
    upload("s3://bucket/in/reviews.csv", "a,b")
    result = process(
        """import os; assert os.listdir(os.environ["P"] + "/in") == ["reviews.csv"]""",
        inputs=[("in", "s3://bucket/in/reviews.csv")],
    )
    assert result.status == "Completed"


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/out"])
def test_outputs_replace_the_objects_of_their_own_keys_only(process, upload, context, uri):
    upload(uri, {"other.txt": "other", "deep/other.txt": "other", "mine.txt": "old"})
    script = """
        import os
        os.chdir(os.environ["P"] + "/out")
        os.mkdir("deep")
        for name in ("mine.txt", "deep/mine.txt"):
            open(name, "w").write("new")
    """
    for _ in range(2):  # as when the step is retried
        process(script, outputs=[("out", uri)])
    assert {each: context.storage.read(each) for each in context.storage.list(uri)} == {
        f"{uri}/deep/mine.txt": b"new",
        f"{uri}/deep/other.txt": b"other",
        f"{uri}/mine.txt": b"new",
        f"{uri}/other.txt": b"other",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_an_output_within_another_survives_it(process, context, order):
    process(
        "import os; [open(f'{os.environ[\"P\"]}/{name}/x', 'w') for name in ('outer', 'inner')]",
        outputs=[("inner", "s3://bucket/out/inner"), ("outer", "s3://bucket/out")][::order],
    )
    assert context.storage.list("s3://bucket/out") == ["s3://bucket/out/inner/x", "s3://bucket/out/x"]


def test_jobs_that_write_to_one_prefix_at_once_keep_each_others_files(process, context):
    def work(number):
        script = "import os, sys; open(f'{os.environ[\"P\"]}/out/' + sys.argv[-1], 'w')"
        application = {
            "ImageUri": "image",
            "ContainerEntrypoint": ["python3", "-c", script],
            "ContainerArguments": [f"{number}.txt"],
        }
        outputs = [("out", "s3://bucket/shared")]
        return process("", outputs=outputs, name=f"job-{number}", AppSpecification=application)

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(work, range(4)))
    assert {result.status for result in results} == {"Completed"}
    shared = context.storage.list("s3://bucket/shared")
    assert shared == [f"s3://bucket/shared/{number}.txt" for number in range(4)]


@pytest.mark.parametrize("name", ["", ".", "..", "../job", "a/b", "/tmp/job", ".hidden", "a\0b"])
def test_a_name_that_could_lead_out_of_the_jobs_folder_is_refused(process, context, name):
    result = process("", name=name)
    assert result.failure_reason.startswith(f"ClientError: a job cannot be named {name!r}")
    assert not context.jobs.exists()


def test_the_configuration_files(process, context):
    process(
        """
        import json, os
        config = os.path.join(os.environ["P"], "..", "config")
        job = json.load(open(f"{config}/processingjobconfig.json"))
        hosts = json.load(open(f"{config}/resourceconfig.json"))
        described = job["ProcessingJobName"], job["ProcessingJobArn"], hosts, job["ProcessingInputs"][0]
        print(json.dumps(described))
        print(os.environ["AWS_REGION"])
        """
    )
    *_, described, region = log(context).splitlines()
    name, arn, hosts, code = json.loads(described)
    assert (name, arn) == ("job", "arn:aws:sagemaker:us-east-1:000000000000:processing-job/job")
    assert hosts == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert code["S3Input"]["S3Uri"] == "s3://code"
    assert region == "us-east-1"


def test_a_missing_input_is_named_with_its_uri_and_nothing_runs(process, context):
    result = process("print('ran')", inputs=[("in", "s3://bucket/none")])
    assert result.status == "Failed"
    assert result.failure_reason.startswith("ClientError: input 'in': ")
    assert "s3://bucket/none" in result.failure_reason
    assert not (context.jobs / "job" / "log.txt").exists()


def test_a_failed_job_publishes_nothing_and_shows_the_end_of_its_log(process, context):
    result = process(
        "import os; open(os.environ['P'] + '/out/x', 'w'); raise ValueError('row 7 has no label')",
        outputs=[("out", "s3://bucket/out")],
    )
    assert (result.status, result.error_type) == ("Failed", "AlgorithmError")
    assert result.failure_reason.startswith("AlgorithmError: exit code: 1; its log ends: ")
    assert result.failure_reason.endswith("ValueError: row 7 has no label")
    assert not context.storage.exists("s3://bucket/out")


def test_what_a_job_writes_to_failure_is_the_reason_cut_to_what_the_api_allows(process):
    result = process(
        """
        import os, sys
        open(os.path.join(os.environ["P"], "..", "output", "failure"), "w").write("no reviews" + "!" * 5000)
        sys.exit(2)
        """
    )
    assert result.failure_reason.startswith("AlgorithmError: no reviews!!!")
    assert result.failure_reason.endswith("exit code: 2") and len(result.failure_reason) <= 1024


def test_what_a_job_writes_to_message_is_the_exit_message(process):
    script = (
        "import os; open(os.path.join(os.environ['P'], '..', 'output', 'message'), 'w').write('12 dropped')"
    )
    assert process(script).description == {"ExitMessage": "12 dropped"}


def test_a_signal_is_an_internal_error_which_a_retry_policy_may_name(process):
    result = process("import os; os.kill(os.getpid(), 9)")
    assert result.error_type == "SageMaker.JOB_INTERNAL_ERROR"
    assert result.failure_reason.startswith("InternalServerError: the command was ended by SIGKILL")


def test_a_job_that_runs_too_long_is_stopped(process):
    result = process("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (result.status, result.error_type) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds, 1" in result.failure_reason


def test_stopping_publishes_nothing(process, context):
    script = (
        "import os, time; open(os.environ['P'] + '/out/x', 'w'); print('ready', flush=True); time.sleep(60)"
    )
    started = context.jobs / "job" / "log.txt"
    context = replace(context, stopping=lambda: started.exists() and "ready" in started.read_text())
    result = process(script, outputs=[("out", "s3://bucket/out")], context=context)
    assert result.status == "Stopped"
    assert not context.storage.exists("s3://bucket/out")


def test_an_output_that_no_object_can_be_is_named(process, context):
    result = process(
        "import os; os.symlink('/etc/hosts', os.environ['P'] + '/out/hosts')",
        outputs=[("out", "s3://bucket/out")],
    )
    assert "out/hosts is a link that leads out of it" in result.failure_reason
    assert not context.storage.exists("s3://bucket/out")


@pytest.mark.parametrize("path", ["/etc", "/opt/ml/../../etc", "/opt/ml"])
def test_a_local_path_outside_is_refused(process, path):
    output = {"OutputName": "out", "S3Output": {"S3Uri": "s3://bucket/out", "LocalPath": path}}
    result = process("", ProcessingOutputConfig={"Outputs": [output]})
    assert result.failure_reason == f"ClientError: the local path {path!r} does not lie below /opt/ml"


class FullStorage(FolderStorage):
    def put(self, source, uri, *, link=False):
        raise OSError(errno.ENOSPC, "No space left on device", str(self.path(uri)))


def test_a_full_disk_while_publishing_is_named(process, context):
    full = replace(context, storage=FullStorage(context.storage.root))
    result = process("", outputs=[("out", "s3://bucket/out")], context=full)
    target = context.storage.path("s3://bucket/out")
    assert result.failure_reason == f"InternalServerError: no space left on device writing {target}"


def test_a_full_disk_while_logging_is_named(process, context):
    log = context.jobs / "job" / "log.txt"
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/full")
    result = process("print('x')")
    assert result.failure_reason == f"InternalServerError: no space left on device writing {log}"


def test_what_an_interrupted_job_left_is_not_seen(process, context):
    left = context.jobs / "job" / "ml" / "processing" / "left"
    left.mkdir(parents=True)
    assert process("import os; assert not os.path.exists(os.environ['P'] + '/left')").status == "Completed"

import gzip
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from pipeline.errors import ArchiveError, ModelServerFailed, Stopped, UsageError
from pipeline.local.jobs import ContainerRunner, ProcessRunner, model_server, run_transform, serve_model
from pipeline.local.jobs.archives import pack
from shared import need_namespaces

SERVER = (sys.executable, str(Path(__file__).with_name("tiny_server.py")))
JSON_LINES = {"ContentType": "application/jsonlines", "SplitType": "Line"}


both = pytest.mark.parametrize("isolation", ["namespace", "prefix", "container"], indirect=True)


@pytest.fixture
def isolation(request, best_isolation):
    """The best that this machine has; tests of what isolation bears on are marked `both`."""
    wanted = getattr(request, "param", best_isolation)
    need_namespaces(wanted, best_isolation)
    return wanted


@pytest.fixture
def runner(isolation, request):
    if isolation == "container":
        request.getfixturevalue("image")
        return ContainerRunner(grace=1, memory=2 * 10**9)
    return ProcessRunner(serve_command=SERVER, isolation=isolation, grace=1)


@pytest.fixture
def model(context, tmp_path):
    """model(rule=…) publishes a model whose server follows the rules, and answers its container."""

    def model(**rules):
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "rules.json").write_text(json.dumps(rules))
        pack(folder, tmp_path / "model.tar.gz")
        context.storage.put(tmp_path / "model.tar.gz", "s3://bucket/model.tar.gz")
        return {
            "Image": "image",
            "ModelDataUrl": "s3://bucket/model.tar.gz",
            "Environment": {"MINE": "/opt/ml/model/rules.json"},
            "EnableNetworkIsolation": True,
        }

    return model


@pytest.fixture
def transform(context):
    def transform(
        container, uri="s3://bucket/in", context=context, source=JSON_LINES, target=None, **changes
    ):
        request = {
            "ModelName": "model",
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
                **source,
            },
            "TransformOutput": {
                "S3OutputPath": "s3://bucket/out",
                "AssembleWith": "Line",
                "Accept": "application/jsonlines",
                **(target or {}),
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **changes,
        }
        return run_transform("job", request, container, context)

    return transform


def requests(context):
    """The number of records in each request, as the server logged them."""
    lines = (context.jobs / "job" / "log.txt").read_text().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("request ")]


def output(context, name="x.jsonl"):
    return context.storage.read(f"s3://bucket/out/{name}.out").decode()


REVIEWS = '{"id": 1, "review": "good"}\n{"id": 2, "review": "awful"}\n'


@both
def test_answers_are_joined_to_the_records(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": REVIEWS})
    result = transform(
        model(answer="lengths"), DataProcessing={"InputFilter": "$.review", "JoinSource": "Input"}
    )
    assert (result.status, result.failure_reason) == ("Completed", None)
    assert [json.loads(line) for line in output(context).splitlines()] == [
        {"id": 1, "review": "good", "SageMakerOutput": {"length": 4}},
        {"id": 2, "review": "awful", "SageMakerOutput": {"length": 5}},
    ]
    assert requests(context) == [2]
    assert sorted(path.name for path in (context.jobs / "job").iterdir()) == ["log.txt"]


def test_an_output_filter_selects_from_what_was_joined(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": REVIEWS})
    filters = {
        "InputFilter": "$.review",
        "JoinSource": "Input",
        "OutputFilter": "$['id','SageMakerOutput']",
    }
    transform(model(answer="lengths"), DataProcessing=filters)
    assert output(context).splitlines()[0] == '{"id": 1, "SageMakerOutput": {"length": 4}}'


def test_records_that_are_no_objects_are_joined_under_a_name_of_their_own(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": '"good"\n'})
    transform(model(answer="lengths"), DataProcessing={"JoinSource": "Input"})
    assert json.loads(output(context)) == {"SageMakerInput": "good", "SageMakerOutput": {"length": 4}}


def test_csv_rows_are_joined_at_their_end(model, transform, upload, context):
    upload("s3://bucket/in", {"x.csv": '"a,b",1,2\n"c ""d""",3,4\r\n'})
    transform(
        model(answer="csv_sum"),
        source={"ContentType": "text/csv", "SplitType": "Line"},
        target={"Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert output(context, "x.csv") == '"a,b",3.0\n"c ""d""",7.0\n'


def test_objects_mirror_the_prefix(model, transform, upload, context):
    upload("s3://bucket/in", {"a.txt": "one\n", "b/c.txt": "two\n", "empty.txt": ""})
    transform(model(), source={"ContentType": "text/plain", "SplitType": "Line"})
    outputs = {name: output(context, name) for name in ("a.txt", "b/c.txt", "empty.txt")}
    assert outputs == {"a.txt": "one\n", "b/c.txt": "two\n", "empty.txt": ""}


def test_a_single_object_may_be_named(model, transform, upload, context):
    upload("s3://bucket/in", {"a.txt": "one\n", "b.txt": "two\n"})
    transform(model(), uri="s3://bucket/in/a.txt", source={"SplitType": "Line"})
    assert context.storage.list("s3://bucket/out") == ["s3://bucket/out/a.txt.out"]


def test_without_a_split_an_object_is_a_record(model, transform, upload, context):
    upload("s3://bucket/in", {"a.txt": "one\ntwo\n"})
    transform(model(), source={"ContentType": "text/plain"}, target={"AssembleWith": "None"})
    assert output(context, "a.txt") == "one\ntwo"
    assert requests(context) == [2]


def test_a_json_object_without_a_split_is_joined(model, transform, upload, context):
    upload("s3://bucket/in", {"a.json": '{"review":\n "good"}'})
    transform(
        model(answer="lengths"),
        source={"ContentType": "application/json"},
        DataProcessing={"InputFilter": "$.review", "JoinSource": "Input"},
    )
    assert json.loads(output(context, "a.json")) == {"review": "good", "SageMakerOutput": {"length": 4}}


def test_single_records_are_asked_one_at_a_time(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n2\n\n3"})
    transform(model(), BatchStrategy="SingleRecord")
    assert requests(context) == [1, 1, 1]
    assert output(context) == "1\n2\n3\n"


def test_many_records_fill_a_request_up_to_the_limit(model, transform, upload, context):
    line = json.dumps("x" * 300_000)
    upload("s3://bucket/in", {"x.jsonl": "\n".join([line] * 7)})
    result = transform(model(), BatchStrategy="MultiRecord", MaxPayloadInMB=1)
    assert result.status == "Completed"
    assert requests(context) == [3, 3, 1]
    assert output(context) == f"{line}\n" * 7


def test_a_record_over_the_limit_is_named(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": "1\n" + json.dumps("x" * 1_100_000)})
    reason = transform(model(), MaxPayloadInMB=1).failure_reason
    assert reason.startswith("ClientError: s3://bucket/in/x.jsonl: record 2 has 1,100,002 bytes")


def test_requests_run_side_by_side_and_answers_keep_their_order(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "".join(f"{number}\n" for number in range(40))})
    container = model(sleep=0.1)
    started = time.monotonic()
    transform(container, BatchStrategy="SingleRecord", MaxConcurrentTransforms=20)
    assert time.monotonic() - started < 2  # one after the other it would be 4
    assert output(context) == "".join(f"{number}\n" for number in range(40))


def test_the_server_may_set_what_the_request_leaves_open(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n2\n"})
    transform(model(execution_parameters={"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 2}))
    assert requests(context) == [1, 1]


def test_content_type_and_accept_are_sent(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    transform(model())
    log = (context.jobs / "job" / "log.txt").read_text()
    assert "request 1 application/jsonlines application/jsonlines" in log


@both
def test_the_container_knows_about_the_job(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    container = model(answer="environment")
    transform(container, Environment={"MINE_TOO": "2"}, MaxPayloadInMB=2)
    found = json.loads(output(context))
    assert found.pop("MINE").endswith("/model/rules.json")
    assert found == {
        "MINE_TOO": "2",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
    }


def test_compressed_objects(model, transform, upload, context):
    upload("s3://bucket/in", {"x.gz": gzip.compress(b"1\n2\n")})
    transform(model(), source={**JSON_LINES, "CompressionType": "Gzip"})
    assert output(context, "x.gz") == "1\n2\n"


def test_a_truncated_compressed_object_is_named(model, transform, upload):
    upload("s3://bucket/in", {"x.gz": gzip.compress(b"1\n2\n")[:-9]})
    reason = transform(model(), source={**JSON_LINES, "CompressionType": "Gzip"}).failure_reason
    assert reason.startswith("ClientError: s3://bucket/in/x.gz: it is truncated or not Gzip")


def test_a_refusal_fails_the_job_with_object_record_and_message(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\nbad\n3\n"})
    result = transform(model(word="bad", status=400), BatchStrategy="SingleRecord")
    assert (result.status, result.error_type) == ("Failed", "ClientError")
    expected = "s3://bucket/in/x.jsonl: record 2: the model server answered 400: no review in it"
    assert result.failure_reason == f"ClientError: {expected}"
    assert not context.storage.exists("s3://bucket/out")


def test_a_busy_server_is_asked_again(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n2\n3\n"})
    assert transform(model(once="2"), BatchStrategy="SingleRecord").status == "Completed"
    assert output(context) == "1\n2\n3\n"


def test_an_error_of_the_server_fails_after_its_retries(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": "1\nbad\n3\n"})
    config = {"InvocationsMaxRetries": 1}
    result = transform(model(word="bad", status=500), ModelClientConfig=config)
    assert result.error_type == "AlgorithmError"
    assert (
        "records 1 to 3: the model server answered 500: no review in it (2 attempts)" in result.failure_reason
    )


def test_a_server_that_takes_too_long(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    config = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    reason = transform(model(sleep=3), ModelClientConfig=config).failure_reason
    assert "record 1: the model server did not answer within 1 seconds" in reason


@both
def test_a_server_that_dies_is_an_internal_error_with_the_end_of_its_log(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": "1\nbad\n"})
    result = transform(model(die="bad"), BatchStrategy="SingleRecord")
    assert result.error_type == "SageMaker.JOB_INTERNAL_ERROR"
    assert "record 2: the model server died" in result.failure_reason
    assert result.failure_reason.endswith("out of memory")


def test_a_missing_answer_is_noticed_when_joining(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": '1\n"missing"\n3\n'})
    reason = transform(model(answer="one_missing"), DataProcessing={"JoinSource": "Input"}).failure_reason
    assert "records 1 to 3: the model server answered 2 lines for 3 records" in reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"review": "a"}\n{"secret": 2}\n', "record 2: it has no member 'review'"),
        ("[" * 100_000, "record 1: it is not JSON (maximum recursion depth exceeded while decoding a JSON"),
        (
            '{"review": "a"}\n\nsecret\n',
            "record 2: it is not JSON (Expecting value: line 1 column 1 (char",
        ),
        (b'{"review": "secret\xff"}\n', "record 1: it is not JSON ('utf-8' codec can't decode byte 0xff in"),
    ],
)
def test_a_bad_record_is_named_and_not_shown(model, transform, upload, context, content, message):
    upload("s3://bucket/in", {"x.jsonl": content})
    reason = transform(model(), DataProcessing={"InputFilter": "$.review"}).failure_reason
    assert reason.startswith(f"ClientError: s3://bucket/in/x.jsonl: {message}")
    assert "secret" not in reason + (context.jobs / "job" / "log.txt").read_text()


def test_a_bad_answer_is_not_shown(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": '"secret"\n'})
    bad = transform(model(end="!"), DataProcessing={"JoinSource": "Input"})
    assert "record 1, the model server's answer: it is not JSON (Extra data" in bad.failure_reason
    part = transform(model(), DataProcessing={"OutputFilter": "$[0]"})
    assert part.failure_reason.endswith("record 1, the model server's answer: it is not a list")


def test_missing_input_is_named(model, transform):
    reason = transform(model(), uri="s3://bucket/none").failure_reason
    assert reason == "ClientError: TransformInput: there is no object at s3://bucket/none"


@both
def test_stopping_ends_a_transform_at_once_and_publishes_nothing(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    container = model(sleep=30)
    started = time.monotonic()
    stopping = replace(context, stopping=lambda: time.monotonic() > started + 1)
    assert transform(container, context=stopping).status == "Stopped"
    assert time.monotonic() - started < 6
    assert not context.storage.exists("s3://bucket/out")


def test_stopping_is_noticed_between_quick_answers(model, transform, upload, context):
    upload("s3://bucket/in", {"x.jsonl": "1\n" * 50})
    log = context.jobs / "job" / "log.txt"
    stopping = replace(context, stopping=lambda: log.exists() and "request" in log.read_text())
    result = transform(model(sleep=0.1), context=stopping, BatchStrategy="SingleRecord")
    assert result.status == "Stopped" and len(requests(context)) < 10


@pytest.mark.parametrize("rules", [{"start": 40}, {"ping_sleep": 40}, {"ping": 503}], ids=str)
def test_stopping_does_not_wait_for_a_server_that_is_starting(model, transform, upload, context, rules):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    started = time.monotonic()
    stopping = replace(context, stopping=lambda: time.monotonic() > started + 1)
    result = transform(model(**rules), context=stopping)
    assert (result.status, result.failure_reason) == ("Stopped", None)
    assert time.monotonic() - started < 8
    assert [path.name for path in (context.jobs / "job").iterdir()] == ["log.txt"]


def test_an_endpoints_server_that_is_no_longer_wanted_is_not_waited_for(model, context):
    started = time.monotonic()
    stopping = replace(context, stopping=lambda: time.monotonic() > started + 1)
    with pytest.raises(Stopped, match="the model server was stopped before it was ready"):
        serve_model("endpoint", model(start=40), stopping)
    assert time.monotonic() - started < 8
    assert not (context.jobs / "endpoint" / "ml").exists()


@both
def test_a_model_server_that_ends_while_starting_shows_why(model, transform, upload):
    upload("s3://bucket/in", {"x.jsonl": "1\n"})
    reason = transform(model(crash=True)).failure_reason
    assert reason.startswith("AlgorithmError: the model server ended before it was ready; its log ends: ")
    assert reason.endswith("weights are missing")


@both
def test_a_served_model_answers_until_it_is_closed(model, context):
    container = model()
    with serve_model("endpoint", container, context) as served:
        assert served.client.post("/invocations", content="hello").text == "hello"
        assert served.alive
    assert not served.alive
    assert list(context.jobs.iterdir()) == []
    served.close()  # once more does nothing


def test_of_an_endpoints_server_that_died_the_log_is_kept(model, context):
    with serve_model("endpoint", model(die="bad"), context) as served:
        with pytest.raises(httpx.TransportError):
            served.client.post("/invocations", content="bad")
        assert served.ended(within=10)
    assert [path.name for path in (context.jobs / "endpoint").iterdir()] == ["log.txt"]
    assert "out of memory" in served.log.read_text()


@pytest.mark.parametrize("name", ["..", "a/b"])
def test_a_server_whose_name_could_lead_out_of_the_jobs_folder_is_refused(model, context, name):
    with pytest.raises(UsageError, match="a job cannot be named"):
        serve_model(name, model(), context)


def test_a_served_model_waits_for_its_ping(model, context):
    with serve_model("endpoint", model(start=0.5), context) as served:
        assert served.client.get("/ping").status_code == 200


def test_a_model_that_never_answers_its_ping(model, context, monkeypatch):
    monkeypatch.setattr(model_server, "STARTUP_SECONDS", 1)
    with pytest.raises(ModelServerFailed, match=r"did not answer /ping within 1 seconds \(status 503\)"):
        serve_model("endpoint", model(ping=503), context)
    assert [path.name for path in (context.jobs / "endpoint").iterdir()] == ["log.txt"]


def test_a_bad_model_archive_is_named(upload, context):
    upload("s3://bucket/model.tar.gz", "not an archive")
    with pytest.raises(ArchiveError, match="s3://bucket/model.tar.gz is truncated or not"):
        serve_model("endpoint", {"ModelDataUrl": "s3://bucket/model.tar.gz"}, context)
    assert not (context.jobs / "endpoint" / "ml").exists()


@both
def test_a_server_cannot_alter_the_unpacked_model(model, context, isolation):
    with serve_model("endpoint", model(), context):
        (unpacked,) = context.models.iterdir()
        job_side = context.jobs / "endpoint" / "ml" / "model" / "rules.json"
        linked = job_side.stat().st_ino == (unpacked / "rules.json").stat().st_ino
        assert linked == (isolation != "prefix")  # there it is mounted read-only

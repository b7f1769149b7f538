"""Data capture of a local endpoint: which requests, where, and in which shape."""

import base64
import json
import re
from datetime import UTC, datetime

import pytest

from hosted import NAME, Hosted, runner, until
from pipeline.local import LocalSageMaker
from pipeline.local.capture import Capture
from pipeline.storage import FolderStorage

URI = "s3://capture/endpoints"
BOTH = ({"CaptureMode": "Input"}, {"CaptureMode": "Output"})


def config(percent=100, options=BOTH, **members):
    return {
        "InitialSamplingPercentage": percent,
        "DestinationS3Uri": URI,
        "CaptureOptions": list(options),
        **members,
    }


def captured(storage):
    """{URI: records} of all files."""
    return {
        uri: [json.loads(line) for line in storage.read(uri).decode().splitlines()]
        for uri in storage.list("s3://capture")
    }


def test_an_endpoint_captures_what_it_was_asked_and_what_it_answered(home):
    storage = FolderStorage(home / "s3")
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        headers = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}
        hosted.configure("v1", {"DataCaptureConfig": config(25, CaptureContentTypeHeader=headers)})
        hosted.create()
        assert hosted.describe()["DataCaptureConfig"] == {
            "EnableCapture": True,
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": 25,
            "DestinationS3Uri": URI,
            "KmsKeyId": "",
        }
        for number in range(1, 9):
            hosted.ask(ContentType="text/plain", InferenceId=f"request-{number}")
        hosted.sagemaker.delete_endpoint(EndpointName=NAME)
    ((uri, records),) = captured(storage).items()
    assert re.fullmatch(
        rf"{URI}/{NAME}/AllTraffic/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{{3}}-[\w-]+\.jsonl", uri
    )
    assert [each["eventMetadata"]["inferenceId"] for each in records] == ["request-4", "request-8"]
    first = records[0]
    event = first.pop("eventMetadata")
    assert datetime.strptime(event["inferenceTime"], "%Y-%m-%dT%H:%M:%SZ")
    assert event.keys() == {"eventId", "inferenceId", "inferenceTime"}
    assert first == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/plain",
                "mode": "INPUT",
                "data": base64.b64encode(b"good").decode(),
                "encoding": "BASE64",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"version": "v1"}',
                "encoding": "JSON",
            },
        },
        "eventVersion": "0",
    }


def test_what_is_not_to_be_captured_is_not(home):
    with LocalSageMaker(home, runner=runner()) as service:
        hosted = Hosted(service.url, home)
        hosted.configure("v1", {"DataCaptureConfig": config(EnableCapture=False)})
        hosted.create()
        assert hosted.describe()["DataCaptureConfig"]["CaptureStatus"] == "Stopped"
        assert hosted.answers(3) == {"v1": 3}
        hosted.configure("v2", {"DataCaptureConfig": config()}, fail_every=1)
        hosted.update("v2")
        hosted.settled()
        assert hosted.answers(3) == {"failed": 3}
    assert captured(FolderStorage(home / "s3")) == {}


@pytest.fixture
def capture(tmp_path):
    def capture(config, now=1_000_000.0, seconds=60.0):
        return Capture(config, NAME, "AllTraffic", FolderStorage(tmp_path), lambda: now, seconds)

    return capture


def ask(capture, count=1, body=b"good", content_type="text/csv"):
    for _ in range(count):
        capture.add((content_type, body), ("text/csv", b"1"))


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (1, 2), (10, 20), (33, 66), (100, 200)])
def test_the_sample_is_exact(capture, tmp_path, percent, expected):
    one = capture(config(percent))
    ask(one, 200)
    one.flush()
    assert sum(len(records) for records in captured(FolderStorage(tmp_path)).values()) == expected


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_the_side_that_is_asked_for(capture, tmp_path, options, parts):
    one = capture(config(options=[{"CaptureMode": mode} for mode in options]))
    ask(one)
    one.flush()
    (records,) = captured(FolderStorage(tmp_path)).values()
    assert records[0]["captureData"].keys() == parts


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/csv", b"a,b", ("CSV", "a,b")),
        ("text/csv; charset=utf-8", b"a,b", ("CSV", "a,b")),
        ("application/json", b'"a"', ("BASE64", "ImEi")),
        ("text/csv", b"\xff", ("BASE64", "/w==")),
    ],
)
def test_the_encoding_goes_by_the_content_types_that_are_named(
    capture, tmp_path, content_type, body, expected
):
    one = capture(config(CaptureContentTypeHeader={"CsvContentTypes": ["text/csv"]}))
    ask(one, 1, body, content_type)
    one.flush()
    (records,) = captured(FolderStorage(tmp_path)).values()
    found = records[0]["captureData"]["endpointInput"]
    assert (found["encoding"], found["data"]) == expected
    assert found["observedContentType"] == content_type


def test_records_come_into_the_storage_by_themselves_in_the_folder_of_their_hour(capture, tmp_path):
    one = capture(config(), now=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp(), seconds=0.05)
    ask(one)
    (first,) = until(lambda: captured(FolderStorage(tmp_path)))
    assert first.startswith(f"{URI}/{NAME}/AllTraffic/2026/03/04/05/06-07-000-")
    ask(one)
    until(lambda: len(captured(FolderStorage(tmp_path))) == 2)


def test_what_cannot_be_written_is_logged_and_harms_no_request(capture, tmp_path, caplog):
    one = capture(config())
    (tmp_path / "capture").write_text("not a folder")
    ask(one)
    one.flush()
    assert "1 captured records could not be written" in caplog.text

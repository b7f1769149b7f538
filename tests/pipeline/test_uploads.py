"""Uploads to S3 over its protocol, against moto's server on loopback: in parts, cut short, gone on with."""

import base64
import hashlib
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.server import ThreadedMotoServer

from pipeline import multipart
from pipeline.errors import FileChanged
from pipeline.multipart import PART, PARTS_AT_ONCE
from pipeline.storage import FILES_AT_ONCE, S3Storage
from pipeline.uploads import File
from shared import ROOT

BUCKET = "sentiment-test"
OWNER = "123456789012"  # moto's account
KEY = "arn:aws:kms:us-east-1:123456789012:key/4f1e7d3a-0000-4000-8000-000000000000"
URI = f"s3://{BUCKET}/data"
PARTS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


class Recorded:
    """A client that notes the parameters of each call."""

    def __init__(self, url: str) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.client: Any = boto3.client(
            "s3", "us-east-1", endpoint_url=url, aws_access_key_id="none", aws_secret_access_key="none"
        )
        self.client.meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, dict(params)))

    def counts(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [params for called, params in self.calls if called == name]

    def storage(self, kms_key: str | None = None) -> S3Storage:
        return S3Storage(self.client, OWNER, kms_key)


@pytest.fixture
def recorded(server: str) -> Iterator[Recorded]:
    """The client of a bucket of the test's own."""
    recorded = Recorded(server)
    recorded.client.create_bucket(Bucket=BUCKET)
    recorded.calls.clear()
    yield recorded
    client = recorded.client
    for upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ten parts, each unlike the others, the last one short; most of it is a hole."""
    path = tmp_path_factory.mktemp("large") / "reviews.csv"
    with path.open("wb") as stream:
        for number in range(PARTS):
            stream.seek(number * PART)
            stream.write(f"part {number}".encode())
    return path


def of(path: Path) -> File:
    return File.of(path, path.name)


def digest(recorded: Recorded, key: str) -> str:
    body = recorded.client.get_object(Bucket=BUCKET, Key=key)["Body"]
    return hashlib.file_digest(body, "sha256").hexdigest()


def test_a_large_file_arrives_in_parts_and_whole(recorded: Recorded, large: Path) -> None:
    sent: list[int] = []
    recorded.storage().add([of(large)], URI, sent.append)
    assert recorded.counts()["UploadPart"] == PARTS
    assert sent == [PART] * (PARTS - 1) + [len("part 9")]
    assert digest(recorded, "data/reviews.csv") == of(large).sha256


def test_each_request_names_the_owner_of_the_bucket_and_the_checksum_of_what_it_sends(
    recorded: Recorded, large: Path
) -> None:
    storage = recorded.storage()
    storage.add([of(large), File.of(b"small", "small.txt")], URI)
    storage.sizes(URI)
    storage.read(f"{URI}/small.txt")
    assert recorded.counts().keys() >= {"PutObject", "GetObject", "ListObjectsV2", "CompleteMultipartUpload"}
    assert {params["ExpectedBucketOwner"] for _, params in recorded.calls} == {OWNER}
    put, first = (
        recorded.of("PutObject")[0],
        min(recorded.of("UploadPart"), key=lambda each: each["PartNumber"]),
    )
    for request, content in ((put, b"small"), (first, b"part 0".ljust(PART, b"\0"))):
        assert base64.b64decode(request["ChecksumSHA256"]) == hashlib.sha256(content).digest()
    completed = recorded.of("CompleteMultipartUpload")[0]["MultipartUpload"]["Parts"]
    assert completed[0]["ChecksumSHA256"] == first["ChecksumSHA256"]
    assert [part["PartNumber"] for part in completed] == list(range(1, PARTS + 1))


@pytest.mark.parametrize("key", [None, KEY])
def test_objects_are_encrypted_with_the_key_that_is_set(
    recorded: Recorded, tmp_path: Path, key: str | None
) -> None:
    (tmp_path / "two-parts").write_bytes(b"x" * (PART + 1))
    recorded.storage(key).add([File.of(b"small", "small"), of(tmp_path / "two-parts")], URI)
    for name in ("small", "two-parts"):
        head = recorded.client.head_object(Bucket=BUCKET, Key=f"data/{name}")
        assert head.get("SSEKMSKeyId") == key
        assert (head.get("ServerSideEncryption") == "aws:kms") == (key is not None)


UPLOAD = """
import sys, time
from pathlib import Path
import boto3
from pipeline.storage import S3Storage
from pipeline.uploads import File
url, path, owner, uri = sys.argv[1:]
keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
client = boto3.client("s3", "us-east-1", endpoint_url=url, **keys)
def progress(sent):
    print("sent", flush=True)
    time.sleep(600)
S3Storage(client, owner).add([File.of(Path(path), "reviews.csv")], uri, progress)
"""


def test_another_process_goes_on_where_one_was_killed(server: str, recorded: Recorded, large: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, server, str(large), OWNER, URI],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "sent\n"
        killed.send_signal(signal.SIGKILL)
    storage = recorded.storage()
    assert storage.list(URI) == []  # nothing takes it for an object yet

    sent: list[int] = []
    storage.add([of(large)], URI, sent.append)
    # As it was killed, one part was there and some were on their way, which may have arrived or not.
    assert PARTS - PARTS_AT_ONCE <= recorded.counts()["UploadPart"] < PARTS
    assert recorded.counts()["CreateMultipartUpload"] == 0
    assert sum(sent) == large.stat().st_size  # what was there counts as well
    assert digest(recorded, "data/reviews.csv") == of(large).sha256
    assert "Uploads" not in recorded.client.list_multipart_uploads(Bucket=BUCKET)


def begin(recorded: Recorded, parts: dict[int, bytes], **options: str) -> None:
    target = {"Bucket": BUCKET, "Key": "data/reviews.csv"}
    upload = recorded.client.create_multipart_upload(**target, **options)["UploadId"]
    for number, body in parts.items():
        recorded.client.upload_part(**target, UploadId=upload, PartNumber=number, Body=body)
    recorded.calls.clear()


def test_a_part_with_another_content_is_sent_again(recorded: Recorded, large: Path) -> None:
    content = large.read_bytes()
    begin(recorded, {1: content[:PART], 2: b"x" * PART, 3: b"short"}, ChecksumAlgorithm="SHA256")
    recorded.storage().add([of(large)], URI)
    assert {params["PartNumber"] for params in recorded.of("UploadPart")} == set(range(2, PARTS + 1))
    assert digest(recorded, "data/reviews.csv") == of(large).sha256


def test_the_upload_of_another_program_is_left_alone(recorded: Recorded, large: Path) -> None:
    begin(recorded, {1: b"x" * PART})
    recorded.storage().add([of(large)], URI)
    assert digest(recorded, "data/reviews.csv") == of(large).sha256
    assert len(recorded.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1


@pytest.mark.parametrize(
    ("part", "same"),
    [
        ({"ChecksumSHA256": multipart.checksum(hashlib.sha256(b"x").hexdigest()), "ETag": '"of KMS"'}, True),
        ({"ChecksumSHA256": multipart.checksum(hashlib.sha256(b"y").hexdigest()), "ETag": '"of KMS"'}, False),
        ({"ETag": '"9dd4e461268c8034f5c8564e155c67a6"'}, True),  # the MD5 of "x"
        ({"ETag": '"415290769594460e2e485922904f345d"'}, False),
    ],
)
def test_a_part_counts_by_its_checksum_or_else_by_its_etag(part: dict[str, str], same: bool) -> None:
    """moto lists no checksums of parts; S3 does."""
    assert multipart._same(part, b"x", multipart.checksum(hashlib.sha256(b"x").hexdigest())) is same


def test_a_large_file_that_changes_while_it_is_sent_leaves_nothing(
    recorded: Recorded, tmp_path: Path
) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(b"x" * (6 * PART))
    file = of(path)

    def edit(sent: int) -> None:
        with path.open("r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"y")

    with pytest.raises(
        FileChanged, match=r"reviews\.csv changed while it was uploaded; run the command again"
    ):
        recorded.storage().add([file], URI, edit)
    assert recorded.counts()["UploadPart"] == 6
    assert recorded.client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    assert "Uploads" not in recorded.client.list_multipart_uploads(Bucket=BUCKET)


NO_SUCH_UPLOAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchUpload</Code><Message>The specified upload does not exist.</Message></Error>"""


@pytest.mark.parametrize("finished", [True, False])
def test_an_upload_that_another_process_has_ended_is_good_if_its_object_is_there(
    server: str, recorded: Recorded, large: Path, finished: bool
) -> None:
    """The refusal is S3's, given in its place: moto fails over an upload that it does not know."""

    def refuse(request: Any, **_: Any) -> AWSResponse:
        if finished:
            Recorded(server).storage().add([of(large)], URI)
        return AWSResponse(request.url, 404, {}, SimpleNamespace(stream=lambda: [NO_SUCH_UPLOAD]))

    recorded.client.meta.events.register("before-send.s3.CompleteMultipartUpload", refuse)
    if finished:
        recorded.storage().add([of(large)], URI)
        assert digest(recorded, "data/reviews.csv") == of(large).sha256
        return
    with pytest.raises(recorded.client.exceptions.NoSuchUpload):
        recorded.storage().add([of(large)], URI)
    assert recorded.storage().list(URI) == []


def test_small_files_are_sent_at_once_and_a_failure_begins_no_more(
    recorded: Recorded, tmp_path: Path
) -> None:
    files = [File.of(f"review {number}".encode(), f"{number:03}.txt") for number in range(100)]
    recorded.storage().add(files, URI)
    assert len(recorded.storage().list(URI)) == 100

    (tmp_path / "gone.txt").write_text("gone")
    gone = of(tmp_path / "gone.txt")
    (tmp_path / "gone.txt").unlink()
    recorded.calls.clear()
    with pytest.raises(FileChanged, match=r"cannot read \S+gone\.txt any more: No such file or directory"):
        recorded.storage().add([gone, *files], URI)
    assert recorded.counts()["PutObject"] <= FILES_AT_ONCE


@pytest.mark.parametrize(
    ("size", "parts"), [(PART + 1, 2), (10_000 * PART, 10_000), (10_000 * PART + 1, 10_000)]
)
def test_a_file_has_no_more_parts_than_s3_takes(size: int, parts: int) -> None:
    assert -(-size // multipart.part_size(size)) == parts

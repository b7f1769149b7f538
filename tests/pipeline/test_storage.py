"""One body of tests over both storages: the folder and S3 (moto)."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.errors import ObjectNotFound, UsageError
from pipeline.storage import FolderStorage, S3Storage, Storage

BUCKET = "sentiment-test"


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield FolderStorage(tmp_path / "s3")
        return
    with mock_aws():
        client: Any = boto3.client("s3", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        client.create_bucket(Bucket=BUCKET)
        yield S3Storage(client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "one.txt").write_text("1")
    (source / "deep" / "two.txt").write_text("2")
    return source


def test_a_file_comes_back_as_it_was_put(storage: Storage, folder: Path, tmp_path: Path) -> None:
    storage.put(folder / "one.txt", f"s3://{BUCKET}/a/one.txt")
    assert storage.read(f"s3://{BUCKET}/a/one.txt") == b"1"
    storage.get(f"s3://{BUCKET}/a/one.txt", tmp_path / "back" / "one.txt")
    assert (tmp_path / "back" / "one.txt").read_text() == "1"


def test_a_folder_comes_back_as_it_was_put(storage: Storage, folder: Path, tmp_path: Path) -> None:
    storage.put(folder, f"s3://{BUCKET}/a")
    assert storage.list(f"s3://{BUCKET}/a") == [f"s3://{BUCKET}/a/deep/two.txt", f"s3://{BUCKET}/a/one.txt"]
    storage.get(f"s3://{BUCKET}/a/", tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "two.txt").read_text() == "2"


def test_a_prefix_of_a_name_is_not_a_name(storage: Storage, folder: Path) -> None:
    storage.put(folder / "one.txt", f"s3://{BUCKET}/code/abcdef")
    assert storage.exists(f"s3://{BUCKET}/code/abcdef")
    assert storage.exists(f"s3://{BUCKET}/code")
    assert not storage.exists(f"s3://{BUCKET}/code/abc")
    assert storage.list(f"s3://{BUCKET}/code/abc") == []


def test_what_is_put_again_replaces(storage: Storage, folder: Path) -> None:
    storage.put(folder, f"s3://{BUCKET}/a")
    (folder / "one.txt").write_text("changed")
    storage.put(folder, f"s3://{BUCKET}/a")
    assert storage.read(f"s3://{BUCKET}/a/one.txt") == b"changed"


@pytest.mark.parametrize("below", ["", "/shared"])
def test_objects_of_other_keys_survive_a_put(storage: Storage, folder: Path, below: str) -> None:
    uri = f"s3://{BUCKET}{below}"
    storage.put(folder, uri)
    (folder / "deep" / "two.txt").rename(folder / "deep" / "three.txt")
    (folder / "one.txt").write_text("changed")
    storage.put(folder, uri)
    assert storage.list(uri) == [f"{uri}/{key}" for key in ("deep/three.txt", "deep/two.txt", "one.txt")]
    assert storage.read(f"{uri}/one.txt") == b"changed"


def test_a_folder_without_files_puts_nothing(storage: Storage, folder: Path) -> None:
    (folder / "empty").mkdir()
    storage.put(folder / "empty", f"s3://{BUCKET}/a")
    assert not storage.exists(f"s3://{BUCKET}/a")
    storage.put(folder / "one.txt", f"s3://{BUCKET}/a")  # no trace of it is in the way
    assert storage.read(f"s3://{BUCKET}/a") == b"1"


def test_an_absent_source_is_an_error(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.put(tmp_path / "absent", f"s3://{BUCKET}/a")
    assert not storage.exists(f"s3://{BUCKET}")


@pytest.mark.parametrize("action", ["read", "get"])
def test_what_is_absent_is_named(storage: Storage, tmp_path: Path, action: str) -> None:
    uri = f"s3://{BUCKET}/absent.txt"
    with pytest.raises(ObjectNotFound, match="absent.txt does not exist"):
        storage.read(uri) if action == "read" else storage.get(uri, tmp_path / "x")


@pytest.mark.parametrize(
    "uri", ["/etc/passwd", "s3://", f"s3://{BUCKET}/../x", f"s3://{BUCKET}/a//b", "s3://../x"]
)
def test_a_uri_that_leaves_its_bucket_is_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(UsageError):
        storage.exists(uri)


def test_later_edits_of_the_source_do_not_reach_a_stored_copy(tmp_path: Path, folder: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    storage.put(folder / "one.txt", f"s3://{BUCKET}/one.txt")
    with open(folder / "one.txt", "r+") as file:
        file.write("9")
    assert storage.read(f"s3://{BUCKET}/one.txt") == b"1"


def test_files_given_away_and_inputs_are_links_and_read_only(tmp_path: Path, folder: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    storage.put(folder, f"s3://{BUCKET}/a", link=True)
    storage.get(f"s3://{BUCKET}/a", tmp_path / "job")
    stored = storage.path(f"s3://{BUCKET}/a/one.txt")
    assert os.path.samefile(stored, tmp_path / "job" / "one.txt")
    assert os.path.samefile(stored, folder / "one.txt")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o444


def test_a_link_to_an_object_keeps_the_old_content_when_it_is_replaced(tmp_path: Path, folder: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    storage.put(folder, f"s3://{BUCKET}/a", link=True)
    storage.get(f"s3://{BUCKET}/a", tmp_path / "job")
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "one.txt").write_text("next")
    storage.put(tmp_path / "next", f"s3://{BUCKET}/a", link=True)
    assert storage.read(f"s3://{BUCKET}/a/one.txt") == b"next"
    assert (tmp_path / "job" / "one.txt").read_text() == "1"


def test_those_who_put_one_new_folder_at_once_never_show_a_part_of_it(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    source = tmp_path / "source"
    names = [f"{letter}/{number}" for letter in "abc" for number in range(20)]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    for attempt in range(10):
        uri = f"s3://{BUCKET}/data/{attempt}"
        with ThreadPoolExecutor() as pool:
            puts = [pool.submit(storage.put, source, uri) for _ in range(4)]
            while not all(put.done() for put in puts):
                if storage.exists(uri):
                    assert all(storage.path(f"{uri}/{name}").is_file() for name in names)
            for put in puts:
                put.result()
        assert len(storage.list(uri)) == len(names)


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_a_name_cannot_be_an_object_and_a_folder(
    tmp_path: Path, folder: Path, first: str, second: str
) -> None:
    storage = FolderStorage(tmp_path / "s3")
    storage.put(folder / "one.txt", f"s3://{BUCKET}/{first}")
    with pytest.raises(UsageError, match=rf"cannot put s3://{BUCKET}/{second}: \S+/a would be an object and"):
        storage.put(folder / "one.txt", f"s3://{BUCKET}/{second}")
    assert storage.list(f"s3://{BUCKET}") == [f"s3://{BUCKET}/{first}"]


def test_a_failed_put_publishes_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    with pytest.raises(FileNotFoundError):
        storage.put(tmp_path / "absent", f"s3://{BUCKET}/a")
    assert storage.list(f"s3://{BUCKET}") == []
    assert list((tmp_path / "s3" / ".incoming").iterdir()) == []

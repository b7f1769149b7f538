"""Code bundles: the same code is the same archive and the same URI, and a job gets what it needs."""

import os
import shutil
import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pytest

from pipeline import code_bundle
from pipeline.code_bundle import ARCHIVE, STEPS, Bundle, archive, bundle, bundles, needs, upload
from pipeline.errors import DefinitionError, FileChanged
from pipeline.storage import FolderStorage
from pipeline.uploads import File

ROOT = "s3://bucket/prefix"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A script that imports one module and names a data file; a module beside it that it does not need."""
    folder = tmp_path / "steps"
    folder.mkdir()
    (folder / "job.py").write_text("import json\nfrom helper import read\nread('words.txt')\n")
    (folder / "helper.py").write_text("import deeper\ndef read(name): pass\n")
    (folder / "deeper.py").write_text("")
    (folder / "words.txt").write_text("a\n")
    (folder / "other.py").write_text("import helper\n")
    return folder


def read(files: Iterable[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def publish(made: Bundle, storage: FolderStorage) -> bool:
    """As a run does: what is missing. False if nothing is."""
    if missing := upload(made, storage, ROOT):
        storage.add(missing.files, missing.uri)
    return missing is not None


def test_a_script_needs_what_it_imports_and_names_followed_through(folder: Path) -> None:
    assert needs("job.py", folder) == ["deeper.py", "helper.py", "job.py", "words.txt"]


def test_modules_that_import_each_other_are_followed_once(folder: Path) -> None:
    (folder / "deeper.py").write_text("import helper\n")
    assert needs("job.py", folder) == ["deeper.py", "helper.py", "job.py", "words.txt"]


def test_what_a_job_does_not_need_does_not_change_its_bundle(folder: Path) -> None:
    before = bundle("job.py", folder)
    (folder / "other.py").write_text("changed = True\n")
    assert bundle("job.py", folder).digest == before.digest
    (folder / "deeper.py").write_text("changed = True\n")
    assert bundle("job.py", folder).digest != before.digest


def test_names_and_contents_do_not_run_together(folder: Path) -> None:
    (folder / "words.txt").write_text("ab")
    first = bundle("job.py", folder).digest
    (folder / "words.txt").write_text("a")
    (folder / "wordsb.txt").write_text("")
    assert bundle("job.py", folder).digest != first


def test_the_archive_does_not_depend_on_mtime_umask_place_or_order(folder: Path, tmp_path: Path) -> None:
    first = bundle("job.py", folder)
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    mask = os.umask(0o077)
    try:
        for name in sorted((path.name for path in folder.iterdir()), reverse=True):
            shutil.copyfile(folder / name, copy / name)
            os.utime(copy / name, (0, 0))
    finally:
        os.umask(mask)
    second = bundle("job.py", copy)
    assert second.digest == first.digest
    assert archive(read(second.files)) == archive(read(first.files))
    assert archive(read(first.files))[4:8] == bytes(4)  # no time in the header of gzip


def test_the_archive_holds_the_files_and_no_trace_of_who_made_it(folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(archive(read(bundle("job.py", folder).files)))) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["deeper.py", "helper.py", "job.py", "words.txt"]
    assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0, 0o644)}


def test_publishing_puts_files_and_archive_under_the_hash_once(folder: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    made = bundle("job.py", folder)
    assert publish(made, storage)
    uri = f"{ROOT}/code/{made.digest}"
    assert storage.list(uri) == [
        f"{uri}/{name}" for name in ("deeper.py", "helper.py", "job.py", ARCHIVE, "words.txt")
    ]
    assert not publish(made, storage)


def test_what_is_to_be_uploaded_is_said_before_and_looking_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    storage = FolderStorage(tmp_path / "s3")
    made = bundle("job.py", folder)
    planned = upload(made, storage, ROOT)
    assert planned is not None
    assert (planned.what, planned.uri) == ("code of job.py", made.uri(ROOT))
    assert {file.name for file in planned.files} == {"deeper.py", "helper.py", "job.py", ARCHIVE, "words.txt"}
    assert not storage.root.exists()
    assert planned.size == sum(len(content) for content in read(made.files).values()) + planned.files[-1].size
    publish(made, storage)
    assert upload(made, storage, ROOT) is None


def test_a_publication_that_was_cut_short_is_completed(folder: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    made = bundle("job.py", folder)
    storage.add([File.of(folder / "job.py", "job.py")], made.uri(ROOT))
    planned = upload(made, storage, ROOT)
    assert planned is not None
    assert {file.name for file in planned.files} == {"deeper.py", "helper.py", ARCHIVE, "words.txt"}
    assert publish(made, storage)
    assert storage.exists(f"{made.uri(ROOT)}/{ARCHIVE}")


def test_code_that_changed_since_it_was_hashed_is_not_published(folder: Path, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s3")
    made = bundle("job.py", folder)
    (folder / "deeper.py").write_text("changed = True\n")
    with pytest.raises(
        FileChanged, match=r"the code of job\.py changed in the meantime; run the command again"
    ):
        publish(made, storage)
    assert not storage.root.exists()


def test_a_missing_script_and_one_that_is_not_python_are_named(folder: Path) -> None:
    with pytest.raises(DefinitionError, match=r"absent\.py is missing"):
        bundle("absent.py", folder)
    (folder / "helper.py").write_text("def (\n")
    with pytest.raises(DefinitionError, match=r"helper\.py, line 1"):
        bundle("job.py", folder)


def test_a_change_of_the_evaluation_leaves_the_code_of_the_training_as_it_is(tmp_path: Path) -> None:
    copy = shutil.copytree(STEPS, tmp_path / "steps", ignore=shutil.ignore_patterns("__pycache__"))
    before = bundles(copy)
    with open(copy / "evaluate.py", "a") as file:
        file.write("# changed\n")
    after = bundles(copy)
    changed = [script for script in code_bundle.SCRIPTS if before[script].digest != after[script].digest]
    assert changed == ["evaluate.py"]


def test_the_training_carries_what_the_model_serves_with() -> None:
    served = {"inference.py", "explanation.py", "model.py", "spans.py", "text.py"}
    assert served | {"train.py"} <= set(needs("train.py", STEPS))

"""Where an execution comes from, against real repositories."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from definitions import compiled, settings_of
from pipeline import lineage, parameters, service_model
from pipeline.code_bundle import Bundle
from pipeline.dag import Definition
from pipeline.data import Data

BUNDLES = {script: Bundle(script, (), script * 3) for script in ("train.py", "evaluate.py")}
SHA = "0123456789abcdef" * 4
DATA = Data(Path("reviews.csv"), SHA, 1, files=())
COMMIT = "a1b2c3d4" * 5


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "step.py").write_text("1")
    (tmp_path / ".gitignore").write_text("ignored")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    (repository / "ignored").write_text("does not count")
    assert lineage.commit_of(repository, {}) == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("change", ["step.py", "untracked.py"])
def test_a_tree_with_other_content_is_dirty(repository: Path, change: str) -> None:
    (repository / change).write_text("2")
    assert lineage.commit_of(repository, {}) == f"{git(repository, 'rev-parse', 'HEAD')}-dirty"


def test_a_folder_below_the_repository_has_its_commit(repository: Path) -> None:
    (repository / "below").mkdir()
    assert lineage.commit_of(repository / "below", {}) == git(repository, "rev-parse", "HEAD")


def test_without_a_repository_it_is_the_commit_that_ci_names(tmp_path: Path) -> None:
    assert lineage.commit_of(tmp_path, {"GITHUB_SHA": COMMIT}) == COMMIT
    assert lineage.commit_of(tmp_path, {"GITHUB_SHA": "main"}) == "unknown"
    assert lineage.commit_of(tmp_path, {}) == "unknown"


def test_without_git_it_is_the_commit_that_ci_names(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no git there
    assert lineage.commit_of(repository, {"GITHUB_SHA": COMMIT}) == COMMIT


def test_a_repository_without_a_commit_is_unknown(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert lineage.commit_of(tmp_path, {}) == "unknown"


def test_looking_does_not_write_into_the_repository(repository: Path) -> None:
    index = repository / ".git" / "index"
    os.utime(repository / "step.py", (1, 1))  # git would note the new time in its index
    before = index.read_bytes()
    lineage.commit_of(repository, {})
    assert index.read_bytes() == before


def test_the_hashes_follow_from_what_they_are_of() -> None:
    found = lineage.of("text", BUNDLES, DATA, "s3://bucket/reviews")
    assert found.definition == hashlib.sha256(b"text").hexdigest()
    assert found.data == SHA
    assert found.code == lineage.of("other", dict(reversed(BUNDLES.items())), None, "s3://b/c").code
    changed = {**BUNDLES, "train.py": Bundle("train.py", (), "other")}
    assert found.code != lineage.of("text", changed, DATA, "s3://bucket/reviews").code


@pytest.mark.parametrize(
    ("uri", "checksum"),
    [
        (f"s3://bucket/sentiment/data/{SHA}", SHA),  # published under its hash
        (f"s3://bucket/sentiment/data/{SHA}/", SHA),
        (f"s3://bucket/sentiment/data/{SHA}/other", "unknown"),
        ("s3://bucket/reviews", "unknown"),
    ],
)
def test_the_checksum_of_data_that_lies_in_s3_is_known_when_it_was_published(uri: str, checksum: str) -> None:
    assert lineage.of("text", BUNDLES, None, uri).data == checksum


@pytest.mark.parametrize(
    ("commit", "short"),
    [(COMMIT, "a1b2c3d4a1b2"), (f"{COMMIT}-dirty", "a1b2c3d4a1b2-dirty"), ("unknown", "unknown")],
)
def test_a_commit_has_a_short_form_that_a_name_may_hold(commit: str, short: str) -> None:
    found = lineage.Lineage(commit, SHA, SHA, SHA, "s3://bucket/reviews")
    assert found.short == short
    request = {
        "PipelineName": "sentiment",
        "ClientRequestToken": "x" * 32,
        "PipelineExecutionDisplayName": found.short,
        "PipelineExecutionDescription": found.description(),
    }
    assert service_model.validate("StartPipelineExecution", request) == []


def test_the_description_says_everything_in_one_line() -> None:
    found = lineage.Lineage(f"{COMMIT}-dirty", "1" * 64, "2" * 64, "3" * 64, "s3://bucket/reviews")
    line = found.description()
    assert "\n" not in line
    for part in (found.commit, found.definition, found.data, found.code, found.input_data):
        assert part in line


def test_its_parameters_are_those_that_a_run_sets() -> None:
    table = parameters.table(settings_of("dev"))
    set_by_run = {name for name, row in table.items() if row.set_by_run}
    given = lineage.of("text", BUNDLES, DATA, "s3://bucket/reviews").parameters()
    assert set(given) == set_by_run
    assert {table[name].default for name in set_by_run} == {"unknown"}


def test_whatever_a_parameter_may_be_a_version_s_metadata_can_hold_it() -> None:
    """CustomerMetadataProperties: values of at most 256 characters, and not every character."""
    longest = "s3://bucket/" + "ä" * (256 - len("s3://bucket/"))
    table = parameters.table(settings_of("dev"))
    assert parameters.parse([f"InputData={longest}"], table)["InputData"] == longest
    metadata = Definition.parse(compiled("dev")).steps["Register"].arguments["CustomerMetadataProperties"]
    request = {
        "ModelPackageGroupName": "sentiment",
        "CustomerMetadataProperties": dict.fromkeys(metadata, longest),
    }
    assert service_model.validate("CreateModelPackage", request) == []

"""The kept definition: found again for the same inputs, and for no others."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import code_bundle, compiled, settings
from shared import ROOT

CODE = {
    "preprocess.py": "s3://bucket/code/0",
    "train.py": "s3://bucket/code/1",
    "evaluate.py": "s3://bucket/code/2",
}


def test_the_same_inputs_find_what_was_kept_and_other_inputs_do_not(tmp_path: Path) -> None:
    config = settings.load("local", variables={})
    file = compiled.file_of(config, CODE, tmp_path)
    compiled.keep("text", file)
    again = compiled.file_of(settings.load("local", variables={}), dict(reversed(CODE.items())), tmp_path)
    assert again.read_text() == "text"
    assert list(file.parent.iterdir()) == [file]  # nothing is left beside it

    other_settings = settings.load("local", {"accuracy_threshold": 0.5}, variables={})
    assert not compiled.file_of(other_settings, CODE, tmp_path).exists()
    assert not compiled.file_of(config, {**CODE, "train.py": "s3://bucket/code/3"}, tmp_path).exists()


def test_another_version_of_any_part_of_the_sdk_compiles_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings.load("local", variables={})
    files = {compiled.file_of(config, CODE, tmp_path)}
    for changed in compiled.DISTRIBUTIONS:
        monkeypatch.setattr(compiled, "version", lambda name, c=changed: "2" if name == c else "1")
        files.add(compiled.file_of(config, CODE, tmp_path))
    assert len(files) == 1 + len(compiled.DISTRIBUTIONS)


def test_all_that_compiles_is_in_the_name() -> None:
    """The project's modules and the SDK's distributions that are imported on the way to a definition."""
    sources = [(ROOT / "pipeline" / f"{name}.py").read_text() for name in compiled.MODULES]
    imported = {name for source in sources for name in _imports(source)}
    modules = {f"pipeline.{name}" for name in compiled.MODULES}
    others = {name for name in imported if name.startswith("pipeline.")} - modules
    # What the settings are read with need not be: the settings themselves are in the name.
    read_with = {"errors", "images", "settings_faults", "settings_sources"}
    assert others <= {f"pipeline.{name}" for name in read_with}
    distributions = {"-".join(name.split(".")[:2]) for name in imported if name.startswith("sagemaker.")}
    assert {*distributions, "sagemaker"} == set(compiled.DISTRIBUTIONS)


def test_what_is_kept_is_not_compiled_again(tmp_path: Path) -> None:
    config = settings.load("dev", variables={})
    text = compiled.load(config, code_bundle.bundles(), tmp_path)
    assert json.loads(text)["Steps"]
    (file,) = (tmp_path / "definitions").iterdir()
    assert file.read_text() == text
    file.write_text("kept")
    assert compiled.load(config, code_bundle.bundles(), tmp_path) == "kept"


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "definitions").write_text("a file where the folder would be")
    assert json.loads(compiled.load(settings.load("dev", variables={}), code_bundle.bundles(), tmp_path))[
        "Steps"
    ]


def _imports(source: str) -> Iterator[str]:
    """The modules that a source imports; of `from pipeline import x`, pipeline.x."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            yield from (f"pipeline.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_a_definition_may_be_kept_twice(tmp_path: Path) -> None:
    for text in ("text", "text"):
        compiled.keep(text, tmp_path / "definitions" / "x.json")
    assert (tmp_path / "definitions" / "x.json").read_text() == "text"

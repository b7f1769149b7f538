"""The kept definition: found again for the same inputs, and for no others."""

from pathlib import Path

from pipeline import compiled, settings

CODE = {"train.py": "s3://bucket/code/1", "evaluate.py": "s3://bucket/code/2"}


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


def test_a_definition_may_be_kept_twice(tmp_path: Path) -> None:
    for text in ("text", "text"):
        compiled.keep(text, tmp_path / "definitions" / "x.json")
    assert (tmp_path / "definitions" / "x.json").read_text() == "text"

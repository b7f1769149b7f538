"""The tag of an image: it changes with each thing that the image is made of, and with nothing else."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.errors import SettingsError, UsageError
from pipeline.images import sources
from pipeline.images.addresses import Image
from pipeline.images.sources import TARGETS, Checkout, files, lock_hash, tag

ROOT = sources.ROOT
EVERY = set(TARGETS)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """The images' files, elsewhere."""
    shutil.copytree(ROOT / "containers", tmp_path / "containers")
    return Checkout(tmp_path)


def tags(checkout: Checkout, base: str | None = None) -> dict[str, str]:
    return {target: tag(target, base, checkout) for target in TARGETS}


def changed(checkout: Checkout, change: Callable[[Path], object]) -> set[str]:
    """The targets whose tag a change of the folder changes."""
    before = tags(checkout)
    change(checkout.root / "containers")
    after = tags(checkout)
    return {target for target in TARGETS if before[target] != after[target]}


def append(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"#\n")


def write(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x = 1\n")

    return change


def test_a_tag_is_of_hexadecimal_digits_and_an_image_has_one_of_its_own() -> None:
    found = tags(sources.HERE).values()
    assert len(set(found)) == len(TARGETS)
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in found)


def test_it_is_the_same_in_another_folder(checkout: Checkout) -> None:
    assert tags(checkout) == tags(sources.HERE)


@pytest.mark.parametrize(
    ("change", "targets"),
    [
        (append("Dockerfile"), EVERY),
        (append("install"), EVERY),
        (append("processing.lock"), {"processing"}),
        (append("training.lock"), {"training"}),
        (append("serving.lock"), {"serving"}),
        (append("torch.lock"), {"training", "serving"}),
        (append("serving/server.py"), {"serving"}),
        (write("serving/more.py"), {"serving"}),
        (write("serving/inner/more.py"), {"serving"}),
        (lambda folder: (folder / "serving" / "__main__.py").unlink(), {"serving"}),
        (lambda folder: (folder / "serving/server.py").rename(folder / "serving/other.py"), {"serving"}),
    ],
)
def test_what_an_image_is_made_of_changes_its_tag(
    checkout: Checkout, change: Callable[[Path], object], targets: set[str]
) -> None:
    assert changed(checkout, change) == targets


@pytest.mark.parametrize(
    "change",
    [
        write("serving.in"),
        write("README.md"),
        write("serving/notes.txt"),
        write("serving/__pycache__/server.cpython-311.pyc"),
        write("../steps/train.py"),
        lambda folder: (folder / "Dockerfile").touch(),
        lambda folder: (folder / "serving.lock").chmod(0o600),
    ],
)
def test_nothing_else_does(checkout: Checkout, change: Callable[[Path], object]) -> None:
    assert changed(checkout, change) == set()


def test_bytes_that_move_from_one_file_to_the_next_are_another_content(checkout: Checkout) -> None:
    def move(folder: Path) -> None:
        torch, serving = folder / "torch.lock", folder / "serving.lock"
        both = torch.read_bytes() + serving.read_bytes()
        torch.write_bytes(both[:10])
        serving.write_bytes(both[10:])

    assert "serving" in changed(checkout, move)


def test_the_image_that_it_is_built_on_is_part_of_it(checkout: Checkout) -> None:
    bases = (None, "python:3.12", "nvidia/cuda:13.0")
    assert len({tag("training", base, checkout) for base in bases}) == 3


def test_the_hash_of_the_locks_changes_with_the_locks_alone(checkout: Checkout) -> None:
    before = lock_hash("serving", checkout)
    append("Dockerfile")(checkout.root / "containers")
    assert lock_hash("serving", checkout) == before
    append("torch.lock")(checkout.root / "containers")
    assert lock_hash("serving", checkout) != before


@pytest.mark.parametrize("name", ["Dockerfile", "serving.lock"])
def test_a_file_that_is_missing_is_named(checkout: Checkout, name: str) -> None:
    (checkout.root / "containers" / name).unlink()
    with pytest.raises(UsageError, match=rf"containers/{name}: No such file .*complete checkout"):
        tag("serving", checkout=checkout)


# ---------------------------------------------------------------------- the Dockerfile


def copied(target: str) -> set[str]:
    """What the stages of a target copy from the checkout: {"containers/serving.lock", …}."""
    stages: dict[str, tuple[set[str], set[str]]] = {}  # name: (sources, the stages that it takes from)
    text = (ROOT / sources.DOCKERFILE).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            parent, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            stages[name] = (set(), {parent})
        elif word in ("COPY", "ADD"):
            words = [each for each in rest.split() if not each.startswith("--")]
            stages[name][0].update([] if "--from=" in rest else words[:-1])
        if stages:
            stages[name][1].update(re.findall(r"(?:--from|[,=]from)=([\w-]+)", rest))
    found, open_ = set(), {target}
    while open_:
        own, more = stages.get(open_.pop(), (set(), set()))
        found |= own
        open_ |= more
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_everything_that_the_dockerfile_copies_is_part_of_the_tag(target: str) -> None:
    hashed = {path.relative_to(ROOT).as_posix() for path in files(target)} - {sources.DOCKERFILE}
    assert copied(target) == {
        "containers/serving" if name.startswith("containers/serving/") else name for name in hashed
    }


# ---------------------------------------------------------------------- the settings


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_settings_name_images_by_their_content(environment: str) -> None:
    config = settings.load(environment, variables={})
    for target in TARGETS:
        image = Image.parse(getattr(config, f"{target}_image"))
        assert image is not None
        assert (image.repository, image.tag) == (f"sentiment/{target}", tag(target))


def test_the_address_of_an_image_may_name_its_content_and_nothing_else_may() -> None:
    flags = {"serving_image": "registry.example.com/{environment}/serving:{content}"}
    config = settings.load("dev", flags, variables={})
    assert config.serving_image == f"registry.example.com/dev/serving:{tag('serving')}"
    with pytest.raises(SettingsError, match=r"bucket = 'b-\{content\}': there is no \{content\}"):
        settings.load("dev", {"bucket": "b-{content}"}, variables={})
    with pytest.raises(SettingsError, match=r"no \{contents\}; .*\{environment\}, \{content\}$"):
        settings.load("dev", {"serving_image": "{contents}"}, variables={})

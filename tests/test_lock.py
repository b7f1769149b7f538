"""requirements.lock: of pyproject.toml as it is now, complete, and what is installed. And the lock of each
image: of its .in as it is now, complete, of the same versions."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
LOCK = (ROOT / "requirements.lock").read_text()
PACKAGE = re.compile(
    r"^([a-z0-9-]+)==(\S+)\n((?:    #.*\n)*)", re.MULTILINE
)  # name, version, whose dependency


def stale(direct: list[str], lock: str) -> list[str]:
    """In which respects a lock is not of these direct dependencies."""
    locked = {name: version for name, version, _ in PACKAGE.findall(lock)}
    asked_for = {
        name for name, _, why in PACKAGE.findall(lock) if f"{PROJECT['name']} (pyproject.toml)" in why
    }
    asked = {requirement.name: requirement for requirement in map(Requirement, direct)}
    return [
        *(f"{name} is not locked" for name in sorted(asked.keys() - asked_for)),
        *(f"{name} is locked and no longer asked for" for name in sorted(asked_for - asked.keys())),
        *(
            f"{requirement} is locked as {locked[name]}"
            for name, requirement in asked.items()
            if name in locked and not requirement.specifier.contains(locked[name])
        ),
    ]


def test_the_lock_is_of_the_dependencies_that_are_asked_for():
    assert stale(DIRECT, LOCK) == [], "run: make lock"


@pytest.mark.parametrize(
    ("direct", "problem"),
    [
        ([*DIRECT, "left-pad"], "left-pad is not locked"),
        ([*DIRECT, "botocore"], "botocore is not locked"),  # it is there, but for others
        ([text for text in DIRECT if text != "httpx"], "httpx is locked and no longer asked for"),
        ([*DIRECT, "boto3>=99"], "boto3>=99 is locked as"),
    ],
)
def test_a_stale_lock_fails(direct, problem):
    (found,) = stale(direct, LOCK)
    assert found.startswith(problem)


def test_what_a_locked_package_needs_is_locked():
    locked = {name for name, _, _ in PACKAGE.findall(LOCK)}
    for name in sorted(locked):
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in locked, f"{name} needs {requirement}"


def test_every_line_of_the_lock_is_a_version_or_says_why():
    assert re.sub(r"^#.*|\n", "", PACKAGE.sub("", LOCK), flags=re.MULTILINE) == ""


def test_what_is_installed_is_what_the_lock_says():
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = {
        re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0]
        for name, _, version in (line.partition("==") for line in installed.splitlines())
    }
    locked = {name: version for name, version, _ in PACKAGE.findall(LOCK)}
    assert {name: found.get(name) for name in locked} == locked


IMAGES = ["processing", "torch", "training", "serving"]


def lock_of(image: str) -> dict[str, str]:
    text = (ROOT / f"containers/{image}.lock").read_text()
    return {name: version for name, version, _ in PACKAGE.findall(text)}


def asked_for(image: str) -> list[Requirement]:
    lines = (ROOT / f"containers/{image}.in").read_text().splitlines()
    own = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    above = [line.removeprefix("-r ").removesuffix(".in") for line in lines if line.startswith("-r")]
    return [*own, *(each for name in above for each in asked_for(name))]


@pytest.mark.parametrize("image", IMAGES)
def test_an_images_lock_is_of_what_is_asked_for_and_complete(image):
    locked = lock_of(image)
    for requirement in asked_for(image):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), "run: make lock"
    here = {name for name, _, _ in PACKAGE.findall(LOCK)}
    for name in sorted(locked.keys() & here):
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in locked, f"{name} needs {requirement}"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_versions_that_the_tests_run_with(image):
    tested = {name: version for name, version, _ in PACKAGE.findall(LOCK)}
    assert {name: tested.get(name, version) for name, version in lock_of(image).items()} == lock_of(image)


@pytest.mark.parametrize("image", ["training", "serving"])
def test_the_layer_of_torch_is_part_of_the_image(image):
    assert lock_of("torch").items() <= lock_of(image).items()

"""Builds in a real engine, of images that take no time."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_images import DOCKERFILE, checkout, labels, lock

from engine import need_engine
from pipeline import docker
from pipeline.errors import EngineFailed, UsageError
from pipeline.images import builds, engine, sources
from pipeline.images.builds import TORCH_INDEX, Built, Options
from pipeline.images.sources import Checkout

IN_DEBIAN = DOCKERFILE.replace("scratch", "python:3.11-slim-bookworm")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Checkout]:
    need_engine()
    with checkout(tmp_path) as found:
        yield found


def build(
    found: Checkout, target: str = "serving", progress: io.StringIO | None = None, **options: str
) -> Built:
    progress = io.StringIO() if progress is None else progress
    return builds.build(target, Options(**options), progress, lambda note: None, found)


def test_an_image_is_built_once_and_the_last_one_is_the_local_one(tiny: Checkout) -> None:
    local, progress = sources.local("serving", tiny), io.StringIO()
    first = build(tiny, progress=progress)
    assert first.built and first.bytes > 0
    assert "COPY containers/serving /program" in progress.getvalue()
    assert docker.image_id(local) == docker.image_id(first.image)

    lock(tiny, "serving").write_text("another==1\n")
    second = build(tiny)
    assert second.built and second.image != first.image
    assert docker.image_id(local) == docker.image_id(second.image)

    lock(tiny, "training").write_text("nothing of the server's\n")
    progress = io.StringIO()
    assert build(tiny, progress=progress) == Built("serving", second.image, second.bytes, built=False)
    assert progress.getvalue() == ""


def test_going_back_to_an_earlier_content_builds_nothing(tiny: Checkout) -> None:
    before = lock(tiny, "serving").read_text()
    first = build(tiny)
    lock(tiny, "serving").write_text("another==1\n")
    build(tiny)
    lock(tiny, "serving").write_text(before)
    assert not build(tiny).built
    assert docker.image_id(sources.local("serving", tiny)) == docker.image_id(first.image)


def test_an_image_says_its_commit_and_its_locks_and_is_for_sagemakers_processors(tiny: Checkout) -> None:
    image = build(tiny).image
    assert json.loads(labels(image)) == {
        "org.opencontainers.image.revision": "unknown",  # the folder is no repository
        "sentiment.lock": sources.lock_hash("serving", tiny),
    }
    engine.check_manifest(image)
    platform = docker.run("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image)
    assert platform == "linux/amd64"


def test_the_label_of_this_checkout_is_its_commit() -> None:
    given = builds.arguments("serving", "x:1", Options(), sources.HERE)
    (revision,) = [each for each in given if each.startswith("org.opencontainers.image.revision=")]
    assert len(revision.partition("=")[2].removesuffix("-dirty")) == 40


def test_another_base_is_another_image(tiny: Checkout) -> None:
    plain, based = build(tiny), build(tiny, base="python:3.11-slim-bookworm")
    assert plain.image != based.image
    assert based.bytes > plain.bytes + 10_000_000


def test_pip_settings_reach_the_build_and_stay_out_of_the_image(
    tiny: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:hidden-password@index.example.com/simple")
    (tmp_path / "ca.pem").write_text("the bundle\n")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    look = (
        "\nRUN --mount=type=secret,id=pip,target=/run/secrets/pip.conf"
        " --mount=type=secret,id=ca,target=/run/secrets/ca.crt"
        " grep -q 'hidden-[p]assword' /run/secrets/pip.conf"
        " && grep -q bundle $(sed -n 's/cert = //p' /run/secrets/pip.conf)"
        " && echo index: $TORCH_INDEX > /seen\n"
    )
    dockerfile = IN_DEBIAN.replace("COPY containers/processing.lock /", "ARG TORCH_INDEX" + look)
    (tiny.root / "containers" / "Dockerfile").write_text(dockerfile)
    progress = io.StringIO()
    image = build(tiny, "processing", progress, network="none").image
    seen = docker.run("run", "--rm", "--network", "none", image, "cat", "/seen")
    assert seen == f"index: {TORCH_INDEX}"
    history = docker.run("image", "history", "--no-trunc", image) + docker.run("image", "inspect", image)
    assert "hidden-password" not in history + progress.getvalue()
    with pytest.raises(EngineFailed):
        docker.run("run", "--rm", "--network", "none", image, "cat", "/run/secrets/pip.conf")


def test_a_build_that_fails_says_where(tiny: Checkout) -> None:
    dockerfile = IN_DEBIAN.replace("COPY containers/processing.lock /", "RUN echo out of luck && exit 3")
    (tiny.root / "containers" / "Dockerfile").write_text(dockerfile)
    with pytest.raises(EngineFailed, match=r"(?s)docker build failed: .*out of luck.*exit code: 3"):
        build(tiny, "processing", network="none")
    assert docker.image_id(sources.local("processing", tiny)) is None


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "DOCKER_HOST"),
        ("dial unix /var/run/docker.sock: connect: permission denied: /var/run/docker.sock", "group docker"),
        ("write /opt/venv/x: no space left on device", "docker builder prune"),
        ("denied: requested access to the resource is denied", "docker login"),
        ("ERROR: No matching distribution found for torch==2.13.0", "--torch-index"),
        ("executor failed running [x]: network bridge not found", "--network host"),
    ],
)
def test_what_the_engine_says_becomes_advice(said: str, remedy: str) -> None:
    with pytest.raises(EngineFailed) as failed, engine.advised():
        raise EngineFailed(f"docker build failed: {said}")
    what, _, advice = str(failed.value).partition("; ")
    assert what == f"docker build failed: {said}" and remedy in advice


def test_an_index_with_a_password_is_no_argument() -> None:
    with pytest.raises(UsageError, match="PIP_EXTRA_INDEX_URL") as refused:
        Options(torch_index="https://me:pass-word@index.example.com/cpu")
    assert "pass-word" not in str(refused.value)

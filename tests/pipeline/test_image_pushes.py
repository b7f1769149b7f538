"""Pushes to a registry that is not ECR, a real one, by a real engine. (To ECR: test_cli_images.py.)"""

import io
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_images import address, checkout, lock, registry

from definitions import settings_of
from engine import need_engine
from pipeline import docker
from pipeline.errors import EngineFailed, UsageError
from pipeline.images import pushes, sources
from pipeline.images.builds import Options
from pipeline.images.pushes import Pushed
from pipeline.images.sources import TARGETS, Checkout


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Checkout]:
    need_engine()
    with checkout(tmp_path / "checkout") as found:
        yield found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with registry(tmp_path) as found:
        yield found


def no_account(settings: Any) -> Any:
    raise AssertionError("AWS was asked")


def push(
    found: Checkout, images: dict[str, str], *targets: str, progress: io.StringIO | None = None
) -> list[Pushed]:
    config = settings_of("dev", **{f"{target}_image": image for target, image in images.items()})
    stream = progress or io.StringIO()
    return pushes.push(config, targets, Options(), stream, print, found, no_account)


def stored(host: str, image: str) -> str:
    """The digest by which the registry has it."""
    name, _, tag = image.partition("/")[2].rpartition(":")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    asked = urllib.request.Request(f"http://{host}/v2/{name}/manifests/{tag}", headers={"Accept": kind})
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Content-Type"] == kind  # the one that SageMaker takes
        return str(answer.headers["Docker-Content-Digest"])


def test_the_images_of_the_settings_are_built_and_pushed_under_the_tag_of_their_content(
    tiny: Checkout, host: str
) -> None:
    images = {target: address(host, tiny, target) for target in TARGETS}
    done = push(tiny, images)
    assert [(each.target, each.image, each.pushed) for each in done] == [
        (target, images[target], True) for target in TARGETS
    ]
    for each in done:
        assert each.digest == stored(host, each.image)
    docker.run("image", "rm", *images.values())
    docker.run("pull", images["serving"])  # as a machine that has never seen it would
    assert docker.image_id(images["serving"]) == docker.image_id(sources.local("serving", tiny))


def test_a_push_again_builds_nothing_and_has_the_same_digest(tiny: Checkout, host: str) -> None:
    images = {"serving": address(host, tiny, "serving")}
    first = push(tiny, images, "serving")
    progress = io.StringIO()
    assert push(tiny, images, "serving", progress=progress) == first
    assert "COPY" not in progress.getvalue()


def test_only_the_targets_that_are_named_are_pushed(tiny: Checkout, host: str) -> None:
    images = {target: address(host, tiny, target) for target in TARGETS}
    assert [each.target for each in push(tiny, images, "training")] == ["training"]
    assert docker.image_id(sources.name("serving", None, tiny)) is None


def test_an_address_with_another_contents_tag_is_refused_before_anything_is_built(
    tiny: Checkout, host: str
) -> None:
    images = {target: address(host, tiny, target) for target in TARGETS}
    lock(tiny, "serving").write_text("another==1\n")
    now = sources.tag("serving", None, tiny)
    with pytest.raises(
        UsageError, match=rf"(?s)cannot be made from this checkout.* is {now}; .*\{{content\}}"
    ):
        push(tiny, images)
    assert docker.image_id(sources.name("processing", None, tiny)) is None


def test_a_registry_that_does_not_answer_is_said(tiny: Checkout) -> None:
    image = address("127.0.0.1:1", tiny, "serving")
    with pytest.raises(EngineFailed, match=r"(?s)docker push failed: .*connection refused; see the network"):
        push(tiny, {"serving": image}, "serving")


def test_a_push_elsewhere_leaves_the_persons_logins_alone(
    tiny: Checkout, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    push(tiny, {"serving": address(host, tiny, "serving")}, "serving")
    assert not (tmp_path / "docker" / "config.json").exists()  # where a login or a logout would write

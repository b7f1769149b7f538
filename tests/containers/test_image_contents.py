"""What the images hold, and what they do not."""

import json
import re

import pytest

from pipeline import docker
from pipeline.images import sources
from shared import ROOT

# Bytes on disk, of which the base image has 130 to 240 million, torch 500.
LARGEST = {"processing": 550e6, "training": 1300e6, "serving": 950e6}
TARGETS = sorted(LARGEST)


def inside(image: str, script: str, *options: str) -> str:
    command = ["run", "--rm", "--network", "none", "--memory", "2g", "--read-only", *options]
    return docker.run(*command, "--entrypoint", "sh", f"sentiment/{image}:local", "-c", script)


def inspect(image: str) -> dict:
    return json.loads(docker.run("image", "inspect", f"sentiment/{image}:local"))[0]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("image", TARGETS)
def test_packages_are_those_of_the_lock_and_no_others(image):
    lock = (ROOT / f"containers/{image}.lock").read_text()
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    found = dict(each.split("==") for each in inside(image, f'python3 -c "{code}"').split())
    installed = {canonical(name): version.removesuffix("+cpu") for name, version in found.items()}
    assert installed == dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))


@pytest.mark.parametrize("image", TARGETS)
def test_no_compiler_no_cache_and_no_secret_is_left(image):
    script = """
        for name in gcc cc g++ make; do command -v $name; done
        find /opt /tmp /root /home /run /var/cache /var/lib/apt/lists -type f \
            \\( -name '*.whl' -o -name '*.deb' -o -name '*_Packages*' -o -name pip.conf -o -name ca.crt \\)
        ls -A /run/secrets /wheels /opt/pip
        """
    assert inside(image, script, "--user", "0").split() == ["/opt/pip:", "/run/secrets:", "/wheels:"]
    history = docker.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", f"sentiment/{image}:local")
    assert "http" not in history.replace("https://download.pytorch.org/whl/cpu", "")  # of no one's index


@pytest.mark.parametrize("image", TARGETS)
def test_no_bytecode_is_missing_that_a_start_needs(image):
    """With a root that cannot be written, each start would compile it again."""
    modules = {
        "processing": "pandas, pyarrow.parquet, nltk.stem.porter, bs4",
        "training": "torch, safetensors.torch, pandas, pyarrow.parquet",
        "serving": "torch, safetensors.torch, starlette.applications, uvicorn",
    }
    code = f"""
import os, sys
import {modules[image]}
specs = [spec for spec in (vars(module).get("__spec__") for module in list(sys.modules.values())) if spec]
compiled = {{spec.cached for spec in specs if spec.cached and spec.cached.startswith("/opt/venv")}}
assert len(compiled) > 100
print(*(file for file in sorted(compiled) if not os.path.exists(file)))
"""
    assert inside(image, f"python3 -c '{code}'") == ""


@pytest.mark.parametrize("image", TARGETS)
def test_labels_platform_and_size(image):
    found = inspect(image)
    labels = found["Config"]["Labels"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert labels["sentiment.lock"] == sources.lock_hash(image)
    assert (found["Os"], found["Architecture"]) == ("linux", "amd64")
    assert found["Size"] <= LARGEST[image]


def test_training_and_serving_share_the_layers_up_to_torch():
    layers = [inspect(image)["RootFS"]["Layers"] for image in ("training", "serving")]
    shared = [one for one, other in zip(*layers, strict=False) if one == other]
    assert len(shared) >= 3  # the base, the lock, torch
    assert "torch" in docker.run(
        "history", "--no-trunc", "--format", "{{.CreatedBy}}", "sentiment/serving:local"
    )


def test_the_model_server_is_no_root():
    assert inspect("serving")["Config"]["User"] == "1000:1000"

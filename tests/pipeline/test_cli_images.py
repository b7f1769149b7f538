"""images build, push, list as commands: what ECR and docker are asked, and what a person reads.

The account is moto's; docker is a program that notes what it is asked, so that a test proves which channel
the token of a login takes. (A real engine: test_image_builds.py, test_image_pushes.py.)
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import recording_docker
from recording_docker import DIGEST, calls

from aws_account import ACCOUNT, Account, command, json_error
from engine import need_engine
from pipeline import settings
from pipeline.images import registry, sources
from pipeline.images.sources import TARGETS

HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
TOKEN = f"{ACCOUNT}-auth-token"  # moto's
KEY = "arn:aws:kms:us-east-1:123456789012:key/of-mine"


@pytest.fixture(scope="module")
def serving() -> Iterator[Account]:
    with Account().serving() as account:
        yield account


@pytest.fixture
def account(serving: Account) -> Account:
    serving.reset()
    serving.forget()
    return serving


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    return recording_docker.install(tmp_path)


def no_docker(tmp_path: Path) -> dict[str, str]:
    """A PATH that has git and no docker."""
    folder = tmp_path / "without-docker"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    return {"PATH": str(folder)}


def images(
    account: Account, tmp_path: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = account.variables(tmp_path, SENTIMENT_ENVIRONMENT="dev", **variables)
    return command(inherited, "images", *arguments, module="pipeline")


def uri(target: str) -> str:
    return f"{HOST}/{sources.name(target)}"


def verbs(docker: dict[str, str]) -> list[str]:
    return [call["arguments"][0] for call in calls(docker)]


# ---------------------------------------------------------------------- push to ECR


def test_a_push_makes_the_repositories_builds_logs_in_pushes_and_logs_out(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "--json", **docker)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == [
        {"target": target, "image": uri(target), "digest": DIGEST, "pushed": True} for target in TARGETS
    ]
    pushes = [call["arguments"] for call in calls(docker) if call["arguments"][0] == "push"]
    assert pushes == [["push", uri(target)] for target in TARGETS]
    order = [verb for verb in verbs(docker) if verb in ("build", "login", "push", "logout")]
    assert order == ["build"] * 3 + ["login"] + ["push"] * 3 + ["logout"]
    repositories = account.client("ecr").describe_repositories()["repositories"]
    assert {each["repositoryName"] for each in repositories} == {f"sentiment/{target}" for target in TARGETS}
    for each in repositories:
        assert each["imageTagMutability"] == "IMMUTABLE"
        assert each["imageScanningConfiguration"] == {"scanOnPush": True}
        assert each["encryptionConfiguration"]["encryptionType"] == "AES256"
    assert account.writes() == ["CreateRepository"] * 3


def test_the_token_of_the_login_goes_through_standard_input_only(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "serving", **docker)
    assert done.returncode == 0, done.stderr
    (login,) = [call for call in calls(docker) if call["arguments"][0] == "login"]
    assert login["arguments"] == ["login", "--username", "AWS", "--password-stdin", HOST]
    assert login["given"] == TOKEN
    everything = [{**call, "given": ""} for call in calls(docker)]  # arguments and variables of each call
    assert TOKEN not in json.dumps(everything) + done.stdout + done.stderr
    assert calls(docker)[-1]["arguments"] == ["logout", HOST]


def test_a_login_that_fails_does_not_repeat_the_token(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "serving", **docker, DOCKER_FAILS="login")
    assert done.returncode == 1
    assert "docker login failed: Error response from daemon: (hidden)" in done.stderr
    assert TOKEN not in done.stderr and "push" not in verbs(docker)


def test_a_push_that_fails_logs_out_all_the_same(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "serving", **docker, DOCKER_FAILS="push")
    assert done.returncode == 1 and "error: docker push failed" in done.stderr
    assert verbs(docker)[-1] == "logout"


OCI = "application/vnd.oci.image.manifest.v1+json"


def test_an_image_that_sagemaker_would_refuse_is_not_pushed(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    says = json.dumps({"Descriptor": {"mediaType": OCI}})
    done = images(account, tmp_path, "push", "serving", **docker, DOCKER_SAYS=says)
    assert done.returncode == 1
    assert OCI in done.stderr and '"containerd-snapshotter": false' in done.stderr
    assert account.writes() == [] and "push" not in verbs(docker)


def test_an_image_in_ecr_that_sagemaker_would_refuse_is_said(account: Account, tmp_path: Path) -> None:
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="sentiment/serving")
    manifest = {"schemaVersion": 2, "mediaType": OCI, "config": {"digest": "sha256:1"}, "layers": []}
    ecr.put_image(
        repositoryName="sentiment/serving",
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=OCI,
        imageTag=sources.tag("serving"),
    )
    done = images(account, tmp_path, "push", "serving")
    assert done.returncode == 2
    assert OCI in done.stderr and "--repository-name sentiment/serving --image-ids imageTag=" in done.stderr


def test_what_ecr_has_needs_no_engine_and_changes_nothing(account: Account, tmp_path: Path) -> None:
    account.furnish()
    done = images(account, tmp_path, "push", **no_docker(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        [target, uri(target)] for target in TARGETS
    ]
    assert done.stdout.count("was there before, sha256:") == 3
    assert account.calls == ["BatchGetImage"] * 3


def test_a_repository_is_encrypted_with_the_key_of_the_settings(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "serving", **docker, SENTIMENT_OUTPUT_KMS_KEY=KEY)
    assert done.returncode == 0, done.stderr
    (repository,) = account.client("ecr").describe_repositories()["repositories"]
    assert repository["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": KEY}


def test_a_repository_that_is_there_is_used(account: Account, docker: dict[str, str], tmp_path: Path) -> None:
    account.client("ecr").create_repository(repositoryName="sentiment/serving")
    done = images(account, tmp_path, "push", "serving", **docker)
    assert done.returncode == 0 and "made the repository" not in done.stderr, done.stderr


def test_an_image_of_awss_is_left_as_it_is_and_refused_when_it_is_named(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    theirs = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker"
    done = images(account, tmp_path, "push", "--json", **docker, SENTIMENT_TRAINING_IMAGE=theirs)
    assert done.returncode == 0, done.stderr
    assert [each["target"] for each in json.loads(done.stdout)["images"]] == ["processing", "serving"]
    assert f"note: training_image is {theirs}, of another account" in done.stderr
    done = images(account, tmp_path, "push", "training", **docker, SENTIMENT_TRAINING_IMAGE=theirs)
    assert done.returncode == 2 and "of another account" in done.stderr


def test_credentials_of_another_account_make_nothing(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", "serving", **docker, SENTIMENT_ACCOUNT="210987654321")
    assert done.returncode == 2
    assert f"these credentials are of account {ACCOUNT}, the settings of 210987654321" in done.stderr
    assert account.writes() == [] and verbs(docker) == []


def test_a_permission_that_is_missing_is_named(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    who = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/ci/run is not authorized to perform: ecr:CreateRepository"
    )
    account.faults["CreateRepository"] = lambda _: json_error("AccessDeniedException", who)
    done = images(account, tmp_path, "push", "serving", **docker)
    assert done.returncode == 3
    assert f"allow arn:aws:sts::{ACCOUNT}:assumed-role/ci/run ecr:CreateRepository" in done.stderr
    assert "login" not in verbs(docker)


def test_a_push_without_credentials(account: Account, tmp_path: Path) -> None:
    done = images(account, tmp_path, "push", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.returncode == 3 and "AWS_PROFILE" in done.stderr and "Traceback" not in done.stderr


def test_the_images_of_this_machine_cannot_be_pushed(account: Account, tmp_path: Path) -> None:
    done = images(account, tmp_path, "push", "--env", "local")
    assert done.returncode == 2
    assert "names no registry" in done.stderr and "images push --env dev" in done.stderr
    assert account.calls == []


def test_a_tag_that_is_not_the_contents_is_neither_built_nor_pushed(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "push", **docker, SENTIMENT_SERVING_IMAGE=f"{HOST}/sentiment/serving:1")
    assert done.returncode == 2
    assert f"its serving image is {sources.tag('serving')}" in done.stderr
    assert account.writes() == [] and verbs(docker) == []


# ---------------------------------------------------------------------- build


def test_a_build_gets_its_options_and_pips_settings_in_a_file_of_the_users_alone(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    index = "https://me:pass-word@index.example.com/simple"
    options = ("--network", "host", "--torch-index", "", "--base", "cuda:13", "--json")
    pip = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": "/dev/null"}
    done = images(account, tmp_path, "build", "training", *options, **docker, **pip)
    assert done.returncode == 0, done.stderr
    (build,) = [call for call in calls(docker) if call["arguments"][0] == "build"]
    arguments = build["arguments"]
    for word in ("--network", "host", "BASE=cuda:13", "TORCH_INDEX=", "linux/amd64", "training"):
        assert word in arguments
    assert "pass-word" not in json.dumps(arguments)
    mode, text = build["secrets"]["pip"]
    assert (mode, index in text) == ("-rw-------", True)
    assert build["variables"]["DOCKER_BUILDKIT"] == "1"
    assert build["variables"]["BUILDX_NO_DEFAULT_ATTESTATIONS"] == "1"
    assert json.loads(done.stdout)["images"] == [
        {
            "target": "training",
            "image": sources.name("training", "cuda:13"),
            "bytes": 12_000_000,
            "built": True,
        }
    ]
    assert "built\n" in done.stderr  # the engine's progress


def test_a_second_build_says_so(account: Account, docker: dict[str, str], tmp_path: Path) -> None:
    for state in ("built", "was built before"):
        done = images(account, tmp_path, "build", "serving", **docker)
        assert done.stdout == f"serving     {sources.name('serving')}  {state}, 12 MB\n"
    assert verbs(docker).count("build") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("build", "serveng"), 2, ("no image 'serveng'", "processing, training, serving")),
        (("push", "all"), 2, ("no image 'all'",)),
        (("build", "--torch-index", "https://me:pass-word@x/"), 2, ("PIP_EXTRA_INDEX_URL",)),
    ],
)
def test_a_wrong_word_is_told_what_there_is(
    account: Account, tmp_path: Path, arguments: tuple[str, ...], code: int, parts: tuple[str, ...]
) -> None:
    done = images(account, tmp_path, *arguments)
    assert done.returncode == code and all(part in done.stderr for part in parts)
    assert "pass-word" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_docker_a_build_says_what_is_missing(account: Account, tmp_path: Path) -> None:
    done = images(account, tmp_path, "build", **no_docker(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "there is no docker on this machine's PATH; install Docker" in done.stderr


def test_an_engine_that_does_not_answer_is_said_with_what_to_do(account: Account, tmp_path: Path) -> None:
    need_engine()  # for its command, docker
    done = images(account, tmp_path, "build", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "/nonexistent/docker.sock" in done.stderr and "set DOCKER_HOST" in done.stderr


# ---------------------------------------------------------------------- list


def test_the_list_says_where_each_image_is(account: Account, docker: dict[str, str], tmp_path: Path) -> None:
    config = account.furnish()
    account.client("ecr").delete_repository(repositoryName="sentiment/training", force=True)
    images(account, tmp_path, "build", "serving", **docker)
    done = images(account, tmp_path, "list", **docker)
    assert done.returncode == 0, done.stderr
    heading, processing, training, serving, _, *advice = done.stdout.splitlines()
    assert heading.split() == ["target", "image", "built", "here", "in", "ECR"]
    assert processing.split()[:4] == [
        "processing",
        config.processing_image,
        "no",
        digest(account, "processing") + ",",
    ]
    assert training.split() == ["training", config.training_image, "no", "no"]
    assert serving.split()[:4] == ["serving", config.serving_image, "12", "MB"]
    assert "images build" in advice[0] and "images push --env dev" in advice[1]
    assert account.writes() == ["DeleteRepository"]


def digest(account: Account, target: str) -> str:
    ecr = account.client("ecr")
    return str(ecr.describe_images(repositoryName=f"sentiment/{target}")["imageDetails"][0]["imageDigest"])


def test_the_list_as_json(account: Account, docker: dict[str, str], tmp_path: Path) -> None:
    account.furnish()
    done = images(account, tmp_path, "list", "--json", **docker)
    answer = json.loads(done.stdout)
    row = answer["images"][0]
    assert row.pop("pushed").startswith("20")
    assert row == {
        "target": "processing",
        "image": uri("processing"),
        "built": False,
        "bytes": None,
        "in_ecr": True,
        "digest": digest(account, "processing"),
    }
    assert answer["notes"] == []


def test_what_cannot_be_asked_is_not_known_and_no_error(account: Account, tmp_path: Path) -> None:
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", **no_docker(tmp_path)}
    done = images(account, tmp_path, "list", **without)
    assert done.returncode == 0
    for line in done.stdout.splitlines()[1:]:
        assert line.split()[2:] == ["not", "known", "not", "known"]
    assert len(done.stderr.splitlines()) == 2  # once each, not once an image
    assert "there is no docker" in done.stderr and "AWS_PROFILE" in done.stderr


def test_the_list_of_this_machine_asks_no_account(
    account: Account, docker: dict[str, str], tmp_path: Path
) -> None:
    done = images(account, tmp_path, "list", "--env", "local", **docker)
    assert done.returncode == 0 and account.calls == []
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:4]] == ["-"] * 3


def test_the_clients_are_of_the_settings_region(monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings.load("dev", {"region": "eu-west-1"}, variables={})
    clients = registry.connect(config)
    assert {clients.ecr.meta.region_name, clients.sts.meta.region_name} == {"eu-west-1"}

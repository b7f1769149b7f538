"""The workflows: GitHub's schema, no credentials for pull requests, pinned actions, least permissions."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
CONFIG = {path.stem for path in (ROOT / "config").glob("*.yaml")}


def read(path: Path):
    content = yaml.safe_load(path.read_text())
    content["on"] = content.pop(True)  # YAML 1.1 reads `on` as true
    return content


WORKFLOWS = {path.name: read(path) for path in FILES}
JOBS = [
    pytest.param(workflow, job, id=f"{file}-{name}")
    for file, workflow in WORKFLOWS.items()
    for name, job in workflow["jobs"].items()
]
STEPS = [
    pytest.param(step, id=f"{file}-{number}")
    for file, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for number, step in enumerate(job.get("steps", []))
]


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    schema = ["--builtin-schema", "vendor.github-workflows"]
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, *paths], capture_output=True, text=True
    )


def test_the_workflows_have_the_form_that_github_reads():
    checked = check(*FILES)
    assert checked.returncode == 0, checked.stdout


def test_a_misspelt_workflow_is_found(tmp_path):
    broken = tmp_path / "main.yml"
    broken.write_text((FOLDER / "main.yml").read_text().replace("permissions:", "permission:"))
    checked = check(broken)
    assert checked.returncode == 1 and "permission" in checked.stdout


def test_an_action_is_pinned_by_its_full_commit_with_the_version_beside():
    uses = [line.strip(" -") for path in FILES for line in path.read_text().splitlines() if "uses:" in line]
    others = [line for line in uses if not re.fullmatch(r"uses: \./\.github/workflows/[a-z-]+\.yml", line)]
    assert len(others) >= 5
    for line in others:
        assert re.fullmatch(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    pins = {}
    for line in others:
        action, pin = line.removeprefix("uses: ").split("@")
        assert pins.setdefault(action, pin) == pin, f"{action} has two pins"


# ---------------------------------------------------------------------- permissions


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_nothing_else(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_token_for_aws_is_for_the_release_alone(workflow, job):
    releases = workflow["name"] == "Release" or job.get("uses", "").endswith("release.yml")
    more = {"contents": "read", "id-token": "write"} if releases else None
    assert job.get("permissions") == more


def test_a_pull_request_gets_no_credentials():
    assert set(WORKFLOWS["pull-request.yml"]["on"]) == {"pull_request"}  # pull_request_target would have them
    jobs = WORKFLOWS["pull-request.yml"]["jobs"].values()
    assert {job["uses"] for job in jobs if "uses" in job} == {"./.github/workflows/test.yml"}
    for file in ("pull-request.yml", "test.yml"):
        text = (FOLDER / file).read_text()
        for word in ("secrets", "id-token", "aws-actions", "AWS_"):
            assert word not in text, f"{file} has {word}"


@pytest.mark.parametrize("step", STEPS)
def test_a_checkout_leaves_no_token_behind(step):
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("step", STEPS)
def test_no_text_from_outside_becomes_part_of_a_command(step):
    assert "${{" not in step.get("run", "")


def test_only_main_reaches_aws():
    assert WORKFLOWS["main.yml"]["on"] == {"push": {"branches": ["main"]}}
    assert set(WORKFLOWS["release.yml"]["on"]) == {"workflow_call"}
    calls = {file for file in WORKFLOWS if "release.yml" in (FOLDER / file).read_text()}
    assert calls == {"main.yml"}


# ---------------------------------------------------------------------- what they do


def test_every_environment_is_compiled_and_planned_for_a_pull_request():
    plan = WORKFLOWS["pull-request.yml"]["jobs"]["plan"]
    assert set(plan["strategy"]["matrix"]["environment"]) == CONFIG
    commands = "\n".join(step.get("run", "") for step in plan["steps"])
    assert "pipeline lint" in commands and ".ci/plan-against" in commands
    assert plan["strategy"]["fail-fast"] is False


def test_main_releases_each_environment_after_its_tests_and_production_last():
    jobs = WORKFLOWS["main.yml"]["jobs"]
    released = {
        name: (job["with"]["environment"], job["with"]["protection"], job["needs"])
        for name, job in jobs.items()
        if "with" in job
    }
    assert released == {"dev": ("dev", "dev", "test"), "prod": ("prod", "production", "dev")}
    assert {environment for environment, *_ in released.values()} == CONFIG - {"local"}
    assert jobs["dev"]["if"] == "vars.DEPLOY_TO_AWS == 'true'"


def test_a_release_pushes_images_plans_then_upserts_starts_and_waits():
    (job,) = WORKFLOWS["release.yml"]["jobs"].values()
    assert job["environment"] == "${{ inputs.protection }}"
    commands = [step.get("run", "") for step in job["steps"]]
    push = next(number for number, command in enumerate(commands) if "images push" in command)
    plan = next(number for number, command in enumerate(commands) if "--plan" in command)
    run = next(number for number, command in enumerate(commands) if "--upsert --start --wait" in command)
    assert push < plan < run  # the plan asks whether the images are there
    assert "GITHUB_STEP_SUMMARY" in commands[plan]
    timeout = int(re.search(r"--timeout (\d+)", commands[run])[1])
    assert timeout < job["timeout-minutes"] * 60  # it ends with a message, not by being killed


def test_two_runs_never_work_on_the_same_thing():
    assert WORKFLOWS["pull-request.yml"]["concurrency"] == {
        "group": "pull-request-${{ github.event.pull_request.number }}",
        "cancel-in-progress": True,
    }
    (job,) = WORKFLOWS["release.yml"]["jobs"].values()
    assert job["concurrency"] == {"group": "release-${{ inputs.environment }}", "cancel-in-progress": False}


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_ends(workflow, job):
    assert "uses" in job or job["timeout-minutes"] <= 360


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_inside_a_pipe_fails_the_step(step):
    if re.search(r"\|(?!\|)", step.get("run", "")):  # GitHub's own default shell lacks pipefail
        owner = next(
            job
            for workflow in WORKFLOWS.values()
            for job in workflow["jobs"].values()
            if step in job.get("steps", [])
        )
        shell = step.get("shell") or owner.get("defaults", {}).get("run", {}).get("shell")
        assert shell == "bash"


@pytest.mark.parametrize("step", STEPS)
def test_the_commands_are_those_of_a_shell(step):
    if "run" in step:
        parsed = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True)
        assert (parsed.returncode, parsed.stderr) == (0, "")


# ---------------------------------------------------------------------- the plan of a pull request


def git(*arguments: str, cwd: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


def test_the_plan_of_a_pull_request_says_what_it_changes(tmp_path):
    """The script of the workflow on a merge of a branch that has another threshold, without credentials."""
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone), cwd=tmp_path)
    (clone / ".venv").symlink_to(Path(sys.prefix))
    base = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True
    ).stdout.strip()
    config = clone / "config" / "dev.yaml"
    config.write_text(config.read_text().replace("accuracy_threshold: 0.88", "accuracy_threshold: 0.91"))
    git("commit", "--quiet", "--all", "--message", "Raise the threshold", cwd=clone)
    environment = {
        "PATH": f"{Path(shutil.which('git')).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SENTIMENT_ENVIRONMENT": "dev",
    }
    planned = subprocess.run(
        [".ci/plan-against", base], cwd=clone, env=environment, capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr
    heading, fence, *plan, end = planned.stdout.splitlines()
    assert heading == f"### dev: plan against {base[: len(heading.rpartition(' ')[2])]}"
    assert (fence, end) == ("```", "```")
    assert any("AccuracyThreshold" in line and "0.91" in line for line in plan), planned.stdout
    trees = subprocess.run(["git", "worktree", "list"], cwd=clone, capture_output=True, text=True).stdout
    assert len(trees.splitlines()) == 1  # the base's is removed again

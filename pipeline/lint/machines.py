"""The image of each step, the region and account it is pulled from, and the instances it runs on."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.clusters import cluster
from pipeline.dag import Definition, Step, references
from pipeline.finding import Finding
from pipeline.images.addresses import Image, named_in, processor, published
from pipeline.lint.examples import resolved
from pipeline.settings import Settings

NO_ACCOUNT = "000000000000"  # of a run on this machine: no account, and so no ECR to pull from


def check(definition: Definition, settings: Settings, values: Mapping[str, Any]) -> Iterator[Finding]:
    of_models = _instances_of_models(definition, values)
    for step in definition.steps.values():
        arguments = resolved(step.arguments, definition, values)
        own = cluster(step.type, arguments).get("InstanceType")
        for path, uri in named_in(step.type, arguments):
            image = Image.parse(uri)
            if image is None:
                if settings.account != NO_ACCOUNT:
                    yield _not_in_ecr(step, path, uri, settings)
                continue
            yield from _place(step, path, image, settings)
            for instance in [str(own)] if own else of_models.get(step.name, []):
                yield from _fit(step, path, image, instance)


def _instances_of_models(definition: Definition, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Step that makes a model or a version -> the instance types of the steps that use it."""
    found: dict[str, list[str]] = {}
    for step in definition.steps.values():
        arguments = resolved(step.arguments, definition, values)
        instance = cluster(step.type, arguments).get("InstanceType") or arguments.get("instance_type")
        if isinstance(instance, str) and step.type in ("Transform", "Lambda"):
            for reference in references(step.arguments):
                if reference.source == "Steps":
                    found.setdefault(reference.name, []).append(instance)
    return found


def _not_in_ecr(step: Step, path: str, uri: str, settings: Settings) -> Finding:
    example = f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com/{uri.rpartition('/')[2]}"
    return Finding(
        step.name,
        path,
        f"{uri} is not in ECR, from where account {settings.account} pulls",
        f"write it like {example} (or, for this machine alone, leave `account` at {NO_ACCOUNT}: "
        "unset SENTIMENT_ACCOUNT)",
    )


def _place(step: Step, path: str, image: Image, settings: Settings) -> Iterator[Finding]:
    """Is there such a repository, in the region of the pipeline?"""
    aws = published().get(image.repository)
    if image.account == settings.account or aws is None:
        if image.region != settings.region:
            problem = f"{image.repository} is in {image.region}, and the pipeline in {settings.region}"
            yield Finding(step.name, path, problem, f"push it to ECR in {settings.region}, and name it there")
        if image.account != settings.account:
            problem = f"{image.repository} is in account {image.account}, not in {settings.account}"
            remedy = "see that its repository policy lets this account pull it"
            yield Finding(step.name, path, problem, remedy, severity="warning")
        return
    accounts = aws.accounts.get(settings.region)
    if accounts is None:
        problem = f"AWS does not publish {image.repository} in {settings.region}"
        regions = ", ".join(sorted(aws.accounts))
        yield Finding(step.name, path, problem, f"build an image of your own, or run in one of {regions}")
    elif image.region != settings.region or image.account not in accounts:
        right = " or ".join(f"{account}.dkr.ecr.{settings.region}" for account in sorted(accounts))
        problem = f"{image.account}.dkr.ecr.{image.region} is not AWS's registry for {settings.region}"
        yield Finding(step.name, path, problem, f"name {image.repository} as of {right}")
    elif image.tag and aws.tags and image.tag not in aws.tags:
        near = difflib.get_close_matches(image.tag, sorted(aws.tags), n=3, cutoff=0)
        problem = f"the SageMaker SDK knows no tag {image.tag} of {image.repository}"
        yield Finding(step.name, path, problem, f"it knows {', '.join(near)}", severity="warning")


def _fit(step: Step, path: str, image: Image, instance_type: str) -> Iterator[Finding]:
    made_for, has = image.processor, processor(instance_type)
    if not made_for or made_for == has:
        return
    if "arm" in (made_for, has):
        problem = f"{image.repository}:{image.tag} is for {made_for}, and {instance_type} is {has}"
        yield Finding(step.name, path, problem, "it would not start; choose the other image or instance type")
        return
    problem = f"{image.repository}:{image.tag} is made for {made_for}, and {instance_type} has {has}"
    remedy = f"choose the {has} image, or an instance type with {made_for}"
    yield Finding(step.name, path, problem, remedy, severity="warning")

"""Brings the images that the settings name into their registry: decide first, then build, then push.

ECR is asked before anything is built, so that a commit which changes no image costs a call and needs no
engine. Only what the checkout makes is pushed: an address whose tag is another content's is an error.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TextIO

from pipeline import docker
from pipeline.errors import UsageError
from pipeline.images import addresses, builds, engine, registry, sources
from pipeline.images.addresses import Image
from pipeline.images.builds import Options
from pipeline.images.registry import Clients
from pipeline.images.sources import HERE, Checkout
from pipeline.settings import Settings


@dataclass(frozen=True)
class Pushed:
    target: str
    image: str  # its address
    digest: str
    pushed: bool  # False: it was there


@dataclass(frozen=True)
class _Wanted:
    target: str
    uri: str
    ecr: Image | None  # None: another registry


def push(
    settings: Settings,
    targets: Sequence[str],
    options: Options,
    progress: TextIO,
    note: Callable[[str], None],
    checkout: Checkout = HERE,
    connect: Callable[[Settings], Clients] = registry.connect,
) -> list[Pushed]:
    """What of `targets` (none: all that are this account's) was there, and what was pushed.

    Raises UsageError, EngineFailed, and botocore's exceptions.
    """
    wanted = list(_wanted(settings, targets, note))
    in_ecr = {each.uri: each.ecr for each in wanted if each.ecr}
    clients = connect(settings) if in_ecr else None
    digests = {uri: registry.digest(clients.ecr, image) for uri, image in in_ecr.items() if clients}
    missing = [each for each in wanted if not digests.get(each.uri)]
    for each in missing:
        _check_content(each, options, checkout)
    repositories = list(dict.fromkeys(each.ecr.repository for each in missing if each.ecr))
    if clients and repositories:
        registry.check_account(clients.sts, settings)
    images = {
        each.uri: builds.build(each.target, options, progress, note, checkout).image for each in missing
    }
    for uri in images.keys() & in_ecr.keys():
        engine.check_manifest(images[uri])
    with ExitStack() as stack:
        if clients and repositories:
            for repository in repositories:
                if registry.make_repository(clients.ecr, repository, settings):
                    note(f"made the repository {repository}")
            for host in dict.fromkeys(uri.partition("/")[0] for uri in images if uri in in_ecr):
                with engine.advised():
                    stack.enter_context(registry.logged_in(clients.ecr, host))
        for uri, image in images.items():
            digests[uri] = _push(image, uri, progress)
    return [Pushed(each.target, each.uri, digests[each.uri] or "", each.uri in images) for each in wanted]


def _push(image: str, uri: str, progress: TextIO) -> str:
    """The digest."""
    with engine.advised():
        docker.run("tag", image, uri)
        engine.stream(progress, "push", uri)
        return engine.digest(uri)


def _wanted(settings: Settings, targets: Sequence[str], note: Callable[[str], None]) -> Iterator[_Wanted]:
    for target in targets or sources.TARGETS:
        key = f"{target}_image"
        uri = getattr(settings, key)
        image = Image.parse(uri)
        if image and (image.account, image.region) != (settings.account, settings.region):
            problem = f"{key} is {uri}, of another account or region than the settings'"
            if targets:
                raise UsageError(f"{problem}; whose it is pushes it, or set `{key}` to one of yours")
            note(f"{problem}: left as it is")
        elif addresses.registry(uri) is None:
            raise UsageError(
                f"{key} is {uri}, which names no registry; name an environment whose images have one: "
                f"python -m pipeline images push --env dev"
            )
        else:
            yield _Wanted(target, uri, image)


def _check_content(wanted: _Wanted, options: Options, checkout: Checkout) -> None:
    """What would be pushed is what the address says."""
    tag = sources.tag(wanted.target, options.base, checkout)
    if wanted.uri.rpartition("/")[2].partition(":")[2] != tag:
        raise UsageError(
            f"{wanted.uri} cannot be made from this checkout: the tag of its {wanted.target} image "
            f"{f'on {options.base} ' if options.base else ''}is {tag}; let {wanted.target}_image end with "
            ":{content}, or give the --base that it was built on"
        )

"""Reviews in the layout of the Stanford data set: {train,test}/{pos,neg}/NAME.txt, a folder or a .tar.gz.

The archive is streamed and never extracted, so nothing in it reaches the disk. Traversal, links and devices
are refused all the same, by the member's name, because such an archive is not the one that was asked for;
bombs are refused once they pass a limit. The 50,000 unlabelled reviews are passed over.
"""

import gzip
import hashlib
import itertools
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from records import MAX_BYTES, MAX_CHARACTERS, DataError, Review, make_review

LABELS = {"pos": 1, "neg": 0}
REVIEW = re.compile(r"(?:\./)?(?:[^/]+/)?((train|test)/(pos|neg)/[^/.][^/]*\.txt)")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; the real one stays below a third of each."""

    members: int = 300_000
    bytes: int = MAX_BYTES  # unpacked
    bytes_between_members: int = 1 << 28  # the longest member, or a header that claims to be long
    ratio: int = 100  # unpacked to packed, once `ratio_from` bytes are unpacked
    ratio_from: int = 1 << 26


def root_of(folder: Path) -> Path | None:
    """The folder that holds train/ and test/: this one, or aclImdb in it. None: another layout."""
    return next((root for root in (folder, folder / "aclImdb") if (root / "train").is_dir()), None)


def read_folder(root: Path) -> tuple[list[Review], str]:
    """The reviews by name, and a hash over their names and contents."""
    digest = hashlib.sha256()
    reviews = []
    for split in ("test", "train"):
        for sentiment in ("neg", "pos"):
            folder = root / split / sentiment
            if not folder.is_dir():
                raise DataError(f"{folder} is missing; the layout is {{train,test}}/{{pos,neg}}/NAME.txt")
            for file in sorted(folder.glob("[!.]*.txt")):
                content = file.read_bytes()
                name = file.relative_to(root).as_posix()
                digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
                reviews.append(_review(content, name, str(file)))
    return reviews, digest.hexdigest()


def read_archive(path: Path, limits: Limits = Limits()) -> list[Review]:
    """The reviews by name: the same list as of the extracted folder."""
    reviews: list[tuple[str, Review]] = []
    with path.open("rb") as packed:
        unpacked = _Bounded(packed, path, limits)
        try:
            with tarfile.open(fileobj=unpacked, mode="r|") as archive:
                for count in itertools.count(1):
                    archive.members.clear()  # otherwise tarfile keeps 1 kB for each one read
                    member = archive.next()
                    if member is None:
                        break
                    _refuse_hostile(member, path)
                    if count > limits.members:
                        raise DataError(f"{path} is refused: it has more than {limits.members:,} members")
                    unpacked.since_member = 0
                    found = REVIEW.fullmatch(member.name) if member.isfile() else None
                    if found:
                        content = archive.extractfile(member).read()
                        reviews.append((found[1], _review(content, found[1], f"{path}, {member.name}")))
            unpacked.expect_end()
        except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
            raise DataError(f"{path} is truncated or damaged ({error}); download it again") from error
    if not reviews:
        raise DataError(f"{path} is not the IMDb archive: no {{train,test}}/{{pos,neg}}/NAME.txt in it")
    return [review for _, review in sorted(reviews)]


def _review(content: bytes, name: str, where: str) -> Review:
    split, sentiment, _ = name.split("/")
    return make_review(content.decode("utf-8", "surrogateescape"), LABELS[sentiment], where, split)


def _refuse_hostile(member: tarfile.TarInfo, path: Path) -> None:
    problem = ""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        problem = "leaves the archive's folder"
    elif not (member.isfile() or member.isdir()) or member.issparse():
        problem = "is a link, a device or a sparse file"
    elif REVIEW.fullmatch(member.name) and member.size > 4 * MAX_CHARACTERS:
        problem = f"has {member.size:,} bytes, over {4 * MAX_CHARACTERS:,}"
    if problem:
        raise DataError(f"{path} is refused: its member {member.name!r} {problem}")


class _Bounded:
    """The unpacked bytes of a gzip file, for as long as they stay within the limits of a sane archive."""

    def __init__(self, packed: BinaryIO, path: Path, limits: Limits) -> None:
        self.packed = packed
        self.limits = limits
        self.path = path
        self.unpacked = gzip.GzipFile(fileobj=packed)
        self.total = 0
        self.since_member = 0

    def read(self, size: int) -> bytes:
        data = self.unpacked.read(size)
        self.total += len(data)
        self.since_member += len(data)
        if self.total > self.limits.bytes or self.since_member > self.limits.bytes_between_members:
            raise DataError(f"{self.path} is refused: it unpacks to more than {self.total - 1:,} bytes")
        if self.total > max(self.limits.ratio_from, self.limits.ratio * self.packed.tell()):
            raise DataError(f"{self.path} is refused: it unpacks to over {self.limits.ratio} times its size")
        return data

    def expect_end(self) -> None:
        """What follows the last member is zeros; reading it also verifies gzip's checksum."""
        while data := self.read(1 << 20):
            if data.strip(b"\0"):
                raise DataError(f"{self.path} is damaged after {self.total:,} bytes; download it again")

"""What is to be uploaded: files known by their hashes, under a URI that is made of a hash.

A file is hashed when it is found and again while it is sent, so that what lies under a hash has that hash: an
object that does not is never finished. The price is a second reading of large data, which a disk does faster
than any network takes it.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self

from pipeline.errors import FileChanged

Progress = Callable[[int], None]  # told of so many more bytes, in the thread of the one who uploads

_BLOCK = 1 << 20


def nothing(sent: int) -> None:
    """The progress of an upload that nobody watches."""


@dataclass(frozen=True)
class File:
    name: str  # its key below the URI of its upload: train/pos/0_9.txt
    size: int  # bytes
    sha256: str
    source: Path | bytes = field(repr=False)

    @classmethod
    def of(cls, source: Path | bytes, name: str) -> Self:
        """Raises OSError for a file that cannot be read."""
        if isinstance(source, bytes):
            return cls(name, len(source), hashlib.sha256(source).hexdigest(), source)
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(name, stream.tell(), digest, source)

    def blocks(self, size: int = _BLOCK) -> Iterator[bytes]:
        """The content in blocks of `size` bytes, the last one shorter.

        Raises FileChanged, at the latest after the last block, when the content is not what it was.
        """
        shown = self.name if isinstance(self.source, bytes) else self.source
        digest, left = hashlib.sha256(), self.size
        try:
            with self._open() as stream:
                while left >= 0 and (block := stream.read(size)):
                    digest.update(block)
                    left -= len(block)
                    yield block
        except OSError as error:
            raise FileChanged(f"cannot read {shown} any more: {error.strerror}") from error
        if digest.hexdigest() != self.sha256:
            raise FileChanged(f"{shown} changed while it was uploaded; run the command again")

    def _open(self) -> BinaryIO:
        return BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


@dataclass(frozen=True)
class Upload:
    """What is not yet where it belongs; `storage.add(upload.files, upload.uri)` sends it."""

    what: str  # "code of train.py", "the reviews"
    uri: str  # a folder
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

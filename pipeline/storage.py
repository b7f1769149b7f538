"""Where s3:// URIs lead: to S3 on AWS, to a folder on this machine.

The one seam besides the wire protocol, because copying gigabytes through a loopback server would be waste.
To put a folder adds its files as objects: those of the same key are replaced, no other is touched. Here each
object appears whole (written beside, then renamed) and is read-only, so that the input of a job can be a hard
link to it; and a folder that is new appears whole too. S3 has no rename: a folder arrives object by object.
"""

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pipeline import multipart
from pipeline.errors import ObjectNotFound, UsageError
from pipeline.uploads import File, Progress, nothing

INCOMING = ".incoming"  # no bucket: a name beside them for what is not yet published
FILES_AT_ONCE = 10  # as many connections as a client keeps

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)


class Storage(Protocol):
    """A URI names an object, or every object below it (`s3://bucket/a` is then the folder of `s3://bucket/a/b`)."""

    def exists(self, uri: str) -> bool: ...

    def read(self, uri: str) -> bytes:
        """The content of an object. Raises ObjectNotFound."""

    def list(self, uri: str) -> list[str]: ...

    def sizes(self, uri: str) -> dict[str, int]:
        """{"s3://bucket/a/b": bytes} of every object, sorted."""

    def add(self, files: Iterable[File], uri: str, progress: Progress = nothing) -> None:
        """Put files, each whole, at their names below `uri`. Raises FileChanged."""


def split_uri(uri: str) -> tuple[str, str]:
    """s3://bucket/a/b/ -> ("bucket", "a/b"). Raises UsageError for what is none or leaves its bucket."""
    match = _URI.fullmatch(uri)
    if not match:
        raise UsageError(f"{uri!r} is not an S3 URI; write s3://bucket/key")
    key = (match[2] or "").removesuffix("/")
    if key and any(part in ("", ".", "..") or "\0" in part for part in key.split("/")):
        raise UsageError(f"{uri!r} has an empty, '.' or '..' part; name the object by its full key")
    return match[1], key


class FolderStorage:
    """s3://bucket/a/b is the file (or folder) root/bucket/a/b."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, uri: str) -> Path:
        bucket, key = split_uri(uri)
        return self.root / bucket / key

    def exists(self, uri: str) -> bool:
        return bool(self.list(uri))

    def put(self, source: Path, uri: str, *, link: bool = False) -> None:
        """Publish a file, or the files of a folder. `link` gives them away: they become part of the storage,
        read-only, without a copy (for a job's outputs; never for files a person may edit)."""
        target = self.path(uri)
        with self._published(uri) as beside:
            _copy(source, beside, link)
            if beside.exists():  # a folder without files puts nothing
                target.parent.mkdir(parents=True, exist_ok=True)
                _publish(beside, target)

    def get(self, uri: str, target: Path) -> None:
        source = self.path(uri)
        if not self.exists(uri):
            raise ObjectNotFound(f"{uri} does not exist ({source})")
        _copy(source, target, link=True)

    def read(self, uri: str) -> bytes:
        path = self.path(uri)
        if not path.is_file():
            raise ObjectNotFound(f"{uri} does not exist ({path})")
        return path.read_bytes()

    def list(self, uri: str) -> list[str]:
        return list(self._objects(uri))

    def sizes(self, uri: str) -> dict[str, int]:
        return {found: file.stat().st_size for found, file in self._objects(uri).items()}

    def _objects(self, uri: str) -> dict[str, Path]:
        path = self.path(uri)
        files = _files(path) if path.exists() else []
        found = {f"s3://{PurePosixPath(*file.relative_to(self.root).parts)}": file for file in files}
        return dict(sorted(found.items()))

    def add(self, files: Iterable[File], uri: str, progress: Progress = nothing) -> None:
        for file in files:
            target = self.path(f"{uri}/{file.name}")
            with self._published(f"{uri}/{file.name}") as beside:
                with beside.open("xb") as copy:
                    for block in file.blocks():
                        copy.write(block)
                        progress(len(block))
                beside.chmod(0o444)
                target.parent.mkdir(parents=True, exist_ok=True)
                beside.replace(target)

    @contextmanager
    def _published(self, uri: str) -> Iterator[Path]:
        """A path beside, on the same file system: to write to, and then to rename to where `uri` leads."""
        beside = self.root / INCOMING / uuid.uuid4().hex
        beside.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise UsageError(
                f"cannot put {uri}: {error.filename2 or error.filename} would be an object and a folder of "
                "objects, which only S3 can hold; use another key"
            ) from error
        finally:
            _remove(beside)


class S3Storage:
    """The same over a boto3 S3 client, in buckets of one account only.

    S3 itself compares what arrives with its hash, and refuses a bucket that is another's.
    """

    def __init__(self, client: Any, owner: str, kms_key: str | None = None) -> None:
        self.client = client
        self.owner = owner
        self.encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}

    def exists(self, uri: str) -> bool:
        return any(True for _ in self._objects(uri))

    def read(self, uri: str) -> bytes:
        try:
            body: bytes = self.client.get_object(**self._target(uri))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            raise ObjectNotFound(f"{uri} does not exist") from None
        return body

    def list(self, uri: str) -> list[str]:
        return list(self.sizes(uri))

    def sizes(self, uri: str) -> dict[str, int]:
        return dict(sorted(self._objects(uri)))

    def add(self, files: Iterable[File], uri: str, progress: Progress = nothing) -> None:
        files = list(files)

        def put(file: File) -> int:
            self.client.put_object(
                **self._target(f"{uri}/{file.name}"),
                **self.encryption,
                Body=b"".join(file.blocks()),
                ChecksumSHA256=multipart.checksum(file.sha256),
            )
            return file.size

        small = [file for file in files if file.size <= multipart.PART]
        for sent in multipart.in_parallel(put, small, FILES_AT_ONCE):
            progress(sent)
        for file in files:
            if file.size > multipart.PART:
                self._send(file, f"{uri}/{file.name}", progress)

    def _send(self, file: File, uri: str, progress: Progress) -> None:
        try:
            multipart.send(self.client, file, self._target(uri), self.encryption, progress)
        except self.client.exceptions.NoSuchUpload:  # good, if another process has finished it
            if self.sizes(uri).get(uri) != file.size:
                raise

    def _target(self, uri: str) -> dict[str, str]:
        bucket, key = split_uri(uri)
        return {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": self.owner}

    def _objects(self, uri: str) -> Iterator[tuple[str, int]]:
        bucket, key = split_uri(uri)
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=key, ExpectedBucketOwner=self.owner
        )
        for page in pages:
            for found in page.get("Contents", []):
                if not key or found["Key"] == key or found["Key"].startswith(f"{key}/"):  # not "ab" of "a"
                    yield f"s3://{bucket}/{found['Key']}", found["Size"]


def _files(path: Path) -> list[Path]:
    """The files below a folder; or the path itself, if it is none."""
    return sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]


def _copy(source: Path, target: Path, link: bool) -> None:
    """Copy a file, or the files of a folder; a copy is read-only. A link is a copy that costs nothing."""
    for file in _files(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not (link and _link(file, copy)):
            shutil.copyfile(file, copy)
        copy.chmod(0o444)


def _link(source: Path, target: Path) -> bool:
    """False where there can be no link: on another file system, with too many links, or on one without."""
    try:
        os.link(source.resolve(), target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        return False
    return True


def _publish(new: Path, target: Path) -> None:
    """Rename into place: whole, unless it is a folder that is there already; then entry by entry.

    A reader that has the old file open, or a link to it, keeps the old content. Of two who publish a new
    folder at once one renames it whole, and the other adds to it.
    """
    try:
        new.replace(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        for entry in sorted(new.iterdir()):
            _publish(entry, target / entry.name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Large files to S3, in parts, so that an upload which breaks off is gone on with, by another process too.

What is there already is asked of S3 (ListMultipartUploads, ListParts): no note on this machine can be lost or
wrong. A part counts when its content does. An upload that nobody finishes costs money until the bucket's
lifecycle rule removes it.
"""

import base64
import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pipeline.errors import FileChanged
from pipeline.uploads import File, Progress

PART = 8 << 20  # bytes; S3 takes parts of 5 MiB to 5 GiB, the last one may be smaller, and 10,000 of them
MAX_PARTS = 10_000
PARTS_AT_ONCE = 4  # they fill a network, and are what is held in memory

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """The results in order. Items are taken as there is room to work on them: a failure, or Ctrl-C, waits
    only for the few that have begun."""
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            if len(running) == workers:
                yield running.popleft().result()
            running.append(pool.submit(function, item))
        while running:
            yield running.popleft().result()


def send(
    client: Any, file: File, target: Mapping[str, str], encryption: Mapping[str, str], progress: Progress
) -> None:
    """Put a file at `target` (Bucket, Key, ExpectedBucketOwner). Raises FileChanged and leaves nothing.

    Raises NoSuchUpload when another process, which went on with the same upload, has ended it.
    """
    upload = {**target, "UploadId": _begun(client, target) or _begin(client, target, encryption)}
    try:
        parts = list(_parts(client, file, upload, progress))
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except FileChanged:
        client.abort_multipart_upload(**upload)
        raise


def _begin(client: Any, target: Mapping[str, str], encryption: Mapping[str, str]) -> str:
    answer = client.create_multipart_upload(**target, **encryption, ChecksumAlgorithm="SHA256")
    upload: str = answer["UploadId"]
    return upload


def _begun(client: Any, target: Mapping[str, str]) -> str | None:
    """The newest upload to this key that is not finished, if there is one."""
    pages = client.get_paginator("list_multipart_uploads").paginate(
        Bucket=target["Bucket"], Prefix=target["Key"], ExpectedBucketOwner=target["ExpectedBucketOwner"]
    )
    found = [
        upload
        for page in pages
        for upload in page.get("Uploads", [])
        if upload["Key"] == target["Key"] and upload.get("ChecksumAlgorithm") == "SHA256"
    ]
    return max(found, key=lambda upload: upload["Initiated"])["UploadId"] if found else None


def _parts(
    client: Any, file: File, upload: Mapping[str, str], progress: Progress
) -> Iterator[dict[str, Any]]:
    """Send each part that is not there yet. Yields them as CompleteMultipartUpload wants them."""
    pages = client.get_paginator("list_parts").paginate(**upload)
    there = {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}

    def send(numbered: tuple[int, bytes]) -> tuple[int, dict[str, Any]]:
        number, block = numbered
        expected = checksum(hashlib.sha256(block).hexdigest())
        part = there.get(number)
        if part is None or not _same(part, block, expected):
            part = client.upload_part(**upload, PartNumber=number, Body=block, ChecksumSHA256=expected)
        return len(block), {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": expected}

    numbered_blocks = enumerate(file.blocks(part_size(file.size)), start=1)
    for sent, part in in_parallel(send, numbered_blocks, PARTS_AT_ONCE):
        progress(sent)
        yield part


def part_size(size: int) -> int:
    """The same for every process that sends a file of this size."""
    return max(PART, math.ceil(size / MAX_PARTS))


def _same(part: Mapping[str, Any], block: bytes, expected: str) -> bool:
    """By the checksum, which S3 lists; a service that only speaks its protocol has the MD5 as the ETag."""
    if "ChecksumSHA256" in part:
        return bool(part["ChecksumSHA256"] == expected)
    return bool(part["ETag"] == f'"{hashlib.md5(block, usedforsecurity=False).hexdigest()}"')


def checksum(digest: str) -> str:
    """A SHA-256 as S3 writes it: base64 of its bytes."""
    return base64.b64encode(bytes.fromhex(digest)).decode()

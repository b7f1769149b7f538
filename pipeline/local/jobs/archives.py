"""model.tar.gz and its like: written reproducibly, read with suspicion.

An archive is data from elsewhere: it is unpacked through tarfile's "data" filter and within limits, beside
its place and renamed, once for each content. Links and special files are refused, although tarfile would
take some: no model needs any.
"""

import errno
import gzip
import hashlib
import shutil
import tarfile
import uuid
import zlib
from pathlib import Path

from pipeline.errors import ArchiveError
from pipeline.local.jobs.files import naming, regular_files
from pipeline.local.jobs.job import JobContext

MOST_MEMBERS = 100_000
MOST_BYTES = 20 << 30  # unpacked
MOST_RATIO = 200  # unpacked to packed; deflate ends at about 1000, text and weights stay below 20
PADDING = 10 << 10  # bytes that a member may take besides its content: headers, fill
SMALL = 10 << 20  # bytes that any archive may unpack to, whatever its ratio


def pack(folder: Path, target: Path) -> None:
    """Write a folder as .tar.gz. Equal files give equal bytes, whatever their times, owners and order."""
    with (
        naming(target),
        target.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in regular_files(folder):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())  # owner 0, time 0
            member.size = path.stat().st_size
            member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)


def unpack(archive: Path, target: Path, label: str) -> None:
    """Unpack a .tar.gz into a new folder. Raises ArchiveError, naming the archive by its label."""
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    beside.mkdir(parents=True)
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            limit = min(MOST_BYTES, max(SMALL, MOST_RATIO * archive.stat().st_size))
            count = total = 0
            for count, member in enumerate(tar, 1):  # as they come: a bomb is met before it is unpacked
                total += member.size
                problem = _problem(member, count, total, limit)
                if problem:
                    raise ArchiveError(f"{label}: {member.name} {problem}")
                with naming(beside / member.name):
                    tar.extract(member, beside, filter="data")
            while stream.read(1 << 20):  # to the end, where the checksum stands
                if stream.tell() > limit + PADDING * (count + 1):
                    raise ArchiveError(f"{label}: more than {limit:,} bytes follow its last member")
        _publish(beside, target)
    except tarfile.FilterError as error:
        raise ArchiveError(
            f"{label}: {error.tarinfo.name} lies outside the folder it is unpacked to"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{label} is truncated or not a .tar.gz archive: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _publish(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
    except OSError as error:
        if error.errno not in (
            errno.ENOTEMPTY,
            errno.EEXIST,
        ):  # else another process was faster, with the same content
            raise


def _problem(member: tarfile.TarInfo, count: int, total: int, limit: int) -> str | None:
    """Why a member, the count-th, with which the archive unpacks to total bytes, is refused."""
    if member.islnk() or member.issym():
        return f"is a link (to {member.linkname}); only files and folders are unpacked"
    if not (member.isreg() or member.isdir()):
        return "is a device or a special file; only files and folders are unpacked"
    if member.name.startswith("/"):
        return "is an absolute path; members lie below the archive's folder"
    if count > MOST_MEMBERS:
        return f"is one member too many; at most {MOST_MEMBERS:,} are unpacked"
    if total > limit:
        return f"brings the unpacked size to {total:,} bytes; an archive of this size may have {limit:,}"
    return None


def unpack_model(uri: str, context: JobContext) -> Path:
    """The unpacked archive, models/<its digest>: shared by all jobs and endpoints, changed by none."""
    archive = context.storage.path(uri)
    if not archive.is_file():
        raise ArchiveError(f"ModelDataUrl {uri} names no archive; a model is one model.tar.gz")
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = context.models / digest
    if not target.is_dir():
        unpack(archive, target, uri)
    return target

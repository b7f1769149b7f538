"""What each job runs: its files, and sourcedir.tar.gz of them, at s3://<bucket>/<prefix>/code/<sha256>/.

A job gets the files that it uses and no others, because its code is part of its cache key: a change of
evaluate.py must not train again. The price is a list to keep; a test holds it against the imports. The hash
depends on names and contents only: the same code has the same URI, whatever its mtimes, owners or folder.
"""

import gzip
import hashlib
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipeline.errors import DefinitionError
from pipeline.storage import Storage

STEPS = Path(__file__).parent.parent / "steps"
ARCHIVE = "sourcedir.tar.gz"  # the name that script mode uses

SOURCES = {  # script -> what it needs beside itself
    "preprocess.py": ("reviews.py", "text.py", "stop_words.txt"),
    "train.py": (
        "model.py",
        "text.py",
        "inference.py",
        "stop_words.txt",
    ),  # the model archive carries them too
    "evaluate.py": (),
}


@dataclass(frozen=True)
class Bundle:
    script: str
    files: tuple[Path, ...]  # sorted by name
    digest: str

    def uri(self, root: str) -> str:
        return f"{root}/code/{self.digest}"


def bundles(folder: Path = STEPS) -> dict[str, Bundle]:
    """The bundle of each script. Raises DefinitionError when a file is missing."""
    return {script: bundle(script, (script, *others), folder) for script, others in SOURCES.items()}


def bundle(script: str, names: Iterable[str], folder: Path) -> Bundle:
    files = tuple(folder / name for name in sorted(names))
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            raise DefinitionError(f"{file} is missing; {script} needs it (pipeline/code_bundle.py lists it)")
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return Bundle(script, files, digest.hexdigest())


def publish(bundle: Bundle, storage: Storage, root: str) -> bool:
    """Put the bundle where the definition says it is; False when it is there already."""
    uri = bundle.uri(root)
    wanted = {f"{uri}/{name}" for name in (ARCHIVE, *(file.name for file in bundle.files))}
    if wanted <= set(storage.list(uri)):
        return False
    with tempfile.TemporaryDirectory() as folder:
        for file in bundle.files:
            (Path(folder) / file.name).write_bytes(file.read_bytes())
        (Path(folder) / ARCHIVE).write_bytes(archive(bundle.files))
        storage.put(Path(folder), uri)
    return True


def archive(files: Iterable[Path]) -> bytes:
    """A .tar.gz that depends on names and contents only."""
    packed = BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for file in files:
            content = file.read_bytes()
            member = tarfile.TarInfo(file.name)  # mode 0644, owner 0, mtime 0
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return packed.getvalue()

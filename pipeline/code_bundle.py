"""What each job runs: its files, and sourcedir.tar.gz of them, at s3://<bucket>/<prefix>/code/<sha256>/.

A job gets the files that its script needs and no others, because its code is part of its cache key: to change
evaluate.py must not train again. The hash depends on names and contents only: the same code has the same URI,
whatever its mtimes, owners or folder.
"""

import ast
import gzip
import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipeline.errors import DefinitionError, FileChanged
from pipeline.storage import Storage
from pipeline.uploads import File, Upload

STEPS = Path(__file__).parent.parent / "steps"
ARCHIVE = "sourcedir.tar.gz"  # the name that script mode uses

SCRIPTS = ("preprocess.py", "train.py", "evaluate.py")


@dataclass(frozen=True)
class Bundle:
    script: str
    files: tuple[Path, ...]  # sorted by name
    digest: str

    def uri(self, root: str) -> str:
        return f"{root}/code/{self.digest}"


def bundles(folder: Path = STEPS) -> dict[str, Bundle]:
    """The bundle of each script. Raises DefinitionError when a script is missing or is not Python."""
    return {script: bundle(script, folder) for script in SCRIPTS}


def bundle(script: str, folder: Path) -> Bundle:
    files = tuple(folder / name for name in needs(script, folder))
    return Bundle(script, files, _digest(_contents(files)))


def _contents(files: Iterable[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def needs(script: str, folder: Path) -> list[str]:
    """The files of `folder` that a script imports or names in a string, followed through; and itself.

    train.py holds `import model` and `CODE = ("text.py", …)` -> ["model.py", "text.py", "train.py", …]
    """
    present = {file.name for file in folder.iterdir() if file.is_file()}
    if script not in present:
        raise DefinitionError(f"{folder / script} is missing; the pipeline has a step that runs it")
    found, waiting = set(), {script}
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name.endswith(".py"):
            waiting |= (_mentioned(folder / name) & present) - found
    return sorted(found)


def _mentioned(file: Path) -> set[str]:
    try:
        tree = ast.parse(file.read_bytes(), file)
    except SyntaxError as error:
        raise DefinitionError(f"{file}, line {error.lineno}: {error.msg}") from error
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {f"{alias.name}.py" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(f"{node.module}.py")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def upload(bundle: Bundle, storage: Storage, root: str) -> Upload | None:
    """What is missing where the definition says the bundle is; None when it is all there.

    Raises FileChanged when the code is not what the bundle was made of any more.
    """
    uri, contents = bundle.uri(root), _contents(bundle.files)
    if _digest(contents) != bundle.digest:
        raise FileChanged(f"the code of {bundle.script} changed in the meantime; run the command again")
    # What is there is there whole. Its size proves no more: that of the archive depends on a machine's zlib.
    there = storage.list(uri)
    missing = tuple(
        File.of(content, name)
        for name, content in {**contents, ARCHIVE: archive(contents)}.items()
        if f"{uri}/{name}" not in there
    )
    return Upload(f"code of {bundle.script}", uri, missing) if missing else None


def archive(contents: Mapping[str, bytes]) -> bytes:
    """A .tar.gz that depends on names and contents only."""
    packed = BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in contents.items():
            member = tarfile.TarInfo(name)  # mode 0644, owner 0, mtime 0
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return packed.getvalue()

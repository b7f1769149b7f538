"""What each job runs: its files, and sourcedir.tar.gz of them, at s3://<bucket>/<prefix>/code/<sha256>/.

A job gets the files that its script needs and no others, because its code is part of its cache key: to change
evaluate.py must not train again. The hash depends on names and contents only: the same code has the same URI,
whatever its mtimes, owners or folder.
"""

import ast
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
    files = [folder / name for name in needs(script, folder)]
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return Bundle(script, tuple(files), digest.hexdigest())


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

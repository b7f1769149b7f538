"""The code of the page's function as an archive named after what is in it: .cache/web-<hash>.zip

    python -m infra.web_code    # prints the archive's path

The same files are packed to the same bytes, whatever their mtimes and owners, so that the stack changes the
function when its code is another, and only then. Of web/ all Python; boto3 is in Lambda's runtime.
"""

import hashlib
import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def archive(folder: Path = ROOT / "web") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:  # stored as they are: no zlib has a say in the bytes
        for file in sorted(folder.glob("*.py")):
            member = zipfile.ZipInfo(f"web/{file.name}")  # of 1980
            member.create_system, member.external_attr = 3, 0o100644 << 16  # as Unix writes it; all may read
            zipped.writestr(member, file.read_bytes())
    return packed.getvalue()


def write(folder: Path = ROOT / ".cache") -> Path:
    content = archive()
    path = folder / f"web-{hashlib.sha256(content).hexdigest()[:16]}.zip"
    folder.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    print(write().relative_to(ROOT))

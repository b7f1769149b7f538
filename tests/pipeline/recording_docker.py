"""A docker program for PATH that notes what it is asked and has no engine: it proves what a command says to
docker, and on which channel. It knows the images that it was told to build or to tag, and no registry.

$DOCKER_NOTES: the folder of its notes. $DOCKER_FAILS: the verb that fails, and repeats its standard input.
$DOCKER_SAYS: what it knows of an image.
"""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

DIGEST = f"sha256:{'5' * 64}"


def install(folder: Path) -> dict[str, str]:
    """The variables of a command that gets it."""
    program, notes = folder / "bin" / "docker", folder / "notes"
    program.parent.mkdir(parents=True)
    notes.mkdir()
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "DOCKER_NOTES": str(notes)}


def calls(variables: dict[str, str]) -> list[dict[str, Any]]:
    """What it was asked: {"arguments": ["login", …], "given": "…", "secrets": {…}}."""
    notes = sorted(Path(variables["DOCKER_NOTES"]).glob("*.json"))
    return [json.loads(note.read_text()) for note in notes]


def main(arguments: list[str]) -> int:
    notes = Path(os.environ["DOCKER_NOTES"])
    given = sys.stdin.read() if "--password-stdin" in arguments else ""
    files = dict(each.removeprefix("id=").split(",src=") for each in arguments if each.startswith("id="))
    secrets = {
        name: [stat.filemode(os.stat(file).st_mode), Path(file).read_text()] for name, file in files.items()
    }
    note = {"arguments": arguments, "given": given, "secrets": secrets, "variables": dict(os.environ)}
    (notes / f"{len(list(notes.glob('*.json'))):03}.json").write_text(json.dumps(note))
    if arguments[0] == os.environ.get("DOCKER_FAILS"):
        print(f"Error response from daemon: {given}", file=sys.stderr)
        return 1
    known = notes / "images"
    images = known.read_text().split() if known.exists() else []
    if arguments[0] == "build":
        images += [arguments[place + 1] for place, word in enumerate(arguments) if word == "--tag"]
        print("built")
    elif arguments[0] == "tag":
        images.append(arguments[2])
    elif arguments[:2] == ["image", "inspect"]:
        if arguments[-1] not in images:
            print(f"Error: No such image: {arguments[-1]}", file=sys.stderr)
            return 1
        repository = arguments[-1].rpartition(":")[0]
        answers = {
            "{{.Id}}": "sha256:1",
            "{{.Size}}": "12000000",
            "{{json .}}": os.environ.get("DOCKER_SAYS", "{}"),
        }
        print(answers.get(arguments[3], f"{repository}@{DIGEST}"))
    known.write_text("\n".join(images))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

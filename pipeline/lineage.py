"""Where an execution comes from: commit, definition, data and code, as text that SageMaker can search.

Kept out of the definition, which would otherwise differ from commit to commit and never be unchanged: a start
hands it over as parameters (which become tags of the jobs and metadata of the model version) and as the
execution's description. The price: whoever starts the pipeline without them gets "unknown".
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.code_bundle import Bundle
from pipeline.data import Data
from pipeline.parameters import LINEAGE

UNKNOWN = "unknown"
_SOURCES = Path(__file__).parent
_PUBLISHED = re.compile(r"/data/([0-9a-f]{64})/?$")  # an URI that data.publish gave
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class Lineage:
    commit: str  # 40 hex digits, with -dirty where the work tree has other content; or unknown
    definition: str  # sha256 of the compiled text
    data: str  # sha256, or unknown
    code: str  # sha256 over what all jobs run
    input_data: str  # s3://…

    @property
    def short(self) -> str:
        """As people say it: "1f0c4b7e9a3d", "1f0c4b7e9a3d-dirty", "unknown"."""
        commit, dash, dirty = self.commit.partition("-")
        return commit[:12] + dash + dirty

    def parameters(self) -> dict[str, str]:
        """The pipeline parameters that a run sets by itself."""
        return {name: getattr(self, key) for key, name in LINEAGE.items()}

    def description(self) -> str:
        """For PipelineExecutionDescription: one line, at most 3,072 characters."""
        parts = (
            f"commit {self.commit}",
            f"definition {self.definition}",
            f"data {self.data}",
            f"code {self.code}",
            f"input {self.input_data}",
        )
        return "; ".join(parts)[:3072]


def of(text: str, bundles: Mapping[str, Bundle], data: Data | None, input_data: str) -> Lineage:
    """Of the definition's text, the code that its jobs run and the reviews at `input_data`, which are `data`
    where they were found on this machine."""
    code = "".join(f"{script}\0{bundle.digest}\n" for script, bundle in sorted(bundles.items()))
    published = _PUBLISHED.search(input_data)
    return Lineage(
        commit=commit_of(_SOURCES),
        definition=hashlib.sha256(text.encode()).hexdigest(),
        data=data.digest if data else published[1] if published else UNKNOWN,
        code=hashlib.sha256(code.encode()).hexdigest(),
        input_data=input_data,
    )


def commit_of(folder: Path, variables: Mapping[str, str] = os.environ) -> str:
    """The commit that a folder has checked out; without git or its repository, the one that CI names."""
    status = ["git", "-C", str(folder), "--no-optional-locks", "status", "--porcelain=v2", "--branch"]
    try:
        found = subprocess.run(status, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        named = variables.get("GITHUB_SHA", "")
        return named if _COMMIT.fullmatch(named) else UNKNOWN
    heads = [line.removeprefix("# branch.oid ") for line in found if line.startswith("# branch.oid ")]
    if not heads or not _COMMIT.fullmatch(heads[0]):
        return UNKNOWN  # a repository without a commit
    dirty = any(not line.startswith("#") for line in found)
    return heads[0] + ("-dirty" if dirty else "")

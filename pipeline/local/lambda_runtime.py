"""Runs inside the process of a Lambda step: calls handler(event, context) of a file and writes down its
answer.

python lambda_runtime.py FILE FOLDER reads FOLDER/event.json and writes FOLDER/answer.json; what the function
raises becomes {"errorMessage", "errorType"}, as in Lambda, and exit code 1.
"""

import importlib.util
import json
import sys
import traceback
from pathlib import Path


def main(file: Path, folder: Path) -> int:
    spec = importlib.util.spec_from_file_location("function", file)
    assert spec is not None and spec.loader is not None  # true for every path that ends in .py
    sys.path.insert(0, str(file.parent))
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        answer, code = module.handler(json.loads((folder / "event.json").read_text()), None), 0
    except Exception as error:  # whatever the function raises is its answer
        traceback.print_exc()
        answer, code = {"errorMessage": str(error), "errorType": type(error).__name__}, 1
    (folder / "answer.json").write_text(json.dumps(answer))
    return code


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))

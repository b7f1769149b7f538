"""What the words that decided cost, on one thread, for a real review of 230 words.

PYTHONPATH=.:steps:tests python -m benchmarks.explanation

The model is that of the newest local run (python -m pipeline.run --local), the code that of steps/. The naive
way reads the whole review again for each word. Writes benchmarks/results/explanation.json, and exits with 1,
naming the figure, when a promise is broken.
"""

import json
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable

from benchmarks.record import FOLDER, judge, record
from benchmarks.serving import newest_model
from pipeline.sessions import state_folder

RESULTS = FOLDER / "explanation.json"
PROMISES = {"explained_p50_ms": ("at most", 40.0)}
WORDS, RUNS = 230, 50


def p50_ms(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def main() -> int:
    import inference
    from model import INFREQUENT
    from shared import imdb_rows
    from text import encode_review

    with tempfile.TemporaryDirectory() as folder, tarfile.open(newest_model(state_folder())) as archive:
        archive.extractall(folder, filter="data")
        loaded = inference.model_fn(folder)  # sets one thread
    encoded = ((row["text"], encode_review(row["text"], loaded.vocabulary)) for row in imdb_rows())
    review, ids = next((text, ids) for text, ids in encoded if len(ids) == WORDS)
    naive = inference.Request([[*ids[:n], INFREQUENT, *ids[n + 1 :]] for n in range(WORDS)], single=False)

    def answer(explain: bool) -> object:
        body = json.dumps({"review": review, "explain": explain}).encode()
        return inference.predict_fn(inference.input_fn(body, inference.JSON), loaded)

    figures = {
        "plain_p50_ms": p50_ms(lambda: answer(explain=False)),
        "explained_p50_ms": p50_ms(lambda: answer(explain=True)),
        "naive_p50_ms": p50_ms(lambda: inference.predict_fn(naive, loaded)),
    }
    record(RESULTS, figures)
    return judge(figures, PROMISES)


if __name__ == "__main__":
    sys.exit(main())

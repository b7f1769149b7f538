"""Turn labelled reviews into what training, batch scoring and evaluation read.

Reads a data set whole, tokenises it on all cores, splits it, takes the vocabulary from the training split
alone, and writes ids as Parquet, the raw test reviews as JSON Lines, the vocabulary and a report. The output
depends on the data and the settings alone, to the byte: not on the workers or the clock. It is written beside
its place and moved there last, file by file: what fails before leaves the output folder as it was.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

import reviews as datasets
from corpus import Encoded, count_words, tokenize_all
from records import DataError, Review
from splits import Splits, split
from text import INFREQUENT, PADDING, RECIPES, Vocabulary

ROWS = 4096  # of a Parquet row group
PERCENTILES = (0, 5, 25, 50, 75, 95, 100)


def write_ids(path: Path, indices: Sequence[int], reviews: Sequence[Review], encoded: Encoded) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema({"label": pa.int8(), "length": pa.int32(), "review": pa.list_(pa.int32())})
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        for start in range(0, len(indices), ROWS):
            some = indices[start : start + ROWS]
            ids = [encoded[i] for i in some]
            lengths = [len(each) for each in ids]
            if encoded.recipe.padded:
                ids = [each + [PADDING] * (encoded.recipe.max_length - len(each)) for each in ids]
            columns = {"label": [reviews[i].label for i in some], "length": lengths, "review": ids}
            file.write_table(pa.table(columns, schema=schema))


def write_raw(path: Path, indices: Sequence[int], reviews: Sequence[Review]) -> None:
    """The input of the batch transform; ASCII, so that no character of a review can end a line."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for id, i in enumerate(indices):
            record = {"id": id, "review": reviews[i].text, "label": reviews[i].label}
            file.write(json.dumps(record) + "\n")


def describe(indices: Sequence[int], reviews: Sequence[Review], encoded: Encoded) -> dict[str, object]:
    """Counts, lengths and infrequent words of a split, for the report."""
    words = np.array([encoded.words(i) for i in indices])
    positive = sum(reviews[i].label for i in indices)
    kept = infrequent = 0
    for i in indices:
        ids = encoded[i]
        kept += len(ids)
        infrequent += ids.count(INFREQUENT)
    return {
        "reviews": len(indices),
        "positive": positive,
        "negative": len(indices) - positive,
        "positive_share": round(positive / len(indices), 6),
        "words": {f"p{share}": int(np.percentile(words, share, method="lower")) for share in PERCENTILES},
        "words_mean": round(float(words.mean()), 3),
        "reviews_cut": int((words > encoded.recipe.max_length).sum()),
        "infrequent_share": round(infrequent / kept, 6),
    }


def prepare(args: argparse.Namespace) -> dict[str, object]:
    """The whole step. Nothing is under the output folder before everything is written; returns the report."""
    recipe = RECIPES[args.recipe]
    recipe = replace(
        recipe,
        vocabulary_size=args.vocabulary_size or recipe.vocabulary_size,
        max_length=args.max_length or recipe.max_length,
    )
    reviews, summary = datasets.load(args.input)
    say(f"read {summary.reviews:,} reviews from {summary.file}: {summary.positive:,} positive")
    if summary.own_test:
        say(f"its own test split is the test set: {summary.own_test:,} reviews (--test-share is not used)")
    if summary.undecodable_bytes:
        say(f"replaced {summary.undecodable_bytes:,} bytes that are not UTF-8")

    def progress(done: int) -> None:
        if done % 5000 == 0 or done == len(reviews):
            say(f"tokenised {done:,} of {len(reviews):,} reviews")

    chunks = tokenize_all([review.text for review in reviews], recipe, args.workers, progress)
    keys = [key for chunk in chunks for key in chunk.keys]
    chosen = split(
        reviews,
        keys,
        seed=args.seed,
        validation_share=args.validation_share,
        test_share=args.test_share,
        limit=args.limit,
    )
    dropped = chosen.duplicates + chosen.contradictory + chosen.repeats_of_test
    say(
        f"split: {len(chosen.train):,} train, {len(chosen.validation):,} validation, "
        f"{len(chosen.test):,} test; dropped {dropped:,} duplicates"
    )
    counts = count_words(chunks, chosen.train)
    vocabulary = Vocabulary.build(counts, recipe)
    say(f"vocabulary: {len(vocabulary):,} ids, of {len(counts):,} words in the training split")

    report = {
        "format": 1,
        "input": asdict(summary),
        "recipe": asdict(recipe),
        "settings": {
            "seed": args.seed,
            "limit": args.limit,
            "validation_share": args.validation_share,
            "test_share": None if summary.own_test else args.test_share,
        },
        "dropped": {
            "duplicates": chosen.duplicates,
            "contradictory": chosen.contradictory,
            "repeats_of_test": chosen.repeats_of_test,
        },
        "vocabulary": {"ids": len(vocabulary), "words_in_train": len(counts)},
    }
    write(args.output, chosen, reviews, Encoded(chunks, vocabulary), vocabulary, report)
    return report


def write(
    output: Path,
    chosen: Splits,
    reviews: Sequence[Review],
    encoded: Encoded,
    vocabulary: Vocabulary,
    report: dict[str, object],
) -> None:
    """Write everything beside its place, then move it there; `report` gets the splits and the checksums."""
    output.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".partial-", dir=output))
    try:
        for folder in ("train", "validation", "test", "reviews", "vocabulary", "report"):
            (beside / folder).mkdir()
        report["splits"] = {}
        for name in ("train", "validation", "test"):
            indices = getattr(chosen, name)
            write_ids(beside / name / f"{name}.parquet", indices, reviews, encoded)
            report["splits"][name] = describe(indices, reviews, encoded)
        write_raw(beside / "reviews" / "test.jsonl", chosen.test, reviews)
        vocabulary.save(beside / "vocabulary" / "vocabulary.txt")
        report["outputs"] = {str(file.relative_to(beside)): _sha256(file) for file in _files(beside)}
        text = json.dumps(report, indent=2, sort_keys=True) + "\n"
        (beside / "report" / "data_report.json").write_text(text, encoding="utf-8")
        for file in _files(beside):
            target = output / file.relative_to(beside)
            target.parent.mkdir(exist_ok=True)
            _move(file, target)
            say(f"wrote {target}")
    finally:
        shutil.rmtree(beside)


def _move(file: Path, target: Path) -> None:
    """Rename it; where the target's folder is a mount of its own, as it may be in a container, copy it."""
    beside = target.with_name(f".{target.name}.partial")
    try:
        shutil.move(file, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def say(line: str) -> None:
    print(line, flush=True)


def within(kind: type, low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number from low to high."""

    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low:,} to {high:,}")
        return value

    parse.__name__ = kind.__name__  # argparse names it in its message
    return parse


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Split labelled reviews, build the vocabulary, and write ids for training.",
        epilog=f"Input: {datasets.ACCEPTED}. A table has a column review or text, and a column sentiment or "
        "label (0 or 1, negative or positive). Exit code 2: the data or an argument cannot be used.",
    )
    share = within(float, 0.001, 0.45)
    count, length = within(int, 1, 1_000_000), within(int, 1, 10_000)
    parser.add_argument("--input", type=Path, required=True, help="a data file, or the folder that holds it")
    parser.add_argument("--output", type=Path, required=True, help="the folder that gets the results")
    parser.add_argument("--recipe", choices=RECIPES, default="default", help="how a review becomes ids")
    parser.add_argument(
        "--vocabulary-size", type=within(int, 3, 1_000_000), help="ids, two of them special (the recipe's)"
    )
    parser.add_argument("--max-length", type=length, help="ids kept of a review (the recipe's)")
    parser.add_argument("--validation-share", type=share, default=0.1, help="of the reviews (%(default)s)")
    parser.add_argument(
        "--test-share", type=share, default=0.1, help="unless the data has its own test split (%(default)s)"
    )
    parser.add_argument("--seed", type=within(int, 0, 2**32 - 1), default=1, help="of the split (1)")
    parser.add_argument("--workers", type=count, default=os.cpu_count(), help="processes (one a core)")
    parser.add_argument("--limit", type=count, help="use a sample of so many reviews, for a quick try")
    return parser.parse_args(argv)


def fail(message: str, output: Path, code: int) -> int:
    """Say what is wrong; in a job also where SageMaker takes the ExitMessage from (at most 1 kB)."""
    print(f"preprocess.py: {message}", file=sys.stderr)
    job = output.absolute().parent.parent  # /opt/ml of /opt/ml/processing/output
    if output.absolute().parent.name == "processing" and (job / "output").is_dir():
        (job / "output" / "message").write_bytes(message.encode("utf-8", "replace")[:1024])
    return code


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    try:
        prepare(args)
    except DataError as error:
        return fail(str(error), args.output, 2)
    except BrokenProcessPool:
        return fail("a worker was killed (out of memory?); use fewer --workers", args.output, 1)
    except OSError as error:  # reading raises DataError: this is about the output
        return fail(f"cannot write {error.filename or args.output}: {error.strerror}", args.output, 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())

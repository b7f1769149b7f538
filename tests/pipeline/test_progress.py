"""What is seen of an upload: a bar on a terminal, two lines elsewhere."""

import re
from io import StringIO

import pytest

from pipeline.cli.progress import uploading
from pipeline.uploads import File, Upload

UPLOAD = Upload("the reviews", "s3://bucket/data", (File.of(b"x" * 1500, "a"), File.of(b"x" * 500, "b")))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_at_the_start_and_one_at_the_end() -> None:
    stream, times = StringIO(), iter([5.0, 47.0])
    with uploading(UPLOAD, stream, lambda: next(times)) as progress:
        progress(1500)
        assert stream.getvalue() == "uploading the reviews to s3://bucket/data: 2 files, 2.0 kB\n"
        progress(500)
    assert stream.getvalue().splitlines()[1:] == ["uploaded the reviews in 42 s"]


def test_a_terminal_gets_a_bar_that_ends_full() -> None:
    stream = Terminal()
    with uploading(UPLOAD, stream) as progress:
        progress(1500)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "uploading the reviews" in shown
    assert "2.0/2.0 kB" in shown


@pytest.mark.parametrize("stream", [StringIO(), Terminal()])
def test_an_upload_that_fails_is_not_said_to_be_done(stream: StringIO) -> None:
    with pytest.raises(OSError, match="broken"), uploading(UPLOAD, stream):
        raise OSError("broken")
    assert "uploaded" not in stream.getvalue()
    assert "2.0/2.0" not in stream.getvalue()

"""Text for a terminal: what others wrote, made harmless, and tables."""

from collections.abc import Sequence


def shown(text: str, most: int = 10_000) -> str:
    """Another's text on one line: without the characters that would drive a terminal, cut to `most`."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """[["version", "status"], ["3", "Approved"]] -> ["version  status", "3        Approved"]"""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

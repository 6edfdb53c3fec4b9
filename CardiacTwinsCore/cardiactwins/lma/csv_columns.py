"""Columns of CSV files as people and spreadsheets write them."""

from __future__ import annotations

import codecs
import csv
import re
from pathlib import Path

__all__ = ["read_csv_columns"]

DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+(e[-+]?\d+)?\s*", re.IGNORECASE)


def read_csv_columns(path: str | Path) -> dict[str, list[str]]:
    """Columns of a CSV file with a header line by name, each field as text.

    Fields are separated by ',', ';' or tabs; with the last two a number may have a decimal comma, which comes
    back as a point. Empty lines and those that begin with '#' are left out. Text is UTF-8, UTF-16 with its
    mark, or Latin-1. ValueError when the file is no text, there are no rows below a header line, or a row has
    another number of fields.
    """
    path = Path(path)
    text = _text(path)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) < 2:
        raise ValueError(f"'{path.name}' has no rows below a header line.")
    separator = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=separator))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"Line {number} of '{path.name}' has {len(row)} fields, the header {len(rows[0])}."
            )
    if separator != ",":
        rows[1:] = [[_with_point(field) for field in row] for row in rows[1:]]
    header = [name.strip() for name in rows[0]]
    return {name: list(fields) for name, fields in zip(header, zip(*rows[1:], strict=True), strict=True)}


def _text(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise ValueError(f"'{path.name}' is not a CSV file: it holds something else than text.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _with_point(field: str) -> str:
    return field.replace(",", ".") if DECIMAL_COMMA.fullmatch(field) else field

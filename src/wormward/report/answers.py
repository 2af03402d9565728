"""Rows that answer a question, for a terminal, a spreadsheet or a program. Whatever evidence put into them stays text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len

from wormward.model.text import printable_bytes
from wormward.report.csvout import cell
from wormward.report.words import harmless, shortened, stamp

Rows = Sequence[Sequence[Any]]
MOST_CELL = 80
"""Characters of one cell of a table on a terminal; the other forms have all."""


def value(content: Any) -> str | int | float | bool | None:
    """One value of a row as it is shown: times in UTC, bytes and lists as text."""
    if content is None or isinstance(content, bool | int | float | str):
        return content
    if isinstance(content, datetime):
        return stamp(content) if content.tzinfo else content.isoformat()
    if isinstance(content, bytes | bytearray | memoryview):
        return printable_bytes(bytes(content))
    if isinstance(content, list | tuple):
        return ", ".join(str(value(item)) for item in content)
    return str(content)


def to_table(columns: Sequence[str], rows: Rows) -> str:
    """Aligned columns, harmless; long values are shortened."""
    lines = [tuple(shortened(column, MOST_CELL) for column in columns)]
    lines += [tuple("" if content is None else shortened(str(value(content)), MOST_CELL) for content in row) for row in rows]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    return "".join(_line(line, widths) + "\n" for line in lines)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(text + " " * (width - cell_len(text)) for text, width in zip(cells, widths, strict=True)).rstrip()


def to_csv(columns: Sequence[str], rows: Rows) -> str:
    """For a spreadsheet (see `csvout`): every field quoted, no text a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows([cell(value(content)) for content in row] for row in rows)
    return "\ufeff" + out.getvalue()


def to_json(columns: Sequence[str], rows: Rows, more: bool) -> str:
    """For a program: names of columns, rows as lists, whether there are further ones. What is not ASCII is escaped."""
    plain = [[_plain(content) for content in row] for row in rows]
    said = {"columns": [harmless(column) for column in columns], "rows": plain, "more": more}
    return json.dumps(said, indent=1, allow_nan=False) + "\n"


def _plain(content: Any) -> Any:
    if isinstance(content, list | tuple):
        return [_plain(item) for item in content]
    if isinstance(content, dict):
        return {harmless(str(key)): _plain(item) for key, item in content.items()}
    if isinstance(content, float):
        return content if content == content and abs(content) != float("inf") else None  # noqa: PLR0124 - not a number
    shown = value(content)
    return harmless(shown) if isinstance(shown, str) else shown


FORMS: Mapping[str, Callable[[Sequence[str], Rows, bool], str]] = {
    "table": lambda columns, rows, _more: to_table(columns, rows),
    "csv": lambda columns, rows, _more: to_csv(columns, rows),
    "json": to_json,
}

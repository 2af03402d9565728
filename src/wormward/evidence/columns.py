"""What a table-like log names that its reader does not know: said, never guessed at."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from wormward.model.text import N_, filled, printable

UNKNOWN: Final = N_("It has {count} {count|column|columns} not known here, passed over: {names}.")
VERSION: Final = N_("It says to be of version {version}, which is not known here; it was read as if it were {known}.")
MOST_NAMED: Final = 5
MOST_LETTERS: Final = 40


class Unknown:
    """Columns and versions of one file that are not known; names are compared in small letters."""

    def __init__(self, known: Collection[str], versions: Collection[str] = ()) -> None:
        self._known = known
        self._versions = tuple(versions)
        self._columns: dict[str, None] = {}
        self._version: str | None = None

    def columns(self, names: Iterable[str]) -> None:
        """The columns that a title line names."""
        more = (name.strip().lower() for name in names)
        self._columns.update(dict.fromkeys(name for name in more if name and name not in self._known))

    def version(self, text: str) -> None:
        """The version that the file says to be of."""
        if text.strip() not in self._versions:
            self._version = self._version or text.strip()

    def notes(self) -> tuple[str, ...]:
        """What coverage should say of it."""
        out = []
        if self._columns:
            named = [printable(name, MOST_LETTERS) for name in sorted(self._columns)[:MOST_NAMED]]
            names = ", ".join([*named, *(["…"] if len(self._columns) > MOST_NAMED else [])])
            out.append(filled(UNKNOWN, {"count": len(self._columns), "names": names}))
        if self._version is not None:
            out.append(filled(VERSION, {"version": printable(self._version, MOST_LETTERS), "known": self._versions[-1]}))
        return tuple(out)

"""Languages: every sentence a person reads is an English msgid, looked up when it is shown.

Sentences stand where they are meant, marked by `N_` (Python) or shown by `_`, `say` and `many` (templates). A
threat's own sentences and their translations stand in its pack. Catalogues are `locale/<language>/wormward.po`;
English needs none. How to make one: `docs/translating.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from wormward.model.errors import UsageError
from wormward.model.pack import ThreatPack
from wormward.report.words import fill

Lookup = Callable[[str], str]


def _same(sentence: str) -> str:
    return sentence


@dataclass(frozen=True)
class Language:
    """One language: its code and how a msgid is looked up in it."""

    code: str = "en"
    lookup: Lookup = field(default=_same, repr=False)

    def __call__(self, sentence: str) -> str:
        """The sentence in this language, its places unfilled."""
        return self.lookup(sentence)

    def say(self, sentence: str, fields: Mapping[str, str | int] | None = None, **more: str | int) -> str:
        """The sentence in this language, its places filled."""
        return fill(self.lookup(sentence), {**(fields or {}), **more})

    def many(self, one: str, several: str, number: int, **more: str | int) -> str:
        """`one` or `several` as `number` asks for; both may use ``{number}``."""
        return fill(self.lookup(one if number == 1 else several), {**more, "number": number})


ENGLISH = Language()


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are catalogues for, English first."""
    folder = files("wormward.report") / "locale"
    found = sorted(entry.name for entry in folder.iterdir() if (entry / "wormward.po").is_file()) if folder.is_dir() else []
    return ("en", *found)


def load(code: str, packs: Sequence[ThreatPack] = ()) -> Language:
    """The language `code`, with the sentences of `packs`. Raises UsageError if there is no catalogue for it."""
    if code not in languages():
        raise UsageError(f"there is no catalogue for the language {code!r}: choose one of {', '.join(languages())}")
    sentences: dict[str, str] = {} if code == "en" else _catalogue(code)
    for pack in packs:
        sentences.update(pack.texts.get(code, {}))
    return Language(code, lambda sentence: sentences.get(sentence, sentence)) if sentences else Language(code)


def _catalogue(code: str) -> dict[str, str]:
    from babel.messages.pofile import read_po  # noqa: PLC0415 - English runs need no Babel

    place = files("wormward.report") / "locale" / code / "wormward.po"
    pairs: dict[str, str] = {}
    with place.open("rb") as stream:
        for message in read_po(stream):
            ids, strings = _tuple(message.id), _tuple(message.string)
            if ids and ids[0] and strings:
                # A plural message has two msgids and one or more strings; the last string speaks of several.
                pairs.update({ids[0]: strings[0], ids[-1]: strings[-1]})
    return {i: s for i, s in pairs.items() if s}


def _tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())

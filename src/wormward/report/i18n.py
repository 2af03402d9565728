"""Languages: every sentence a person reads is an English msgid, looked up when it is shown.

Sentences stand where they are meant, marked by `N_` (Python) or shown by `_`, `say` and `many` (templates). A
threat's own sentences and their translations stand in its pack. Catalogues are `locale/<language>/wormward.po`;
English needs none. How to make one: `docs/translating.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files

from wormward.model.errors import UsageError
from wormward.model.pack import ThreatPack
from wormward.model.text import N_
from wormward.report.words import fill

Lookup = Callable[[str], str]
Plural = Callable[[int], int]
ERRORS = "error"
"""The context (msgctxt) of sentences that are made where something goes wrong; `{1}`, `{2}` stand for what differs."""
FIXED = 24
"""A sentence that came filled is known again by so many fixed characters at least: `{address} ({way})` would fit anything."""
_PLACE = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\{\w+\|([^{}|]*)\|([^{}|]*)\}")


def _same(sentence: str) -> str:
    return sentence


def _english_plural(number: int) -> int:
    return 0 if number == 1 else 1


@dataclass(frozen=True)
class Language:
    """One language: its code, how a msgid is looked up, its plural forms, how finished sentences were made (`told`)."""

    code: str = "en"
    lookup: Lookup = field(default=_same, repr=False)
    forms: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict, repr=False)
    plural: Plural = field(default=_english_plural, repr=False)
    made: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __call__(self, sentence: str) -> str:
        """The sentence in this language, its places unfilled."""
        return self.lookup(sentence)

    def say(self, sentence: str, fields: Mapping[str, str | int] | None = None, **more: str | int) -> str:
        """The sentence in this language, its places filled."""
        return fill(self.lookup(sentence), {**(fields or {}), **more})

    def many(self, one: str, several: str, number: int, **more: str | int) -> str:
        """`one` or `several` as `number` asks for; both may use ``{number}``."""
        forms = self.forms.get((one, several))
        sentence = forms[self.plural(number)] if forms else self.lookup(one if number == 1 else several)
        return fill(sentence, {**more, "number": self.number(number)})

    def number(self, value: int) -> str:
        """A whole number as it is written in this language: groups of digits."""
        if -1000 < value < 1000:
            return str(value)
        from babel.numbers import format_decimal  # noqa: PLC0415 - small numbers need no Babel

        return str(format_decimal(value, locale=self._babel))

    def percent(self, share: float) -> str:
        """A share between 0 and 1 as whole percents."""
        from babel.numbers import format_percent  # noqa: PLC0415

        return str(format_percent(share, format="0%", locale=self._babel))

    def moment(self, time: datetime | None) -> str:
        """A time as a sentence holds it, UTC to the minute; tables keep ISO form (`words.minute`)."""
        if time is None:
            return "-"
        from babel.dates import format_datetime  # noqa: PLC0415

        return str(format_datetime(time.astimezone(UTC), self.lookup(N_("d MMMM y, HH:mm")), locale=self._babel))

    def listed(self, items: Iterable[str]) -> str:
        """Items of one list, in this language's commas."""
        return self.lookup(N_(", ")).join(items)

    def told(self, text: str) -> str:
        """A finished English sentence, in this language if its catalogue knows how it was made.

        Errors and problems are raised as finished texts, whatever layer they come from; the sentence with the longest
        fixed words that fits is taken, and what stood in its places goes into the places of the translation.
        """
        plain = self.lookup(text)
        if plain != text:
            return plain
        for pieces, names, translated in self._made:
            parts = _between(pieces, text)
            if parts is not None:
                return fill(translated, {name: self.told(part) for name, part in zip(names, parts, strict=True)})
        return text

    @cached_property
    def _made(self) -> list[tuple[list[str], list[str], str]]:
        cut = [(_PLACE.split(form)[::2], _PLACE.findall(form), told) for form, told in self.made.items()]
        return sorted(cut, key=lambda made: (-sum(map(len, made[0])), made[0]))

    @property
    def _babel(self) -> str:
        return self.code if self.code in languages() else "en"


def _between(pieces: Sequence[str], text: str) -> list[str] | None:
    """What stands between `pieces` in `text`, each found as early as it can be; None if it is not made of them.

    Not a regular expression: a hostile text must not make the search long.
    """
    first, *inner, last = [*pieces, ""] if len(pieces) == 1 else pieces
    if not text.startswith(first) or not text.endswith(last) or (len(pieces) == 1 and text != first):
        return None
    at, parts = len(first), []
    for piece in inner:
        end = text.find(piece, at, len(text) - len(last))
        if end < 0:
            return None
        parts.append(text[at:end])
        at = end + len(piece)
    if len(pieces) == 1:
        return []
    return [*parts, text[at : len(text) - len(last)]] if at <= len(text) - len(last) else None


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
    own: dict[str, str] = {}
    for pack in packs:
        own.update(pack.texts.get(code, {}))
    if code == "en":
        return Language(code, lambda sentence: own.get(sentence, sentence)) if own else ENGLISH
    return _catalogue(code, own)


def preferred(*wishes: str | None) -> str:
    """The first of `wishes` (locale names such as `ja_JP.UTF-8`) that says anything, as a language there is; else English.

    A wish for a language without a catalogue is a wish for English.
    """
    wish = next((w for w in wishes if w), "")
    code = re.split(r"[_.@-]", wish.strip().lower(), maxsplit=1)[0]
    code = "ja" if code == "japanese" else code
    return code if code in languages() else "en"


def _catalogue(code: str, own: Mapping[str, str]) -> Language:
    from babel.messages.pofile import read_po  # noqa: PLC0415 - English runs need no Babel

    sentences: dict[str, str] = {}
    forms: dict[tuple[str, str], tuple[str, ...]] = {}
    made: dict[str, str] = {}
    place = files("wormward.report") / "locale" / code / "wormward.po"
    with place.open("rb") as stream:
        catalogue = read_po(stream)
    for message in catalogue:
        strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if not message.id or not strings or not all(strings) or message.fuzzy:
            continue
        if not isinstance(message.id, str):
            forms[message.id[0], message.id[1]] = strings
        elif message.context == ERRORS:
            made[message.id] = strings[0]
        else:
            sentences[message.id] = strings[0]
    sentences.update(own)
    for sentence, told in sentences.items():
        for form in (_CHOICE.sub(which, sentence) for which in (r"\1", r"\2")):
            if _PLACE.search(form) and len(_PLACE.sub("", form)) >= FIXED:
                made.setdefault(form, told)
    return Language(code, lambda sentence: sentences.get(sentence, sentence), forms, _rule(catalogue.plural_expr), made)


def _rule(expression: str) -> Plural:
    """The plural rule of a catalogue's head, as gettext reads it."""
    from gettext import c2py  # noqa: PLC0415 - English runs need no plural rule

    rule: Plural = c2py(expression)
    return rule

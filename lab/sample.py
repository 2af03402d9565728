r"""A text that a regular expression matches, drawn by chance: `/search\?q=\d+` gives `/search?q=41`.

So a pack's forms, written to recognise a worm, are enough to play it. Understood is what packs use: literals, classes,
groups, alternatives, repeats; anchors and look-arounds draw nothing. The caller checks the result with `fullmatch`.
"""

from __future__ import annotations

import random
import re
import string
from re import _constants as op  # type: ignore[attr-defined] # the parser of `re` has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_MORE, MOST_MORE_OPEN = 6, 2
"""A repeat is drawn at most so many times more than it must be; one without an end (`+`, `*`) less often."""

_WORD = string.ascii_lowercase + string.digits
_CATEGORIES = {
    op.CATEGORY_DIGIT: string.digits,
    op.CATEGORY_WORD: _WORD,
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_DIGIT: string.ascii_lowercase,
    op.CATEGORY_NOT_SPACE: _WORD,
    op.CATEGORY_NOT_WORD: "-",
}


def draw(pattern: str, rng: random.Random) -> str:
    """A text that `pattern` matches whole. Raises ValueError if none was found, which a pack's author must hear of."""
    for _ in range(64):
        text = _all(parser.parse(pattern), rng)
        if re.fullmatch(pattern, text):
            return text
    raise ValueError(f"no text could be drawn for the expression {pattern!r}")


def _all(items: Any, rng: random.Random) -> str:
    return "".join(_one(code, value, rng) for code, value in items)


def _one(code: Any, value: Any, rng: random.Random) -> str:
    if code is op.LITERAL:
        return chr(value)
    if code is op.ANY:
        return rng.choice(_WORD)
    if code is op.IN:
        return rng.choice(_class(value))
    if code is op.BRANCH:
        return _all(rng.choice(value[1]), rng)
    if code is op.SUBPATTERN:
        return _all(value[-1], rng)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        more = MOST_MORE_OPEN if most is op.MAXREPEAT else MOST_MORE
        return "".join(_all(inner, rng) for _ in range(rng.randint(least, min(most, least + more))))
    return ""  # anchors and assertions


def _class(items: Any) -> str:
    chars = ""
    for code, value in items:
        if code is op.LITERAL:
            chars += chr(value)
        elif code is op.RANGE:
            chars += "".join(map(chr, range(value[0], value[1] + 1)))
        elif code is op.CATEGORY:
            chars += _CATEGORIES[value]
    if items and items[0][0] is op.NEGATE:
        return "".join(c for c in _WORD if c not in chars)
    return chars

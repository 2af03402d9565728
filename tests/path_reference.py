r"""The path model of `wormward.wire.holes.ms08_067` a second time: slowly, over text, one reading after the other.

Each reading rewrites the path as text and then plays the removal of `x\..` on a stack, as one would by hand. It shares
no code and no shape with the model that it checks; both follow facts 5.2 and the list of readings in the module.
"""

from __future__ import annotations

import re

ORDER = ["harmless", "looks-before", "writes-before"]
_MARK = re.compile(r"<(\d+)>")


def _marked(path: str) -> str:
    """The path with every non-empty component followed by its number, `name<n>`."""
    count = 0

    def number(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"{found[0]}<{count}>"

    return re.sub(r"[^\\]+", number, path.replace("<", "(").replace(">", ")").replace("/", "\\"))


def _name(part: str) -> str:
    return _MARK.sub("", part)


def _without_first(text: str) -> str:
    """Leading separators and the first component taken off."""
    return re.sub(r"^\\*[^\\]*", "", text)


def readings(path: str) -> list[str]:
    """Every text that the canonicaliser may be thought to walk over."""
    text = _marked(path)
    rooted = text[1:] if text.startswith("\\") else text
    found = [rooted]
    first = re.match(r"^\\*([^\\]+)", text)
    name = _name(first[1]) if first else ""
    device = name in ("?", ".", "??")
    shorter = rooted
    if text.startswith("\\\\") or device:
        shorter = _without_first(rooted)
        found.append(shorter)
        following = re.match(r"^\\*([^\\]+)", shorter)
        if device and following and _name(following[1]).upper() == "UNC":
            found.append(_without_first(shorter))
            found.append(_without_first(_without_first(shorter)))
    drive = re.match(r"^\\*([^\\]+)", shorter)
    if drive and re.fullmatch(r".:", _name(drive[1]), re.DOTALL):
        found.append(_without_first(shorter))
    out = []
    for index, one in enumerate(found):
        # The separator that ends what was left out belongs to it.
        body = one[1:] if index and one.startswith("\\") else one
        out.append(re.sub(r"\\+", r"\\", body).strip("\\"))
        out.append(body)
    return out


def play(text: str) -> tuple[str, int | None]:
    """Effect and step of one reading."""
    stack: list[str] = []
    pushed = False
    looked: int | None = None
    for part in text.split("\\") if text else []:
        name, mark = _name(part), _MARK.search(part)
        if name == ".":
            continue
        if name != "..":
            stack.append(name)
            pushed = True
        elif stack:
            stack.pop()
            if not stack and looked is None and mark:
                looked = int(mark[1])
        elif pushed and mark:
            return "writes-before", int(mark[1])
    return ("looks-before", looked) if looked is not None else ("harmless", None)


def judge(path: str) -> tuple[str, set[int | None]]:
    """The worst effect of all readings, and the steps at which any of the worst ones comes to it."""
    results = [play(text) for text in readings(path)]
    worst = max((effect for effect, _ in results), key=ORDER.index)
    return worst, {step for effect, step in results if effect == worst}

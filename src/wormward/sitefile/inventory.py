"""An inventory as CSV: whatever Excel, a CMDB or a colleague wrote.

UTF-8 and UTF-16 (with a mark of byte order or without) and cp932; comma, semicolon or tab; the first line names the columns, as
`site.toml` maps them or in one of the usual words, English or Japanese. Damaged rows are problems with their line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

from wormward.model.errors import SiteError
from wormward.model.inventory import Inventory, Item
from wormward.model.states import Problem
from wormward.model.text import printable

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": (
        "name", "hostname", "host", "computername", "computer", "devicename", "device", "machine", "machinename", "pcname",
        "ホスト名", "コンピュータ名", "コンピューター名", "機器名", "端末名", "マシン名", "pc名", "名称",
    ),
    "address": (
        "address", "addresses", "ip", "ipaddress", "ipaddresses", "ipv4", "ipv4address", "ipv6", "ipv6address",
        "ipアドレス", "アドレス", "ipv4アドレス", "ipv6アドレス",
    ),
    "mac": (
        "mac", "macaddress", "macaddresses", "physicaladdress", "hardwareaddress", "ethernetaddress",
        "macアドレス", "物理アドレス",
    ),
    "place": ("place", "location", "room", "building", "floor", "設置場所", "場所", "設置部署", "フロア", "部屋", "病棟"),
    "role": ("role", "function", "purpose", "devicetype", "type", "用途", "役割", "種別", "機器種別"),
    "os": ("os", "operatingsystem", "osname", "osversion", "オペレーティングシステム", "基本ソフト"),
    "site": ("site", "sitename", "facility", "拠点", "拠点名", "施設", "施設名"),
}  # fmt: skip
"""What a column may be called where `site.toml` does not say: compared without case, width, blanks and marks."""
MOST_BYTES = 64 << 20
MOST_PROBLEMS = 20
"""So many lines are told one by one; the rest are counted."""
MOST_TEXT = 200
_NO_VALUE = frozenset({"", "-", "dhcp", "自動", "自動取得", "動的", "n/a", "none", "なし", "不明", "unknown"})
_SPLIT = re.compile(r"[\s,;、|]+")
_MAC = re.compile(r"[0-9a-f]{12}")
_HEAD = 4096
_NO_TEXT = re.compile("[\0\x80\uf8f0-\uf8f3]")  # NUL, and what cp932 makes of bytes that it has no characters for
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)  # how Excel is told that a cell is a text
_REMEDY = "correct it there"


def load(path: Path, columns: Mapping[str, str]) -> Inventory:
    """The inventory in `path`; `columns` says what a column is called there. Raises SiteError where it is none."""
    shown = printable(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SiteError(f"inventory {shown}: cannot be read ({error.strerror}); check the name and your rights") from error
    if len(data) > MOST_BYTES:
        raise SiteError(f"inventory {shown}: is larger than {MOST_BYTES >> 20} MB; give the site's hosts only")
    text = _text(data)
    if text is None:
        raise SiteError(f"inventory {shown}: is no text in UTF-8, UTF-16 or cp932; save it as CSV in UTF-8")
    problems: list[Problem] = []
    items = list(_items(text, columns, shown, problems))
    if not items:
        raise SiteError(f"inventory {shown}: names no host; give a CSV with a line for each, or remove the key inventory")
    items, twice = _unambiguous(items)
    told = [*problems, *twice]
    if len(told) > MOST_PROBLEMS:
        more = Problem(f"{len(told) - MOST_PROBLEMS} more lines are not right", remedy=_REMEDY)
        told = [*told[:MOST_PROBLEMS], more]
    return Inventory(shown, hashlib.sha256(data).hexdigest(), tuple(items), tuple(told))


def _text(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    elif b"\0" in data:  # of commas and line ends at least; no other encoding has any
        low, high = (data[:_HEAD][start::2].count(0) for start in (0, 1))
        encodings = ["utf-16-le"] if high > low else ["utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp932"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if _NO_TEXT.search(text) else text
    return None


def plain(text: str) -> str:
    """A column's name without what people write differently: case, full and half width, blanks, marks."""
    return re.sub(r"[\s_.()\[\]/-]+", "", unicodedata.normalize("NFKC", text).lower())


def _columns(header: Sequence[str], mapped: Mapping[str, str]) -> dict[str, list[int]]:
    """Which columns hold what: as `mapped` says, else by the usual words. Several may hold addresses or MACs."""
    names = [plain(text) for text in header]
    out = {}
    for key, usual in COLUMNS.items():
        words = (plain(mapped[key]),) if key in mapped else usual
        places = [i for i, name in enumerate(names) if name in words]
        if places:
            out[key] = places if key in ("address", "mac") else places[:1]
    return out


def _items(text: str, mapped: Mapping[str, str], shown: str, problems: list[Problem]) -> Iterator[Item]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = {d: _columns(next(iter(csv.reader([first], delimiter=d)), []), mapped) for d in ",;\t"}
    delimiter = max(found, key=lambda d: len(found[d]))
    missing = [name for key, name in mapped.items() if key not in found[delimiter]]
    if missing:
        raise SiteError(f"inventory {shown}: line 1: has no column {printable(missing[0])!r}; correct site.columns")
    if not found[delimiter].keys() & {"name", "address", "mac"}:
        raise SiteError(f"inventory {shown}: line 1: names no column of names, addresses or MACs; map them by site.columns")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begun, line = False, 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(f"is no row of CSV ({error})", f"line {rows.line_num}", _REMEDY))
            line = rows.line_num
            continue
        place, line = line + 1, rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        if not begun:
            begun = True
            continue
        item = _item(row, found[delimiter], place, problems)
        if item is not None:
            yield item


def _item(row: Sequence[str], columns: Mapping[str, Sequence[int]], line: int, problems: list[Problem]) -> Item | None:
    def cells(key: str) -> list[str]:
        return [_cell(row[i]) for i in columns.get(key, ()) if i < len(row)]

    def text(key: str) -> str:
        return printable(next(iter(cells(key)), ""), MOST_TEXT)

    def each(key: str, what: str, read: Callable[[str], str]) -> tuple[str, ...]:
        out = []
        for word in (w for cell in cells(key) for w in _SPLIT.split(cell)):
            if word.lower() in _NO_VALUE:
                continue
            try:
                out.append(read(word))
            except ValueError:
                problems.append(Problem(f"{printable(word, 40)!r} is no {what}", f"line {line}", _REMEDY))
        return tuple(dict.fromkeys(out))

    name = text("name")
    item = Item(
        line=line,
        name="" if name.lower() in _NO_VALUE else name,
        addresses=each("address", "IP address", lambda word: str(ip_interface(word).ip)),
        macs=each("mac", "MAC address", _mac),
        place=text("place"),
        role=text("role"),
        os=text("os"),
        site=text("site") or None,
    )
    if not (item.name or item.addresses or item.macs):
        problems.append(Problem("names no host: no name, no address and no MAC", f"line {line}", _REMEDY))
        return None
    return item


def _cell(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).strip()
    formula = _FORMULA.fullmatch(text)
    return formula[1].strip() if formula else text


def _mac(text: str) -> str:
    bare = re.sub(r"[:.-]", "", text.lower())
    if not _MAC.fullmatch(bare):
        raise ValueError(text)
    return ":".join(bare[i : i + 2] for i in range(0, 12, 2))


def _unambiguous(items: Iterable[Item]) -> tuple[list[Item], list[Problem]]:
    """The items without addresses and MACs that several of one site have: nobody can say whose they are."""
    items = list(items)
    count = Counter((item.site, word) for item in items for word in (*item.addresses, *item.macs))
    problems, out = [], []
    for item in items:
        twice = [word for word in (*item.addresses, *item.macs) if count[item.site, word] > 1]
        place = f"line {item.line}"
        problems += [Problem(f"{word} stands in several lines: it is taken for none's", place, _REMEDY) for word in twice]
        left = replace(
            item,
            addresses=tuple(a for a in item.addresses if a not in twice),
            macs=tuple(m for m in item.macs if m not in twice),
        )
        if left.name or left.addresses or left.macs:
            out.append(left)
    return out, problems

"""The compiled loops over log text say the same as plain Python, compiled or not."""

from __future__ import annotations

import csv
import io
import ipaddress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wormward.evidence import kernels

# The first call compiles.
relaxed = settings(deadline=None)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def spans(texts: list[bytes | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A buffer with these texts one after another, and where each stands; None is absent."""
    begins, ends, at = [], [], 0
    for text in texts:
        begins.append(-1 if text is None else at)
        at += len(text or b"")
        ends.append(at)
    joined = b"".join(t or b"" for t in texts) or b"\0"
    return np.frombuffer(joined, np.uint8), np.array(begins, np.int32), np.array(ends, np.int32)


def both(kernel):
    """A kernel compiled, and as the plain Python that it was."""
    return [kernel, kernel.py_func]


@relaxed
@given(st.dates())
def test_days_are_the_calendars(day: date) -> None:
    expected = day.toordinal() - date(1970, 1, 1).toordinal()
    assert kernels.days_from_civil(day.year, day.month, day.day) == expected
    assert kernels.days_from_civil.py_func(day.year, day.month, day.day) == expected


@relaxed
@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.sampled_from(["", "Z", "z", "+00:00", "-0330", "+14:00", "+09"]),
    st.sampled_from(["T", " "]),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
)
def test_iso_times(when: datetime, zone: str, between: str, precision: str) -> None:
    text = when.isoformat(between, precision) + zone
    expected = datetime.fromisoformat(text.upper())
    stamp = kernels.NAIVE if expected.tzinfo is None else kernels.STAMPED
    micros = (expected.replace(tzinfo=expected.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)
    for kernel in both(kernels.iso_time):
        assert kernel(np.frombuffer(text.encode(), np.uint8), 0, len(text)) == (micros, stamp, len(text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00", "2026-01-01", "",
        "0000-01-01T00:00:00", "2026-1-1T00:00:00Z", "2026-01-01T00:00:00+99:00", "2026-01-01T00:00:00Zjunk", "20260101T000000Z",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    buffer, begins, ends = spans([text.encode()])
    times, stamps = np.empty(1, np.int64), np.empty(1, np.int8)
    kernels.iso_times(buffer, begins, ends, times, stamps)
    assert stamps[0] == kernels.NO_STAMP


def test_fractions_are_cut_at_the_microsecond_and_commas_are_points() -> None:
    text = b"2026-01-01T00:00:00,1234569"
    time, stamp, end = kernels.iso_time(np.frombuffer(text, np.uint8), 0, len(text))
    assert (time % 1_000_000, stamp, end) == (123456, kernels.NAIVE, len(text))


@relaxed
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.decimals(-(10**11), 10**11, places=8).map(lambda d: format(d, "f")),
            st.sampled_from(["", "-", "1e5", "x", "1.", ".5"]),
        )
    )
)
def test_decimals(texts: list[str | None]) -> None:
    buffer, begins, ends = spans([None if t is None else t.encode() for t in texts])
    for kernel in both(kernels.decimals):
        values, known = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
        kernel(buffer, begins, ends, 6, values, known)
        for text, value, fine in zip(texts, values, known, strict=True):
            usual = text is not None and text.lstrip("-")[:1].isdigit() and "e" not in text
            assert fine == usual
            if usual:
                assert value == int(Decimal(text).scaleb(6))  # cut off, not rounded


def test_numbers_too_long_for_this_world_are_none() -> None:
    buffer, begins, ends = spans([b"1" * 19, b"9" * 12, b"9" * 13])
    values, known = np.empty(3, np.int64), np.empty(3, np.bool_)
    kernels.decimals(buffer, begins, ends, 6, values, known)
    assert known.tolist() == [False, True, False]


@relaxed
@given(st.lists(st.one_of(st.none(), st.binary(max_size=6)), max_size=40))
def test_distinct_values_are_numbered_in_order(texts: list[bytes | None]) -> None:
    buffer, begins, ends = spans(texts)
    expected: dict[bytes, int] = {}
    codes_expected = [-1 if t is None else expected.setdefault(t, len(expected)) for t in texts]
    # No plain run here: the hash wraps around, which Python's integers do not. The dictionary is the twin.
    slots = np.full(128, -1, np.int32)
    codes, firsts, lasts = (np.empty(len(texts), np.int32) for _ in range(3))
    used = kernels.number_spans(buffer, begins, ends, slots, codes, firsts, lasts)
    assert codes.tolist() == codes_expected
    assert [bytes(buffer[b:e]) for b, e in zip(firsts[:used], lasts[:used], strict=True)] == list(expected)


@relaxed
@given(st.lists(st.binary(max_size=12), max_size=20), st.booleans())
def test_gather_copies_folds_and_finds_what_is_odd(texts: list[bytes], fold: bool) -> None:
    buffer, begins, ends = spans(list(texts))
    for kernel in both(kernels.gather):
        out, offsets = np.empty(int((ends - begins).sum()), np.uint8), np.empty(len(texts) + 1, np.int32)
        odd = np.empty(len(texts), np.bool_)
        count = kernel(buffer, begins, ends, fold, out, offsets, odd)
        copied = [bytes(out[a:b]) for a, b in pairwise(offsets)]
        assert copied == [t.lower() if fold else t for t in texts]
        assert odd.tolist() == [any(not 32 <= c < 127 or c == 92 for c in t) for t in texts]
        assert count == odd.sum()


_address_like = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.text("0123456789.", max_size=17),
    st.sampled_from(["1.2.3.04", "256.1.1.1", "1.2.3", "1.2.3.4.5", "", "::1", "1..2.3", "0.0.0.1", "00.0.0.0"]),
)


@relaxed
@given(st.lists(_address_like, max_size=20))
def test_dotted_quads(texts: list[str]) -> None:
    def is_quad(text: str) -> bool:
        try:
            return str(ipaddress.IPv4Address(text)) == text
        except ValueError:
            return False

    buffer, begins, ends = spans([t.encode() for t in texts])
    for kernel in both(kernels.no_dotted_quads):
        odd = np.empty(len(texts), np.bool_)
        assert kernel(buffer, begins, ends, odd) == odd.sum()
        assert odd.tolist() == [not is_quad(t) for t in texts]


def split(data: bytes, separator: int, quote: int, fields: int, *, capacity: int = 1000, kernel=kernels.split_lines):
    """All rows of `data`, the numbers of their lines, bad lines, and how many lines there are."""
    buffer = np.frombuffer(data or b"\n", np.uint8)
    rows, numbers, bad_lines, at, before, wrong = [], [], [], 0, 0, 0
    columns = np.arange(fields, dtype=np.int32)
    while at < len(data):
        lines = np.empty(capacity, np.int32)
        begins, ends = np.zeros((2, fields, capacity), np.int32)
        bad, counts = np.zeros(50, np.int64), np.zeros(2, np.int64)
        count, at = kernel(buffer, at, len(data), separator, quote, fields, columns, lines, begins, ends, bad, counts)
        rows += [[data[begins[f, r] : ends[f, r]] for f in range(fields)] for r in range(count)]
        numbers += [before + int(n) for n in lines[:count]]
        bad_lines += [before + int(n) for n in bad[: counts[1]]]
        before, wrong = before + int(counts[0]), wrong + int(counts[1])
    assert wrong == len(bad_lines)
    return rows, numbers, bad_lines, before


_cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=5)


@relaxed
@given(
    st.lists(st.lists(_cell, min_size=3, max_size=3), max_size=12), st.sampled_from([1, 3, 1000]), st.sampled_from(["\n", "\r\n"])
)
def test_csv_splits_as_pythons_csv_does(table: list[list[str]], capacity: int, newline: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=newline).writerows(table)
    data = out.getvalue().encode()
    for kernel in both(kernels.split_lines):
        rows, _, bad, lines = split(data, ord(","), kernels.QUOTE, 3, capacity=capacity, kernel=kernel)
        assert [[cell.replace(b'""', b'"').decode() for cell in row] for row in rows] == table
        assert (bad, lines) == ([], len(table))


@relaxed
@given(st.text("a\t\n\r", max_size=60))
def test_tab_separated_lines_are_lines_and_tabs(text: str) -> None:
    data = text.encode()
    rows, numbers, bad, count = split(data, 9, -1, 2)
    lines = data.split(b"\n")
    lines = lines[:-1] if data.endswith(b"\n") or not data else lines
    plain = [line.removesuffix(b"\r") for line in lines]
    assert count == len(lines)
    assert dict(zip(numbers, rows, strict=True)) == {n: p.split(b"\t") for n, p in enumerate(plain) if p.count(b"\t") == 1}
    assert bad == [n for n, p in enumerate(plain) if p and p.count(b"\t") != 1]


def test_a_quote_left_open_spoils_its_line_only() -> None:
    rows, numbers, bad, _ = split(b'a,"b\nc,d\n"e"x,f\n"g" ,h\n', ord(","), kernels.QUOTE, 2)
    assert (rows, numbers, bad) == ([[b"c", b"d"], [b"g", b"h"]], [1, 3], [0, 2])


def test_it_stops_before_a_directive() -> None:
    data = b"a\tb\n#fields\nc\td\n"
    lines, bad, counts = np.empty(9, np.int32), np.zeros(3, np.int64), np.zeros(2, np.int64)
    begins, ends = np.zeros((2, 2, 9), np.int32)
    columns = np.arange(2, dtype=np.int32)
    found = kernels.split_lines(np.frombuffer(data, np.uint8), 0, len(data), 9, -1, 2, columns, lines, begins, ends, bad, counts)
    assert found == (1, 4)

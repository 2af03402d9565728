"""Hostile text becomes printable, and what stands for a byte is shown as that byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormward.model.text import printable, printable_bytes


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"\xff\x80a", "\\xff\\x80a"),
        ("日本".encode(), "日本"),
        ("日".encode()[:2], "\\xe6\\x97"),
        (b"\\xff", "\\\\xff"),
        (b"\\udcff\xff", "\\\\udcff\\xff"),
        (b"\xed\xb2\x80", "\\xed\\xb2\\x80"),  # a surrogate is no UTF-8
        (b"\x00\n", "\\x00\\n"),
    ],
)
def test_bytes_that_cannot_be_read_are_shown_as_bytes(raw: bytes, shown: str) -> None:
    assert printable_bytes(raw) == shown


def test_lone_surrogates_of_wide_strings_stay_what_they_are() -> None:
    assert printable("\udc80\ud800") == "\\udc80\\ud800"


@given(st.binary(max_size=60))
def test_bytes_are_printable_and_hold_no_surrogates(raw: bytes) -> None:
    shown = printable_bytes(raw)
    assert shown.isprintable()
    assert "\\udc" not in shown.replace("\\\\", "")
    assert len(printable_bytes(raw * 9, limit=20)) <= 5 * 20 + 1

"""NDR arguments of srvsvc and atsvc calls: vectors that were made elsewhere, both syntaxes and orders, and lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import wire_make as make
from tests.wire_help import facts_of, of_kind
from wormward.model.errors import WireError
from wormward.wire import atsvc, holes, srvsvc
from wormward.wire.facts import RpcCall

HOWS = [{"big": big, "ndr64": wide} for big in (False, True) for wide in (False, True)]
TEXT = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=30)


def _order(how: dict[str, bool]) -> str:
    return "big" if how["big"] else "little"


def test_published_stubs_decode_to_their_columns(shared: Path) -> None:
    lines = (shared / "facts/data/srvsvc-stubs.txt").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.count("|") == 7 and line[0] != "#"]
    assert len(rows) == 4
    for _, server, path, out, prefix, kind, flags, stub in rows:
        call = srvsvc.decode(31, "little", False, bytes.fromhex(stub))
        assert (call.server, call.texts, call.prefix) == (server, (path,), prefix)
        assert (call.out_size, call.kind, call.flags, call.broken) == (int(out), int(kind), int(flags), False)


@pytest.mark.parametrize("how", HOWS)
@given(path=TEXT, prefix=TEXT, server=st.none() | TEXT, out=st.integers(0, 64000))
@settings(deadline=None)
@example(path="\ud800a", prefix="\\", server=None, out=2)
def test_what_is_encoded_is_decoded(how: dict[str, bool], path: str, prefix: str, server: str | None, out: int) -> None:
    stub = make.canonicalize(path, prefix=prefix, server=server, out=out, **how)
    call = srvsvc.decode(31, _order(how), how["ndr64"], stub)
    # Halves of a pair that happen to stand together become the pair.
    joined = path.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert call.texts == (joined,)
    assert call.out_size == out
    assert not call.broken
    second = srvsvc.decode(32, _order(how), how["ndr64"], make.compare(path, "x", server=server, **how))
    assert second.texts == (joined, "x")
    third = srvsvc.decode(34, _order(how), how["ndr64"], make.name_canonicalize(path, server=server, out=out, **how))
    assert (third.texts, third.out_size, third.broken) == ((joined,), out, False)


@pytest.mark.parametrize("how", HOWS)
def test_a_job_carries_its_command(how: dict[str, bool]) -> None:
    stub = make.job_add("rundll32.exe zdtnx.g,abc", **how)
    assert atsvc.job_command(0, _order(how), how["ndr64"], stub) == "rundll32.exe zdtnx.g,abc"
    assert atsvc.job_command(1, _order(how), how["ndr64"], stub) is None
    assert atsvc.job_command(0, _order(how), how["ndr64"], make.job_add(None, **how)) is None
    assert holes.judge(make.ATSVC, 0, _order(how), how["ndr64"], stub).command == "rundll32.exe zdtnx.g,abc"


def test_a_real_job_carries_its_command(corpora: Path) -> None:
    (_, _, facts) = facts_of(corpora / "captures/zeek/20171220_smb_at_schedule.pcap")[0]
    (call,) = of_kind(facts, RpcCall)
    assert isinstance(call, RpcCall)
    command = holes.judge(call.interface, call.opnum, call.byte_order, call.ndr64, call.stub).command
    assert command is not None
    assert command.startswith("cmd") or "exe" in command.lower()


def test_counts_that_lie_are_not_trusted() -> None:
    path = "\\a\\..\\..\\b"
    for lie in ({"most": 0}, {"most": 2**32 - 1}, {"offset": 7}, {"actual": 2**31}, {"end": ""}):
        stub = make.Stub().unique("a").string(path, **lie).data
        call = srvsvc.decode(31, "little", False, stub)
        assert call.texts == (path,)
        assert call.broken


@given(st.integers(30, 34), st.sampled_from(["little", "big"]), st.booleans(), st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_decoded_without_harm(opnum: int, order: str, ndr64: bool, stub: bytes) -> None:
    srvsvc.decode(opnum, order, ndr64, stub)
    atsvc.job_command(0, order, ndr64, stub)
    for interface in (make.SRVSVC, make.ATSVC, None, make.WKSSVC):
        holes.judge(interface, opnum, order, ndr64, stub)


@given(st.data(), st.sampled_from(HOWS))
@settings(deadline=None)
def test_truncated_stubs_give_what_they_still_have(data: st.DataObject, how: dict[str, bool]) -> None:
    stub = make.canonicalize("\\share\\dir\\file", prefix="\\", **how)
    cut = data.draw(st.integers(0, len(stub)))
    call = srvsvc.decode(31, _order(how), how["ndr64"], stub[:cut])
    assert call.broken == (cut < len(stub))
    assert all("\\share\\dir\\file".startswith(text) for text in call.texts)


def test_other_operations_are_refused() -> None:
    with pytest.raises(WireError):
        srvsvc.decode(15, "little", False, b"")

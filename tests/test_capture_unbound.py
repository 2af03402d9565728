"""A call whose bind was not seen: judged where the call alone can tell, and nobody is accused by anything less."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.__main__ import main
from tests import wire_make as make
from tests.capture_help import captures, in_turn, pcap, read, read_bytes, talk, tshark
from tests.need import need_program
from wormward.detect.exploit_path import SENTENCE, UNBOUND
from wormward.model.findings import Finding
from wormward.model.pack import ThreatPack, WantedCall
from wormward.packs import builtin_packs
from wormward.pipeline import assess
from wormward.wire import srvsvc
from wormward.wire.holes import HOLES, judge
from wormward.wire.holes.base import NONE, WRITES_BEFORE

WANTED = (WantedCall(srvsvc.INTERFACE, frozenset(srvsvc.OPNUMS)),)
ATTACKER, VICTIM = "10.20.1.1", "10.20.1.2"
STUB = make.canonicalize("\\a\\..\\..\\" + "x" * 40)


@pytest.fixture(scope="module")
def pack() -> ThreatPack:
    return builtin_packs()[0]


@pytest.fixture(scope="module")
def exploit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """The lab's capture of an attempt, and the first frame and the request's frame of its connection (tshark's eye)."""
    folder = tmp_path_factory.mktemp("case")
    assert main(["case", "exploit.path", "--out", str(folder)]) == 0
    path = folder / "positive" / "case.pcap"
    over = f"tcp.port == 445 && ip.addr == {ATTACKER} && ip.addr == {VICTIM}"
    frames = tshark(path, ["frame.number", "dcerpc.pkt_type"], show=over)
    (request,) = (int(f["frame.number"]) for f in frames if f["dcerpc.pkt_type"] == "0")
    return path, int(frames[0]["frame.number"]), request


@pytest.fixture(scope="module")
def whole(exploit: tuple[Path, int, int], pack: ThreatPack) -> Finding:
    """The attempt as the whole capture shows it."""
    return next(f for f in assess([exploit[0]], packs=[pack]).findings if f.rule == "exploit.path")


@pytest.mark.parametrize("left", [1, 2, 4, 8])
def test_the_attempt_is_found_however_much_of_the_beginning_is_cut_off(
    exploit: tuple[Path, int, int], whole: Finding, tmp_path: Path, pack: ThreatPack, left: int
) -> None:
    """`left` frames of the connection are left up to the request; the last 2 of those before it are the bind's."""
    path, first, request = exploit
    cut = tmp_path / "cut.pcap"
    last = request - left
    assert last >= first
    subprocess.run([need_program("editcap"), "-F", "pcap", str(path), str(cut), f"{first}-{last}"], check=True)
    (found,) = (f for f in assess([cut], packs=[pack]).findings if f.rule == "exploit.path")
    assert (found.actor, found.target) == (ATTACKER, VICTIM)
    seen_bind = left > 2
    assert found.sentence == (SENTENCE if seen_bind else UNBOUND)
    opened = left > 4
    assert found.fields["pipe"] == ("browser" if opened else "a pipe whose name was not seen")
    assert (found.fields["path"], found.key) == (whole.fields["path"], whole.key)


def test_the_sentence_says_that_the_beginning_was_not_seen(
    exploit: tuple[Path, int, int], tmp_path: Path, pack: ThreatPack
) -> None:
    path, _, request = exploit
    cut = tmp_path / "cut.pcap"
    subprocess.run([need_program("editcap"), "-F", "pcap", "-r", str(path), str(cut), f"{request}-100000"], check=True)
    (found,) = (f for f in assess([cut], packs=[pack]).findings if f.rule == "exploit.path")
    assert "the beginning of the connection was not seen" in found.say()
    assert found.cites[0].place == 1


def test_only_whole_calls_that_write_count_without_a_bind() -> None:
    assert judge(None, 31, "little", False, STUB).effect == WRITES_BEFORE
    for end in range(0, len(STUB), 4):
        assert judge(None, 31, "little", False, STUB[:end]).effect == NONE, end
    assert judge(srvsvc.INTERFACE, 31, "little", False, STUB[:-4]).effect == WRITES_BEFORE
    assert judge(None, 30, "little", False, STUB).effect == NONE


@pytest.mark.parametrize(("pipe", "kept"), [("\\browser", True), ("\\srvsvc", True), ("\\samr", False), ("\\spoolss", False)])
def test_the_pipe_tells_where_it_is_known(tmp_path: Path, pipe: str, kept: bool) -> None:
    """The same call without its bind, through pipes that lead to the service and through others."""
    fid = 0x4000
    said = [
        (True, make.nbss(make.tree_connect1("\\\\x\\IPC$"))), (False, make.nbss(make.tree_answer1())),
        (True, make.nbss(make.create1(pipe, mid=2))), (False, make.nbss(make.create_answer1(fid, mid=2, kind=2))),
        (True, make.nbss(make.trans1(fid, make.request(STUB), mid=3))),
    ]  # fmt: skip
    rows, _ = read_bytes(tmp_path, pcap(in_turn(talk(said, dport=445))), calls=WANTED)
    (call,) = rows["rpc_calls"]
    assert (call["interface"], call["pipe"], call["stub"] is not None) == (None, pipe[1:], kept)


def test_plain_tcp_without_a_bind_is_not_judged(tmp_path: Path) -> None:
    rows, _ = read_bytes(tmp_path, pcap(in_turn(talk([(True, make.request(STUB))], dport=135))), calls=WANTED)
    assert [(c["pipe"], c["stub"]) for c in rows["rpc_calls"]] == [(None, None)]


def test_no_call_of_the_corpora_would_be_an_attempt_without_its_bind(corpora: Path) -> None:
    """Whatever real programs called, read as each of the hole's calls, is none."""
    paths = captures(corpora)
    seen, _ = read(paths)
    interfaces = {call["interface"] for call in seen["rpc_calls"]} - {None}
    rows, _ = read(paths, calls=tuple(WantedCall(i, frozenset(range(300))) for i in sorted(interfaces)))
    stubs = {(call["byte_order"], call["ndr64"], call["stub"]) for call in rows["rpc_calls"] if call["stub"]}
    assert len(stubs) > 100
    for hole in HOLES:
        assert not [s for s in stubs for opnum in hole.opnums if judge(None, opnum, *s).effect != NONE]

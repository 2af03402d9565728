"""Logons, shares and files over SMB1 and SMB2, as transcripts; real captures beside tshark's reading of them."""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests import wire_make as make
from tests.need import need_program
from tests.test_wire_calls import FID, FILE, STAMP, Talk, hear, reply, say
from tests.wire_help import facts_of, inner, tshark_calls
from wormward.wire.facts import Fact, RpcCall, SmbFile, SmbLogon, SmbShare
from wormward.wire.smb_conversation import SmbConversation

LOGON_FAILURE, MORE, ACCESS_DENIED = 0xC000006D, 0xC0000016, 0xC0000022


def told(talk: Talk) -> list[Fact]:
    """The facts, the same byte by byte."""
    facts = hear(talk)
    assert hear(talk, step=1) == facts
    return facts


# Logons ---------------------------------------------------------------------------------------------------------------


def setup1(blob: bytes, *, mid: int, wide: bool = True, natives: tuple[str, str] = ("Windows 5.1", "Windows 2002 5.1")) -> bytes:
    words = struct.pack("<HHHIHII", 0xFFFF, 2, 0, 0, len(blob), 0, 0x80000000)
    data = blob
    for text in natives:
        data += make.text1(text, 32 + 1 + 24 + 2 + len(data), wide)
    return make.smb1((0x73, words, data), mid=mid, wide=wide)


def setup_answer1(status: int, *, mid: int) -> bytes:
    if status == LOGON_FAILURE:
        return make.smb1((0x73, b"", b""), mid=mid, status=status, answer=True)
    return make.smb1((0x73, struct.pack("<HH", 0, 0), b""), mid=mid, status=status, answer=True)


def plain_setup1(user: str, domain: str, *, mid: int, wide: bool, natives: tuple[str, str], passwords: int = 1) -> bytes:
    words = struct.pack("<HHHIHHII", 0xFFFF, 2, 0, 0, passwords, 0, 0, 1)
    data = b"p" * passwords
    for text in (user, domain, *natives):
        data += make.text1(text, 32 + 1 + 26 + 2 + len(data), wide)
    return make.smb1((0x73, words, data), mid=mid, wide=wide)


@pytest.mark.parametrize("wide", [True, False])
def test_smb1_ntlm_rounds_make_one_logon(wide: bool) -> None:
    talk = [
        say(setup1(make.ntlm(1), mid=1, wide=wide)),
        reply(setup_answer1(MORE, mid=1)),
        say(setup1(b"\x60\x20" + make.ntlm(3, "Bob", "CORP", wide=wide), mid=2, wide=wide)),
        reply(setup_answer1(LOGON_FAILURE, mid=2)),
    ]
    (fact,) = told(talk)
    assert isinstance(fact, SmbLogon)
    assert (fact.user, fact.domain, fact.outcome, fact.status) == ("Bob", "CORP", "failure", LOGON_FAILURE)
    assert (fact.native_os, fact.native_lanman) == ("Windows 5.1", "Windows 2002 5.1")
    assert fact.stamp.frame == 3


@pytest.mark.parametrize("wide", [True, False])
def test_smb1_plain_logon_and_the_tree_behind_it(wide: bool) -> None:
    words = struct.pack("<HHHIHHII", 0xFFFF, 2, 0, 0, 1, 0, 0, 1)
    data = b"p"
    for text in ("Alice", "WORK", "Unix", "Samba"):
        data += make.text1(text, 32 + 1 + 26 + 2 + len(data), wide)
    at = 32 + 1 + 26 + 2 + len(data)
    tree = struct.pack("<HH", 0, 1), b"\0" + make.text1("\\\\h\\C$", at + 1 + 8 + 2 + 1, wide) + b"?????\0"
    talk = [
        say(make.smb1((0x73, words, data), (0x75, *tree), mid=1, tid=0, wide=wide)),
        reply(make.smb1((0x73, struct.pack("<H", 0), b""), (0x75, struct.pack("<H", 0), b"A:\0"), mid=1, tid=9, answer=True)),
        say(make.create1("\\new.txt", mid=2, tid=9, wide=wide)),
        reply(make.create_answer1(FID, action=2, mid=2, tid=9)),
    ]
    logon, share, file = told(talk)
    assert isinstance(logon, SmbLogon)
    assert isinstance(share, SmbShare)
    assert isinstance(file, SmbFile)
    assert (logon.user, logon.domain, logon.outcome) == ("Alice", "WORK", "success")
    assert (share.share, share.outcome) == ("\\\\h\\C$", "success")
    assert (file.share, file.path, file.action) == ("\\\\h\\C$", "new.txt", "create")
    # A logon that fails is not followed by the tree connect in the same message.
    talk[1] = reply(setup_answer1(LOGON_FAILURE, mid=1))
    facts = told(talk[:2])
    assert [type(fact).__name__ for fact in facts] == ["SmbLogon"]


def test_the_probe_that_names_itself() -> None:
    """The worm's own template: 13 words, flags zero, empty account, 11 or 12 bytes, native names (facts 6)."""
    (fact,) = told(
        [say(plain_setup1("", "", mid=1, wide=False, natives=("MS", "CLIENT"), passwords=0)), reply(setup_answer1(0, mid=1))]
    )
    assert isinstance(fact, SmbLogon)
    assert (fact.user, fact.domain, fact.native_os, fact.native_lanman) == ("", "", "MS", "CLIENT")


def test_classic_errors_become_status_codes() -> None:
    answer = make.smb1((0x73, b"", b""), mid=1, status=2 | 2 << 16, answer=True, flags2=0)
    (fact,) = told([say(plain_setup1("x", "", mid=1, wide=False, natives=("", ""))), reply(answer)])
    assert isinstance(fact, SmbLogon)
    assert (fact.outcome, fact.status) == ("failure", LOGON_FAILURE)


def setup2(blob: bytes, *, mid: int) -> bytes:
    return make.smb2(1, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(blob), 0) + blob, mid=mid)


def setup_answer2(status: int, *, mid: int) -> bytes:
    return make.smb2(1, struct.pack("<HHHH", 9, 0, 72, 0), mid=mid, status=status, answer=True)


def test_smb2_logons() -> None:
    talk: Talk = []
    for mid, (user, status) in enumerate([("Bob", LOGON_FAILURE), ("Bob", 0), ("", 0)]):
        talk += [
            say(setup2(make.ntlm(1), mid=2 * mid)),
            reply(setup_answer2(MORE, mid=2 * mid)),
            say(setup2(make.ntlm(3, user, "CORP" if user else ""), mid=2 * mid + 1)),
            reply(setup_answer2(status, mid=2 * mid + 1)),
        ]
    facts = told(talk)
    assert [(f.user, f.domain, f.outcome) for f in facts if isinstance(f, SmbLogon)] == [
        ("Bob", "CORP", "failure"),
        ("Bob", "CORP", "success"),
        ("", "", "success"),
    ]


def test_unanswered_things_are_unknown() -> None:
    talk = [
        say(setup2(make.ntlm(1), mid=1)),  # the first round names nobody: nothing to tell
        say(setup2(make.ntlm(3, "Bob", "CORP"), mid=2)),
        say(make.tree_connect2("\\\\h\\ADMIN$", mid=3)),
        say(make.create2("x.exe", mid=4)),
    ]
    assert [(type(f).__name__, getattr(f, "outcome", "")) for f in told(talk)] == [
        ("SmbLogon", "unknown"),
        ("SmbShare", "unknown"),
    ]


# Files ----------------------------------------------------------------------------------------------------------------


def tree1() -> Talk:
    return [say(make.tree_connect1("\\\\h\\ADMIN$", mid=1)), reply(make.tree_answer1(b"A:\0", mid=1))]


def tree2() -> Talk:
    return [say(make.tree_connect2("\\\\h\\ADMIN$", mid=1)), reply(make.tree_answer2(1, mid=1))]


BODY = b"MZ" + bytes(range(256)) * 40


def files(facts: list[Fact]) -> list[tuple[str, str, int, bytes | None]]:
    return [(f.action, f.path, f.size, f.start) for f in facts if isinstance(f, SmbFile)]


def test_a_file_is_written_over_smb1() -> None:
    talk = [
        *tree1(),
        say(make.create1("\\system32\\zdtnx.g", mid=2)),
        reply(make.create_answer1(FID, action=2, mid=2)),
    ]
    for at in range(0, len(BODY), 4000):
        piece = BODY[at : at + 4000]
        talk += [say(make.write1(FID, piece, offset=at, mid=3 + at)), reply(make.write_answer1(len(piece), mid=3 + at))]
    talk += [say(make.close1(FID, mid=9)), reply(make.plain_answer1(4, mid=9))]
    assert files(told(talk)) == [
        ("create", "system32\\zdtnx.g", 0, None),
        ("write", "system32\\zdtnx.g", len(BODY), BODY[:64]),
    ]


def test_a_file_is_written_over_smb2() -> None:
    talk = [
        *tree2(),
        say(make.create2("system32\\zdtnx.g", mid=2)),
        reply(make.create_answer2(FILE, action=2, mid=2)),
        say(make.write2(FILE, BODY, mid=3)),
        reply(make.write_answer2(len(BODY), mid=3)),
        say(make.close2(FILE, mid=4)),
        reply(make.close_answer2(mid=4)),
    ]
    facts = told(talk)
    assert files(facts) == [("create", "system32\\zdtnx.g", 0, None), ("write", "system32\\zdtnx.g", len(BODY), BODY[:64])]
    assert all(f.share == "\\\\h\\ADMIN$" for f in facts if isinstance(f, SmbFile))


def test_the_first_bytes_may_come_in_small_writes() -> None:
    talk = [*tree2(), say(make.create2("a", mid=2)), reply(make.create_answer2(FILE, mid=2))]
    talk += [say(make.write2(FILE, BODY[i : i + 1], offset=i, mid=3 + i)) for i in range(70)]
    assert files(told(talk))[-1] == ("write", "a", 70, BODY[:64])


def test_refused_writes_are_not_told() -> None:
    talk = [
        *tree2(),
        say(make.create2("a", mid=2)),
        reply(make.create_answer2(FILE, mid=2)),
        say(make.write2(FILE, BODY, mid=3)),
        reply(make.smb2(9, struct.pack("<HHI", 9, 0, 0), mid=3, status=ACCESS_DENIED, answer=True)),
    ]
    assert files(told(talk)) == [("open", "a", 0, None)]


def test_deletes_and_renames() -> None:
    disposition, rename = b"\x01", bytes(16) + struct.pack("<I", 24) + "autorun.inf.".encode("utf-16-le")
    talk = [
        *tree2(),
        say(make.create2("a", mid=2)),
        reply(make.create_answer2(FILE, mid=2)),
        say(make.set_info2(FILE, 10, rename, mid=3)),
        reply(make.smb2(17, struct.pack("<H", 2), mid=3, answer=True)),
        say(make.set_info2(FILE, 13, disposition, mid=4)),
        reply(make.smb2(17, struct.pack("<H", 2), mid=4, answer=True)),
        say(make.close2(FILE, mid=5)),
        reply(make.close_answer2(mid=5)),
    ]
    assert [f[:2] for f in files(told(talk))] == [("open", "a"), ("rename", "autorun.inf."), ("delete", "a")]
    delete = make.smb1((6, struct.pack("<H", 0), b"\x04" + make.text1("\\old.txt", 36)), mid=2)
    move = b"\x04" + make.text1("\\a", 36)
    move += b"\x04" + make.text1("\\b", 32 + 1 + 2 + 2 + len(move) + 1)
    talk = [
        *tree1(),
        say(delete),
        reply(make.plain_answer1(6, mid=2)),
        say(make.smb1((7, struct.pack("<H", 0), move), mid=3)),
        reply(make.plain_answer1(7, mid=3)),
        say(make.smb1((6, struct.pack("<H", 0), b"\x04" + make.text1("\\no", 36)), mid=4)),
        reply(make.smb1((6, b"", b""), mid=4, status=ACCESS_DENIED, answer=True)),
    ]
    assert [f[:2] for f in files(told(talk))] == [("delete", "old.txt"), ("rename", "b")]


def test_directories_are_told_when_made_not_when_opened() -> None:
    talk = [*tree2()]
    for mid, action in ((2, 1), (4, 2)):
        talk += [
            say(make.create2("RECYCLER", mid=mid)),
            reply(make.create_answer2(FILE, action=action, attributes=0x10, mid=mid)),
        ]
    assert [f[:2] for f in files(told(talk))] == [("create", "RECYCLER")]


def test_large_bodies_need_not_be_fed() -> None:
    conversation = SmbConversation()
    for to_server, data in [*tree2(), say(make.create2("a", mid=2)), reply(make.create_answer2(FILE, mid=2))]:
        conversation.feed(to_server, data, STAMP)
    message = make.nbss(make.write2(FILE, b"MZ" + bytes(60_000), mid=3))
    conversation.feed(True, message[:300], STAMP)
    assert conversation.skippable(True) == len(message) - 300
    conversation.gap(True, len(message) - 300)
    answer = make.nbss(make.read_answer2(bytes(60_000), mid=77))
    conversation.feed(False, answer[:300], STAMP)
    assert conversation.skippable(False) == len(answer) - 300
    conversation.close()
    assert files(conversation.take())[-1][:3] == ("write", "a", 60_002)


# Beside tshark --------------------------------------------------------------------------------------------------------

MISSED_BY_TSHARK = {
    # The request echoed in an ioctl's answer is no second request.
    "smb2.pcap": "tshark lists the request a second time, out of the answer's input buffer",
    # DCE/RPC straight on 445 and 1032: tshark goes by the port, `start` by the bytes.
    "dcerpc_synthetic.pcap": "on port 445 tshark expects NetBIOS sessions",
    "mapi.pcap": "tshark guesses another protocol for the connection to port 1032 whose beginning is not in the capture",
}
NAMES = {
    "srvsvc": "4b324fc8-1670-01d3-1278-5a47bf6ee188",
    "atsvc": "1ff70682-0a51-30e8-076d-740be8cee98b",
    "samr": "12345778-1234-abcd-ef00-0123456789ac",
    "lsarpc": "12345778-1234-abcd-ef00-0123456789ab",
    "dssetup": "3919286a-b10c-11d0-9ba8-00c04fd92ef5",
    "epm": "e1af8308-5d1f-11c9-91a4-08002b14a0fa",
    "rpc_netlogon": "12345678-1234-abcd-ef00-01234567cffb",
    "winreg": "338cd001-2244-31f1-aaaa-900038001003",
}
CAPTURES = (
    "zeek/20171220_smb_at_schedule.pcap",
    "zeek/smb/smb2.pcap",
    "zeek/smb/raw_ntlm_in_smb.pcap",
    "zeek/smb/smb2-zero-byte-error-ioctl.pcapng",
    "zeek/smb/smb_many_open_files_500.pcap.gz",
    "zeek/smb/smb_v2_only_non_zero_reserved1.pcap",
    "zeek/smb/fragment-state-exhaustion.pcap",
    "zeek/smb/dssetup_DsRoleGetPrimaryDomainInformation_standalone_workstation.cap",
    "zeek/dce-rpc/20-fids.pcap",
    "zeek/dce-rpc/20-fids-no-close.pcap",
    "zeek/dce-rpc/cs_window7-join_stream092.pcap",
    "zeek/dce-rpc/dce_rpc_netlogon.pcapng",
    "zeek/dce-rpc/kerberos135_auth.pcapng",
    "zeek/dce-rpc/mapi.pcap",
    "arkime/dcerpc_synthetic.pcap",
    "arkime/wireshark-smb-on-windows10.pcap",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURES)
def test_calls_are_those_that_tshark_lists(name: str, corpora: Path) -> None:
    capture = corpora / "captures" / name
    theirs = tshark_calls(capture)
    ours = [(stream.number, call) for stream, _, facts in facts_of(capture) for call in facts if isinstance(call, RpcCall)]
    of_theirs = Counter((call.stream, call.frame, call.opnum) for call in theirs)
    of_ours = Counter((number, call.stamp.frame, call.opnum) for number, call in ours)
    if capture.name not in MISSED_BY_TSHARK:
        assert of_ours == of_theirs
    elif capture.name == "smb2.pcap":
        assert of_theirs - of_ours == Counter([(0, 23, 16)])
        assert of_ours - of_theirs == Counter()
    else:
        assert of_theirs - of_ours == Counter()
        ports = {stream.number: stream.server_port for stream, _, _ in facts_of(capture)}
        assert {ports[number] for number, _, _ in of_ours - of_theirs} <= {445, 1032}
    interfaces = {(number, call.stamp.frame, call.opnum): call.interface for number, call in ours}
    for call in theirs:
        key = call.stream, call.frame, call.opnum
        if call.interface in NAMES and key in interfaces:
            assert interfaces[key] == NAMES[call.interface]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "zeek/smb/smb2.pcap",
        "zeek/smb/raw_ntlm_in_smb.pcap",
        "arkime/smb-smb1-ascii.pcap",
        "arkime/smb-smbclient.pcap",
        "arkime/wireshark-smb-on-windows10.pcap",
        "zeek/smb/smb2_100_small_files.pcap",
    ],
)
def test_users_and_trees_are_those_that_tshark_names(name: str, corpora: Path) -> None:
    capture = corpora / "captures" / name
    command = [
        need_program("tshark"),
        "-r",
        str(capture),
        "-T",
        "fields",
        "-E",
        "occurrence=f",
        "-e",
        "ntlmssp.auth.username",
        "-e",
        "smb.path",
        "-e",
        "smb2.tree",
        "-e",
        "smb.cmd",
        "-e",
        "smb2.cmd",
        "-e",
        "smb.flags.response",
        "-e",
        "smb2.flags.response",
    ]
    rows = [line.split("\t") for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()]
    users = {row[0] for row in rows if row[0] and row[0] != "NULL"}
    # Both dissectors also show the tree on later messages: only tree connects are compared.
    trees = {row[1] for row in rows if row[3].startswith("0x75") and row[1]} | {
        row[2] for row in rows if row[4] == "3" and row[2] and row[6] in ("0", "False")
    }
    facts = [fact for _, _, found in facts_of(capture) for fact in found]
    assert users <= {fact.user for fact in facts if isinstance(fact, SmbLogon)}
    assert trees <= {fact.share for fact in facts if isinstance(fact, SmbShare)}


def test_encrypted_sessions_are_counted(corpora: Path) -> None:
    for name, count in (("smb3.pcap", 44), ("smb311.pcap", 28)):
        ((_, conversation, _),) = facts_of(corpora / "captures/zeek/smb" / name)
        found = inner(conversation)
        assert isinstance(found, SmbConversation)
        assert found.encrypted_messages == count

"""A call through a pipe is the same call whatever it is wrapped in: one fact, the whole stub, the right interface."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import wire_make as make
from wormward.wire import dcerpc, holes, nbss
from wormward.wire.conversation import UNDECIDED, Turned, start
from wormward.wire.dcerpc import RpcConversation
from wormward.wire.facts import Conversation, Fact, RpcCall, SmbFile, Stamp, Unseen
from wormward.wire.http import HttpConversation
from wormward.wire.smb_conversation import SmbConversation

STAMP = Stamp(1, 0, 1)
ATTACK = "\\" + "x" * 60 + "\\..\\..\\ABCDEFG"
STUB = make.canonicalize(ATTACK)
FID = 0x4000
FILE = b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"

Talk = list[tuple[bool, bytes]]


def hear(talk: Talk, conversation: Conversation | None = None, *, step: int = 0) -> list[Fact]:
    """The facts of a talk: (to the server?, bytes) in turn."""
    conversation = conversation or SmbConversation()
    for number, (to_server, data) in enumerate(talk):
        for at in range(0, len(data), step or len(data) or 1):
            conversation.feed(to_server, data[at : at + (step or len(data))], Stamp(number, 0, number))
    conversation.close()
    return conversation.take()


def calls(talk: Talk, conversation: Conversation | None = None) -> list[RpcCall]:
    """The calls of a talk, which must be the same when it comes byte by byte."""
    whole = hear(talk, conversation)
    again = RpcConversation() if isinstance(conversation, RpcConversation) else None
    assert hear(talk, again, step=1) == whole
    return [fact for fact in whole if isinstance(fact, RpcCall)]


def say(*messages: bytes) -> tuple[bool, bytes]:
    """The client says."""
    return True, make.nbss(*messages)


def reply(*messages: bytes) -> tuple[bool, bytes]:
    """The server answers."""
    return False, make.nbss(*messages)


def pipe1(*, wide: bool = True) -> Talk:
    """IPC$ and the pipe opened over SMB1."""
    return [
        say(make.tree_connect1("\\\\10.0.0.2\\IPC$", mid=1, tid=0, wide=wide)),
        reply(make.tree_answer1(mid=1)),
        say(make.create1("\\browser", mid=2, wide=wide)),
        reply(make.create_answer1(FID, kind=2, mid=2)),
    ]


def bound1() -> Talk:
    """The same, and bound."""
    return [
        *pipe1(),
        say(make.write1(FID, make.bind(), mid=3)),
        reply(make.write_answer1(72, mid=3)),
        say(make.read1(FID, mid=4)),
        reply(make.read_answer1(make.bind_answer(), mid=4)),
    ]


def pipe2() -> Talk:
    """IPC$ and the pipe opened over SMB2."""
    return [
        say(make.tree_connect2("\\\\10.0.0.2\\IPC$", mid=1, tid=0)),
        reply(make.tree_answer2(mid=1)),
        say(make.create2("srvsvc", mid=2)),
        reply(make.create_answer2(FILE, mid=2)),
    ]


def bound2() -> Talk:
    """The same, and bound."""
    return [
        *pipe2(),
        say(make.write2(FILE, make.bind(), mid=3)),
        reply(make.write_answer2(72, mid=3)),
        say(make.read2(FILE, mid=4)),
        reply(make.read_answer2(make.bind_answer(), mid=4)),
    ]


def is_the_attack(call: RpcCall, pipe: str | None = "browser") -> None:
    """It is the call that was made, and what it would do."""
    assert (call.pipe, call.interface, call.opnum) == (pipe, make.SRVSVC, 31)
    effect = holes.judge(call.interface, call.opnum, call.byte_order, call.ndr64, call.stub)
    assert (effect.effect, effect.path, effect.step) == ("writes-before", ATTACK, 3)


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Two pieces."""
    return data[: len(data) // 2], data[len(data) // 2 :]


A, B = halves(make.request(STUB))

WAYS_1: dict[str, Callable[[], Talk]] = {
    "TransactNmPipe": lambda: [say(make.trans1(FID, make.request(STUB), mid=9))],
    "TransactNmPipe, ASCII names": lambda: [say(make.trans1(FID, make.request(STUB), mid=9, wide=False))],
    "TransactNmPipe, padded": lambda: [say(make.trans1(FID, make.request(STUB), mid=9, pad=301))],
    "TransactNmPipe named like a mailslot": lambda: [say(make.trans1(FID, make.request(STUB), mid=9, name="\\MAILSLOT\\x"))],
    "Transaction Secondary": lambda: [
        say(make.trans1(FID, A, total=len(A + B), mid=9)),
        reply(make.plain_answer1(0x25, mid=9)),
        say(make.trans_secondary1(B, len(A), len(A + B), mid=9)),
    ],
    "Transaction Secondary, last piece first, first piece empty": lambda: [
        say(make.trans1(FID, b"", total=len(A + B), mid=9)),
        say(make.trans_secondary1(B, len(A), len(A + B), mid=9), make.trans_secondary1(A, 0, len(A + B), mid=9)),
    ],
    "WriteNmPipe transaction": lambda: [say(make.trans1(FID, make.request(STUB), function=0x37, mid=9))],
    "WriteAndX of 14 words": lambda: [say(make.write1(FID, make.request(STUB), mid=9))],
    "WriteAndX of 12 words": lambda: [say(make.write1(FID, make.request(STUB), mid=9, high=False))],
    "WriteAndX, padded": lambda: [say(make.write1(FID, make.request(STUB), mid=9, pad=77))],
    "WriteAndX, raw message start": lambda: [
        say(make.write1(FID, struct.pack("<H", len(A + B)) + A + B, mode=0x0C, mid=9)),
    ],
    "one PDU over many writes": lambda: [
        say(*(make.write1(FID, bytes([byte]), mid=9 + i) for i, byte in enumerate(make.request(STUB)))),
    ],
    "Write": lambda: [say(_write_old(0x0B, make.request(STUB)))],
    "WriteAndUnlock": lambda: [say(_write_old(0x14, make.request(STUB)))],
    "WriteAndClose": lambda: [say(_write_and_close(make.request(STUB))), reply(make.plain_answer1(0x2C, mid=9))],
    "WriteRaw": lambda: [
        say(_write_raw(A, len(A + B))),
        reply(make.plain_answer1(0x1D, mid=9)),
        (True, make.nbss(B)),
    ],
    "NT transaction, FSCTL_PIPE_TRANSCEIVE": lambda: [say(_nt_transceive(make.request(STUB)))],
    "keep-alives and a stray session message between": lambda: [
        (True, make.nbss(b"", kind=0x85) * 3 + make.nbss(b"", kind=0x82)),
        say(make.trans1(FID, make.request(STUB), mid=9)),
        (False, make.nbss(b"", kind=0x85)),
    ],
    "AndX: read behind write": lambda: [say(_write_then_read(make.request(STUB)))],
    "another user and another tree between": lambda: [
        say(make.write1(FID, A, mid=9)),
        say(make.write1(FID + 1, b"\x05\0" + bytes(40), mid=10, uid=7, tid=99)),
        say(make.write1(FID, B, mid=11)),
    ],
}


def _write_old(command: int, data: bytes) -> bytes:
    words = struct.pack("<HHIH", FID, len(data), 0, 0)
    return make.smb1((command, words, b"\x01" + struct.pack("<H", len(data)) + data), mid=9)


def _write_and_close(data: bytes) -> bytes:
    return make.smb1((0x2C, struct.pack("<HHII", FID, len(data), 0, 0), b"\0" + data), mid=9)


def _write_raw(data: bytes, total: int) -> bytes:
    words = struct.pack("<HHHIIHIHH", FID, total, 0, 0, 0, 0, 0, len(data), 32 + 1 + 24 + 2)
    return make.smb1((0x1D, words, data), mid=9)


def _nt_transceive(data: bytes) -> bytes:
    start = 32 + 1 + 46 + 2
    setup = struct.pack("<IHBB", 0x11C017, FID, 1, 0)
    words = struct.pack("<BHIIIIIIIIBH", 0, 0, 0, len(data), 0, 1024, 0, start, len(data), start, 4, 2) + setup
    return make.smb1((0xA0, words, data), mid=9)


def _write_then_read(data: bytes) -> bytes:
    start = 32 + 1 + 28 + 2
    read = struct.pack("<HIHHIH", FID, 0, 1024, 0, 0, 0) + bytes(4)
    return make.smb1((0x2F, make.write1_words(FID, len(data), start), data), (0x2E, read, b""), mid=9)


@pytest.mark.parametrize("way", WAYS_1)
def test_over_smb1(way: str) -> None:
    (call,) = calls([*bound1(), *WAYS_1[way]()])
    is_the_attack(call)
    assert call.outcome == "unanswered"


@pytest.mark.parametrize("way", WAYS_1)
def test_over_smb1_the_answer_is_found(way: str) -> None:
    talk = [
        *bound1(),
        *WAYS_1[way](),
        say(make.read1(FID, mid=77)),
        reply(make.read_answer1(make.response(b"\0\0\0\0\x7b\0\0\0"), mid=77)),
    ]
    (call,) = calls(talk)
    if way != "WriteAndClose":
        assert (call.outcome, call.result) == ("answered", 123)


WAYS_2: dict[str, Callable[[], Talk]] = {
    "Ioctl transceive": lambda: [say(make.ioctl2(FILE, make.request(STUB), mid=9))],
    "Write": lambda: [say(make.write2(FILE, make.request(STUB), mid=9))],
    "Write, padded": lambda: [say(make.write2(FILE, make.request(STUB), mid=9, pad=200))],
    "one PDU over many writes": lambda: [
        say(*(make.write2(FILE, bytes([byte]), mid=9 + i) for i, byte in enumerate(make.request(STUB)))),
    ],
    "compound of writes": lambda: [say(make.compound2(make.write2(FILE, A, mid=9), make.write2(FILE, B, mid=10), related=False))],
    "compound, related": lambda: [say(make.compound2(make.write2(FILE, A, mid=9), make.write2(make.ANY, B, mid=10)))],
    "compound behind something else of the same file": lambda: [
        say(make.compound2(_query(FILE, 8), make.write2(make.ANY, A, mid=9), make.write2(make.ANY, B, mid=10)))
    ],
    "halves in write and ioctl": lambda: [say(make.write2(FILE, A, mid=9)), say(make.ioctl2(FILE, B, mid=10))],
}


def _query(fid: bytes, mid: int) -> bytes:
    return make.smb2(16, struct.pack("<HBBIHHIII16s", 41, 1, 5, 24, 0, 0, 0, 0, 0, fid) + b"\0", mid=mid)


@pytest.mark.parametrize("way", WAYS_2)
def test_over_smb2(way: str) -> None:
    (call,) = calls([*bound2(), *WAYS_2[way]()])
    is_the_attack(call, "srvsvc")


def test_everything_in_one_compound() -> None:
    """Create, bind and call in one message, before the server said a word."""
    together = make.compound2(
        make.create2("browser", mid=3),
        make.write2(make.ANY, make.bind(), mid=4),
        make.ioctl2(make.ANY, make.request(STUB), mid=5),
        make.close2(make.ANY, mid=6),
    )
    answers = make.compound2(
        make.create_answer2(FILE, mid=3),
        make.write_answer2(72, mid=4),
        make.ioctl_answer2(FILE, make.response(b"\x57\0\0\0"), mid=5),
        make.close_answer2(mid=6),
    )
    (call,) = calls([*pipe2()[:2], say(together), reply(answers)])
    is_the_attack(call)
    assert (call.outcome, call.result) == ("answered", 87)


def test_everything_in_one_andx_chain() -> None:
    """Tree connect, open and write chained in one SMB1 message."""
    tree = struct.pack("<HH", 0, 1), b"\0\0" + make.text1("\\\\h\\IPC$", 0) + b"IPC\0"
    at = 32 + 1 + 8 + 2 + len(tree[1])
    path = make.text1("\\browser", at + 1 + 48 + 2)
    create = make.create1_words(len(path)), path
    at += 1 + 48 + 2 + len(path)
    pdus = make.bind() + make.request(STUB)
    write = make.write1_words(0xFFFF, len(pdus), at + 1 + 28 + 2), pdus
    (call,) = calls([say(make.smb1((0x75, *tree), (0xA2, *create), (0x2F, *write)))])
    assert call.interface == make.SRVSVC
    assert call.stub == STUB


def test_an_answer_may_come_late_and_in_pieces() -> None:
    result = make.response(b"\0" * 40 + b"\x7b\0\0\0")
    pending = make.smb2(11, struct.pack("<HBBII", 9, 0, 0, 0, 0), mid=9, answer=True, status=0x103, flags=2)
    talk = [
        *bound2(),
        say(make.ioctl2(FILE, make.request(STUB), mid=9)),
        reply(pending),
        reply(make.ioctl_answer2(FILE, result[:30], mid=9, status=0x80000005)),
        say(make.read2(FILE, mid=10)),
        reply(make.read_answer2(result[30:], mid=10)),
    ]
    (call,) = calls(talk)
    assert (call.outcome, call.result) == ("answered", 123)
    one = [
        *bound1(),
        say(make.trans1(FID, make.request(STUB), mid=9)),
        reply(make.trans_answer1(result[:30], total=len(result), mid=9)),
        reply(make.trans_answer1(result[30:], total=len(result), displacement=30, mid=9)),
    ]
    (call,) = calls(one)
    assert (call.outcome, call.result) == ("answered", 123)


# DCE/RPC itself, over plain TCP: what the pipe would carry -------------------------------------------------------------


def rpc(*pdus: bytes, answers: bytes = b"") -> list[RpcCall]:
    """Calls of PDUs from the client, then the server's answers."""
    return calls([(True, b"".join(pdus)), (False, answers)], RpcConversation())


def one(found: list[RpcCall]) -> RpcCall:
    """The only call, with the whole stub."""
    (call,) = found
    assert call.stub == STUB
    return call


@pytest.mark.parametrize("step", [1, 2, 7, 100, 10_000])
def test_fragments_of_any_size(step: int) -> None:
    assert one(rpc(make.bind(), *make.fragments(STUB, step))).interface == make.SRVSVC


def test_flags_objects_trailers() -> None:
    trailer = bytes([10, 2, 3, 0, 0, 0, 0, 0]) + b"T" * 16
    assert one(rpc(make.bind(flags=0), make.request(STUB))).interface == make.SRVSVC
    assert one(rpc(make.bind(), make.request(STUB, thing=True)))
    assert one(rpc(make.bind(), make.request(STUB + b"pad", auth=trailer)))
    lying = make.request(STUB)
    lying = lying[:10] + b"\xff\xff" + lying[12:]  # a trailer longer than the PDU
    assert one(rpc(make.bind(), lying))


def test_a_request_before_its_bind_is_answered_and_after_a_refusal() -> None:
    assert one(rpc(make.bind(), make.request(STUB), answers=make.bind_answer())).interface == make.SRVSVC
    nak = make.pdu(13, b"\0\0\0", call=1)
    assert one(rpc(make.bind(), make.request(STUB), answers=nak)).interface == make.SRVSVC


def test_many_contexts_and_the_one_that_was_meant() -> None:
    contexts = [(n, make.WKSSVC, (make.NDR,)) for n in range(40)] + [(77, make.SRVSVC, (make.NDR,))]
    assert one(rpc(make.bind(contexts), make.request(STUB, context=77))).interface == make.SRVSVC
    assert one(rpc(make.bind(contexts), make.request(STUB, context=3))).interface == make.WKSSVC
    assert one(rpc(make.bind(contexts), make.request(STUB, context=99))).interface is None


def test_alter_context_and_second_bind() -> None:
    first = make.bind([(0, make.WKSSVC, (make.NDR,))])
    alter = make.bind([(1, make.SRVSVC, (make.NDR,))], kind=14, call=5)
    assert one(rpc(first, alter, make.request(STUB, context=1, call=6))).interface == make.SRVSVC
    second = make.bind([(0, make.SRVSVC, (make.NDR,))], call=5)
    assert one(rpc(first, second, make.request(STUB, call=6))).interface == make.SRVSVC


def test_a_refused_redefinition_does_not_hide_the_interface() -> None:
    for _ in range(2):
        alters = [make.bind([(0, make.WKSSVC, (make.NDR,))], kind=14, call=5 + i) for i in range(9)]
        refused = b"".join(make.bind_answer([(2, make.NDR)], kind=15, call=5 + i) for i in range(9))
        talk = [(True, make.bind()), (False, make.bind_answer()), (True, b"".join(alters)), (False, refused)]
        talk.append((True, make.request(STUB, call=30)))
        assert one(calls(talk, RpcConversation())).interface == make.SRVSVC


@pytest.mark.parametrize("big", [False, True])
def test_byte_orders_and_syntaxes(big: bool) -> None:
    stub = make.canonicalize(ATTACK, big=big)
    (call,) = rpc(make.bind(big=big), make.request(stub, big=big))
    is_the_attack(call, None)
    assert call.byte_order == ("big" if big else "little")
    stub = make.canonicalize(ATTACK, big=big, ndr64=True)
    (call,) = rpc(make.bind([(0, make.SRVSVC, (make.NDR64,))], big=big), make.request(stub, big=big))
    is_the_attack(call, None)
    assert call.ndr64
    # Both offered: the answer decides.
    both = make.bind([(0, make.SRVSVC, (make.NDR, make.NDR64))], big=big)
    (call,) = rpc(both, make.request(stub, big=big), answers=make.bind_answer([(0, make.NDR64)]))
    is_the_attack(call, None)


def test_calls_in_flight_do_not_mix() -> None:
    first, second = make.fragments(STUB, 50, call=2), make.fragments(STUB[::-1], 40, call=3)
    mixed = [pdu for pair in zip(first, second, strict=False) for pdu in pair] + first[len(second) :] + second[len(first) :]
    found = rpc(make.bind(), *mixed, answers=make.fault(0x1C010003, call=3) + make.response(b"\x02\0\0\0", call=2))
    assert {(c.stub, c.outcome, c.result) for c in found} == {(STUB[::-1], "fault", 0x1C010003), (STUB, "answered", 2)}


def test_rubbish_between_is_passed_over() -> None:
    assert one(rpc(make.bind(), b"\x07rubbish" * 30, make.request(STUB))).interface == make.SRVSVC
    assert one(rpc(make.request(STUB))).interface is None
    half = make.request(STUB)[30:]
    assert one(rpc(half, make.bind(), make.request(STUB))).interface == make.SRVSVC


def test_a_gap_costs_one_call() -> None:
    conversation = RpcConversation()
    whole = make.request(STUB, call=7)
    conversation.feed(True, make.bind() + whole[:50], STAMP)
    conversation.gap(True, 20)
    conversation.feed(True, whole[70:] + make.request(STUB, call=8), STAMP)
    conversation.close()
    (call,) = conversation.take()
    assert isinstance(call, RpcCall)
    assert (call.stub, call.interface) == (STUB, make.SRVSVC)


def test_a_long_stub_is_bounded() -> None:
    fragment = b"s" * 60_000
    pdus = [make.request(fragment, flags=1)] + [make.request(fragment, flags=0)] * 30 + [make.request(b"end", flags=2)]
    conversation = RpcConversation()
    conversation.feed(True, b"".join([make.bind(), *pdus, make.request(STUB, call=9)]), STAMP)
    conversation.close()
    first, second = conversation.take()
    assert isinstance(first, RpcCall)
    assert isinstance(second, RpcCall)
    assert len(first.stub) == dcerpc.MOST_STUB
    assert second.stub == STUB


def test_unfinished_calls_are_bounded_and_counted() -> None:
    conversation = RpcConversation()
    conversation.feed(True, make.bind(), STAMP)
    for call in range(1000):
        conversation.feed(True, make.request(b"x" * 1000, call=call + 10, flags=1), STAMP)
    conversation.feed(True, b"".join(make.fragments(STUB, 50, call=5000)), STAMP)
    conversation.close()
    call, left_out = conversation.take()
    assert isinstance(call, RpcCall)
    assert call.stub == STUB
    assert conversation.rpc.dropped == 1000 - dcerpc.MOST_CALLS + 1
    assert left_out == Unseen(STAMP, "dropped", conversation.rpc.dropped)


# SMB around it --------------------------------------------------------------------------------------------------------


def test_a_pipe_is_known_without_its_create() -> None:
    """From the middle of a connection: nothing but the bind and the call."""
    one_ = [say(make.write1(FID, make.bind(), mid=3)), say(make.trans1(FID, make.request(STUB), mid=9))]
    (call,) = calls(one_)
    assert (call.interface, call.stub) == (make.SRVSVC, STUB)
    two = [say(make.write2(FILE, make.bind(), mid=3)), say(make.write2(FILE, make.request(STUB), mid=9))]
    (call,) = calls(two)
    assert (call.interface, call.stub) == (make.SRVSVC, STUB)


def test_a_pipe_written_byte_by_byte_is_known_without_its_create() -> None:
    data = make.bind() + make.request(STUB)
    (call,) = calls([say(*(make.write2(FILE, bytes([byte]), mid=3 + i) for i, byte in enumerate(data)))])
    assert (call.interface, call.stub) == (make.SRVSVC, STUB)


def test_a_file_that_looks_like_a_call_is_a_file_where_the_share_is_known() -> None:
    talk = [
        say(make.tree_connect2("\\\\h\\DATA", mid=1, tid=0)),
        reply(make.tree_answer2(1, mid=1)),
        say(make.create2("srvsvc", mid=2)),
        reply(make.create_answer2(FILE, mid=2)),
        say(make.write2(FILE, make.bind() + make.request(STUB), mid=3)),
        reply(make.write_answer2(72, mid=3)),
    ]
    assert calls(talk) == []
    assert [fact.action for fact in hear(talk) if isinstance(fact, SmbFile)] == ["open", "write"]


def test_a_fid_may_be_used_again_for_something_else() -> None:
    talk = [
        *bound1(),
        say(make.close1(FID, mid=20)),
        reply(make.plain_answer1(0x04, mid=20)),
        say(make.create1("\\srvsvc", mid=21)),
        reply(make.create_answer1(FID, kind=2, mid=21)),
        say(make.write1(FID, make.bind([(0, make.WKSSVC, (make.NDR,))]), mid=22)),
        say(make.trans1(FID, make.request(STUB), mid=23)),
    ]
    (call,) = calls(talk)
    assert (call.pipe, call.interface) == ("srvsvc", make.WKSSVC)


def test_a_write_that_the_server_refuses_is_not_part_of_a_call() -> None:
    """Insertion: half a PDU under a user that does not exist must not swallow the real one behind it."""
    bait = make.request(bytes(3000))[:100]
    refused = 0x005B0002  # STATUS_SMB_BAD_UID as servers send it, an error class and code
    for one_ in (True, False):
        talk = bound1() if one_ else bound2()
        if one_:
            talk += [
                say(make.write1(FID, bait, mid=30, uid=666)),
                reply(make.smb1((0x2F, b"", b""), mid=30, status=refused, answer=True, flags2=0)),
                say(make.trans1(FID, make.request(STUB), mid=31)),
            ]
        else:
            talk += [
                say(make.write2(FILE, bait, mid=30)),
                reply(make.smb2(9, bytes(8), mid=30, status=0xC0000203, answer=True)),
                say(make.ioctl2(FILE, make.request(STUB), mid=31)),
            ]
        (call,) = calls(talk)
        is_the_attack(call, "browser" if one_ else "srvsvc")


def test_each_pipe_has_its_own_contexts() -> None:
    other = FID + 1
    talk = [
        *bound1(),
        say(make.create1("\\wkssvc", mid=21)),
        reply(make.create_answer1(other, kind=2, mid=21)),
        say(make.write1(other, make.bind([(0, make.WKSSVC, (make.NDR,))]), mid=22)),
        say(make.trans1(FID, make.request(STUB), mid=23)),
        say(make.trans1(other, make.request(STUB), mid=24)),
    ]
    assert [(call.pipe, call.interface) for call in calls(talk)] == [("browser", make.SRVSVC), ("wkssvc", make.WKSSVC)]


def test_encrypted_and_compressed_messages_are_counted() -> None:
    conversation = SmbConversation()
    sealed = b"\xfdSMB" + bytes(48) + b"\xfeSMB" + bytes(60)
    hear([*bound2(), say(sealed), reply(sealed), say(b"\xfcSMB" + bytes(40))], conversation)
    assert (conversation.encrypted_messages, conversation.compressed_messages) == (2, 1)


def test_a_gap_in_a_message_costs_that_message() -> None:
    for bound, message in (
        (bound1, lambda mid: make.nbss(make.trans1(FID, make.request(STUB), mid=mid))),
        (bound2, lambda mid: make.nbss(make.ioctl2(FILE, make.request(STUB), mid=mid))),
    ):
        for missing in (1, 40, 150):
            conversation = SmbConversation()
            for to_server, data in bound():
                conversation.feed(to_server, data, STAMP)
            damaged = message(30)
            conversation.feed(True, damaged[:60], STAMP)
            conversation.gap(True, missing)
            conversation.feed(True, damaged[60 + missing :] + message(31), STAMP)
            conversation.close()
            found = [fact for fact in conversation.take() if isinstance(fact, RpcCall)]
            assert [(call.interface, call.stub) for call in found] == [(make.SRVSVC, STUB)]
            assert conversation.resyncs == 0


def test_a_gap_over_a_boundary_finds_the_next_message() -> None:
    conversation = SmbConversation()
    for to_server, data in bound2():
        conversation.feed(to_server, data, STAMP)
    conversation.gap(True, 5000)
    following = make.nbss(make.ioctl2(FILE, make.request(STUB), mid=31))
    for byte in b"rest of something" + following:
        conversation.feed(True, bytes([byte]), STAMP)
    conversation.close()
    (call,) = (fact for fact in conversation.take() if isinstance(fact, RpcCall))
    assert (call.interface, call.stub) == (make.SRVSVC, STUB)
    assert conversation.resyncs == 1


def test_a_netbios_session_comes_first_on_139() -> None:
    name = b" " + b"CK" * 16 + b"\0"
    talk: Talk = [(True, make.nbss(name + name, kind=0x81)), (False, make.nbss(b"", kind=0x82)), *bound1()]
    talk.append(say(make.trans1(FID, make.request(STUB), mid=9)))
    chosen = start(talk[0][1], b"", 139)
    assert isinstance(chosen, SmbConversation)
    (call,) = calls(talk)
    is_the_attack(call)


def test_the_one_who_asks_may_be_the_server_of_the_flow() -> None:
    """From the middle of a flow that the caller holds the wrong way round; on 139 and 445 the port says who serves."""
    for data, port in (
        (make.bind(), 49152),
        (make.nbss(make.smb2(0, bytes(36), mid=0)), 4444),
        (b"GET / HTTP/1.0\r\n\r\n", 4444),
    ):
        assert isinstance(start(b"", data, port), Turned)
        assert not isinstance(start(data, b"", port), Turned)
    assert isinstance(start(b"", make.nbss(make.smb2(0, bytes(36), mid=0)), 445), SmbConversation)
    turned = start(b"", make.bind(), 49152)
    assert isinstance(turned, Turned)
    turned.feed(False, make.bind() + make.request(STUB), STAMP)
    turned.feed(True, make.bind_answer() + make.response(b"\x57\0\0\0"), STAMP)
    turned.close()
    (call,) = turned.take()
    assert isinstance(call, RpcCall)
    assert (call.stub, call.interface, call.result) == (STUB, make.SRVSVC, 87)


def test_rpc_over_http_greets_first() -> None:
    assert start(b"", b"ncacn_http/1.0", 593) is UNDECIDED
    conversation = start(make.bind(), b"ncacn_http/1.0", 593)
    assert isinstance(conversation, RpcConversation)
    talk = [
        (False, b"ncacn_http/1.0"),
        (True, make.bind()),
        (False, make.bind_answer()),
        (True, make.request(STUB)),
        (False, make.response()),
    ]
    (call,) = calls(talk, conversation)
    assert (call.interface, call.outcome) == (make.SRVSVC, "answered")


def test_what_speaks_something_else_is_left_alone() -> None:
    for client in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"SSH-2.0-x\r\n",
        b"EHLO there\r\n",
        b"\x13BitTorrent protocol",
        b"USER a\r\n",
    ):
        assert start(client, b"", 4444) is None
    for client in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"SSH-2.0-x\r\n"):
        assert start(client, b"", 80) is None
    for client in (b"", b"GE", b"\0", b"\x05\0", b"\x05\0\x0b\x03\x10\0\0", b"FROB /x HT"):
        assert start(client, b"", 4444) is UNDECIDED
    assert isinstance(start(b"FROB /x HTTP/1.1\r\n", b"", 4444), HttpConversation)


def test_opened_things_are_bounded() -> None:
    conversation = SmbConversation()
    count = 20_000
    for at in range(count):
        conversation.feed(True, make.nbss(make.write2(at.to_bytes(16, "little"), b"\x05", mid=at)), STAMP)
    assert len(conversation.session.opened) <= 16384
    conversation.close()
    assert sum(isinstance(fact, SmbFile) for fact in conversation.take()) == count


@given(st.lists(st.integers(1, 400), max_size=12), st.sampled_from(["smb1", "smb2"]))
@settings(max_examples=60, deadline=None)
def test_cut_anywhere(cuts: list[int], protocol: str) -> None:
    talk = [*bound1(), *WAYS_1["TransactNmPipe"]()] if protocol == "smb1" else [*bound2(), *WAYS_2["compound, related"]()]
    whole = hear(talk)
    conversation = SmbConversation()
    for number, (to_server, data) in enumerate(talk):
        at = 0
        for cut in [*cuts, len(data)]:
            conversation.feed(to_server, data[at : at + cut], Stamp(number, 0, number))
            at += cut
    conversation.close()
    assert conversation.take() == whole


def test_zero_filled_and_endless_messages_are_cheap() -> None:
    conversation = SmbConversation()
    conversation.feed(True, bytes(10_000_000), STAMP)
    conversation.feed(True, b"\0\xff\xff\xff\xffSMB" + bytes(2_000_000), STAMP)
    assert conversation.skippable(True) > 0
    conversation.close()
    assert nbss.find_start(b"SMB" * 100_000) == -1

"""Truncated, mutated and random bytes: no decoder raises, none keeps more than it says, none gets slow."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import wire_make as make
from tests.test_wire_calls import FILE, WAYS_1, WAYS_2, Talk, bound1, bound2, say
from tests.test_wire_http import ANSWERS, PIECES
from tests.test_wire_smb import BODY, setup1, setup2, tree1, tree2
from wormward.wire import budget, dcerpc, http, nbss
from wormward.wire.conversation import UNDECIDED, Turned, start
from wormward.wire.dcerpc import RpcConversation
from wormward.wire.facts import Conversation, Stamp, Unseen
from wormward.wire.http import HttpConversation
from wormward.wire.smb_conversation import SmbConversation

STAMP = Stamp(0, 0, 0)

TALKS: list[Talk] = [
    *([*bound1(), *way()] for way in WAYS_1.values()),
    *([*bound2(), *way()] for way in WAYS_2.values()),
    [say(setup1(make.ntlm(3, "Bob", "CORP"), mid=1)), say(setup2(make.ntlm(3, "Bob", "CORP"), mid=1))],
    [*tree1(), *tree2(), say(make.write2(FILE, BODY, mid=3)), say(make.write1(7, BODY, mid=3))],
    [(True, piece) for piece in PIECES] + [(False, piece) for piece in ANSWERS],
    [
        (True, make.bind()),
        (False, make.bind_answer()),
        *((True, f) for f in make.fragments(make.canonicalize("\\a\\..\\..\\b"), 20)),
    ],
    [
        (True, make.bind([(i, make.SRVSVC, (make.NDR, make.NDR64)) for i in range(9)])),
        (False, make.fault(5)),
        (False, make.response()),
    ],
]
KINDS = [SmbConversation, RpcConversation, HttpConversation]


def held(conversation: Conversation) -> int:
    """Bytes of incomplete things that a decoder keeps."""
    if isinstance(conversation, SmbConversation):
        pipes = [file.rpc for file in conversation.session.opened.values() if file.rpc is not None]
        own = len(conversation._client._held) + len(conversation._server._held)
        return own + sum(held_by_pipe(pipe) for pipe in pipes)
    if isinstance(conversation, RpcConversation):
        return held_by_pipe(conversation.rpc)
    assert isinstance(conversation, HttpConversation)
    return len(conversation._client.held) + len(conversation._server.held)


def held_by_pipe(pipe: dcerpc.Rpc) -> int:
    parts = sum(len(part) for call in pipe._calls.values() for part in call.parts)
    parts += sum(len(call.fact.stub) for call in pipe._calls.values() if call.fact is not None)
    return parts + len(pipe._client.held) + len(pipe._server.held)


def run(kind: type, talk: Talk, gaps: random.Random | None = None) -> None:
    conversation = kind()
    for to_server, data in talk:
        conversation.feed(to_server, data, STAMP)
        if gaps is not None and gaps.random() < 0.2:
            conversation.gap(to_server, gaps.choice([1, 10, 1000, 100_000]))
        assert conversation.skippable(to_server) >= 0
    assert held(conversation) <= sum(len(data) for _, data in talk)
    conversation.close()
    conversation.take()


def mutants(chance: random.Random, talk: Talk) -> Iterator[Talk]:
    """The talk with bytes changed, cut out, doubled, or one message cut short."""
    for _ in range(6):
        at = chance.randrange(len(talk))
        to_server, data = talk[at]
        if not data:
            continue
        raw = bytearray(data)
        what = chance.randrange(5)
        place = chance.randrange(len(raw))
        if what == 0:
            for _ in range(chance.randrange(1, 6)):
                raw[chance.randrange(len(raw))] = chance.choice([0, 1, 0xFF, 0x7F, 0x80, chance.randrange(256)])
        elif what == 1:
            del raw[place : place + chance.randrange(1, 40)]
        elif what == 2:
            raw[place:place] = raw[max(0, place - 30) : place]
        elif what == 3:
            del raw[place:]
        else:
            size = chance.choice([2, 4, 8])
            raw[place : place + size] = chance.choice([b"\0" * size, b"\xff" * size, b"\xff\xff\xff\x7f\0\0\0\0"[:size]])
        yield [*talk[:at], (to_server, bytes(raw)), *talk[at + 1 :]]


@pytest.mark.parametrize("seed", range(8))
def test_mutated_messages(seed: int) -> None:
    chance = random.Random(seed)
    for talk in TALKS:
        for mutant in mutants(chance, talk):
            for kind in KINDS:
                run(kind, mutant, chance)


@pytest.mark.parametrize("index", range(len(TALKS)))
def test_every_truncation(index: int) -> None:
    talk = TALKS[index]
    to_server, last = talk[-1]
    for size in range(0, len(last), max(1, len(last) // 200)):
        for kind in KINDS:
            run(kind, [*talk[:-1], (to_server, last[:size])])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=8))
@settings(max_examples=300, deadline=None)
def test_random_bytes(talk: Talk) -> None:
    for kind in KINDS:
        run(kind, talk)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=120)), max_size=6), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_bodies_behind_good_headers(commands: list[tuple[int, bytes]], to_server: bool, second: bool) -> None:
    if second:
        messages = [make.smb2(command % 19, body, mid=mid, answer=not to_server) for mid, (command, body) in enumerate(commands)]
    else:
        messages = [
            make.smb1((command, body[: len(body) & ~1], body), mid=mid, answer=not to_server)
            for mid, (command, body) in enumerate(commands)
        ]
    talk = [*bound2(), *bound1(), (to_server, make.nbss(*messages))]
    run(SmbConversation, talk)
    first, again = SmbConversation(), SmbConversation()
    for way, data in talk:
        first.feed(way, data, STAMP)
        for at in range(len(data)):
            again.feed(way, data[at : at + 1], STAMP)
    first.close()
    again.close()
    assert first.take() == again.take()


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([80, 135, 139, 445, 4444]))
@settings(max_examples=300, deadline=None)
def test_any_first_bytes_are_decided_upon(client: bytes, server: bytes, port: int) -> None:
    chosen = start(client, server, port)
    if chosen is UNDECIDED or chosen is None:
        return
    decoder = chosen.inner if isinstance(chosen, Turned) else chosen
    chosen.feed(True, client, STAMP)
    chosen.feed(False, server, STAMP)
    chosen.close()
    chosen.take()
    assert type(decoder) in KINDS


SLOW_BEFORE = [
    b"\0",
    b"\0\0\0",
    b"SMB",
    b"\0\0\1\0\xffSMB",
    b"\0\0\0\x40\xfeSMB",
    b"\x85\0\0\0",
    b"\x05",
    b"\x05\0\0\x03\x10\0\0\0\0\0",
    b"\x05\0\x0b\x03\x10\0\0\0\x10\0\0\0\1\0\0\0",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b" HTTP/1.1",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 \r\n\r\n",
    b"\n",
    b"\r\n",
    b"1\r\nx\r\n",
    b"a:\n",
    b"GET ",
]


@pytest.mark.parametrize("pattern", SLOW_BEFORE)
@pytest.mark.parametrize("kind", KINDS)
def test_repeated_patterns_take_time_in_proportion(pattern: bytes, kind: type) -> None:
    """Half a megabyte of anything, whole and in segments, takes seconds at most and little memory."""
    data = pattern * (500_000 // len(pattern))
    begin = time.process_time()
    for step in (len(data), 1460, 50):
        conversation = kind()
        for at in range(0, len(data), step):
            for to_server in (True, False):
                conversation.feed(to_server, data[at : at + step], STAMP)
            conversation.take()
        assert held(conversation) < 2 * nbss.MOST_MESSAGE + 4 * http.MOST_HEAD
    assert time.process_time() - begin < 20


def test_calls_in_flight_on_many_pipes_share_one_budget() -> None:
    """A gigabyte of unfinished and unanswered calls over 200 pipes: a few MiB stay, and what was complete is told."""
    conversation = SmbConversation()
    chunk = b"s" * 60_000
    whole, part = make.request(chunk, call=5), make.request(chunk, call=6, flags=1)
    for mid in range(200):
        fid = mid.to_bytes(16, "little")
        conversation.feed(True, make.nbss(make.write2(fid, make.bind(), mid=mid)), STAMP)
        for turn in range(20):
            again = [bytearray(whole), bytearray(part), bytearray(whole[:50_000])]
            for raw in again:
                raw[12:16] = (turn + 10).to_bytes(4, "little")
            for raw in again[: 3 if turn == 19 else 2]:
                conversation.feed(True, make.nbss(make.write2(fid, bytes(raw), mid=mid)), STAMP)
            assert conversation.held <= budget.MOST_HELD + 2 * nbss.MOST_MESSAGE
    assert held(conversation) <= budget.MOST_HELD + 2 * nbss.MOST_MESSAGE
    told = len(conversation.take())
    conversation.close()
    *calls, left_out = conversation.take()
    assert told + len(calls) == 200 * 20
    assert isinstance(left_out, Unseen)
    assert (left_out.what, left_out.count) == ("dropped", conversation.session.dropped)
    assert conversation.held == 0


def test_displacements_cost_no_memory() -> None:
    """Tiny transactions that claim to write far into a large buffer."""
    conversation = SmbConversation()
    for mid in range(64):
        conversation.feed(True, make.nbss(make.trans1(7, b"\5", total=60_000, mid=mid)), STAMP)
        conversation.feed(True, make.nbss(make.trans_secondary1(b"x", 59_000, 60_000, mid=mid)), STAMP)
    assert conversation.held < 64 * 60_000
    conversation.close()


def test_a_flood_of_everything_stays_bounded() -> None:
    conversation = SmbConversation()
    for mid in range(30_000):
        conversation.feed(True, make.nbss(make.tree_connect2("\\\\h\\S", mid=mid, tid=mid)), STAMP)
        conversation.feed(True, make.nbss(make.trans1(mid & 0xFFFF, b"\5", total=60_000, mid=mid & 0xFFFF)), STAMP)
    facts = conversation.take()
    assert len(conversation._two._pending) <= 8192
    assert len(conversation._one._handlers) < 40
    assert sys.getsizeof(facts) < 10**6
    conversation.close()

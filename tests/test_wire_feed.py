"""The same bytes give the same facts, whole or one at a time, and whether or not the caller skips what it may."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.wire_help import Event, Stream, decoder, feed, streams
from wormward.wire.conversation import start
from wormward.wire.facts import Fact, SmbFile, Unseen
from wormward.wire.smb_conversation import SmbConversation

FOLDERS = ("zeek/smb", "zeek/dce-rpc", "zeek/http", "zeek/tcp", "arkime")
pytestmark = pytest.mark.slow  # a minute of tshark to take the corpora apart
QUICK = 20_000  # streams up to so many bytes are fed in every way, larger ones in large pieces


@pytest.fixture(scope="module")
def everything(corpora: Path) -> list[tuple[str, Stream]]:
    """Every stream of the corpora that some decoder takes."""
    files = [
        f
        for folder in FOLDERS
        for f in sorted((corpora / "captures" / folder).iterdir())
        if ".pcap" in f.name or f.suffix == ".cap"
    ]
    return [(file.name, stream) for file in files for stream in streams(file) if decoder(stream) is not None]


def _facts(stream: Stream, **how: object) -> list[Fact]:
    conversation = decoder(stream)
    assert conversation is not None
    return feed(conversation, stream.events, **how)  # type: ignore[arg-type]


def test_every_stream_of_the_corpora_in_every_way(everything: list[tuple[str, Stream]]) -> None:
    some = 0
    for name, stream in everything:
        whole = _facts(stream)
        some += bool(whole)
        size = sum(len(event.data) for event in stream.events)
        for step in (1, 7, 1460) if size <= QUICK else (97, 1460):
            assert _facts(stream, step=step) == whole, (name, stream.number, step)
            assert _facts(stream, step=step, skip=True) == whole, (name, stream.number, step, "skipping")
        assert _facts(stream, skip=True) == whole, (name, stream.number)
    assert some > 60


def test_runs_of_one_direction_may_be_joined(everything: list[tuple[str, Stream]]) -> None:
    for name, stream in everything:
        joined: list[Event] = []
        for event in stream.events:
            last = joined[-1] if joined else None
            if last is not None and last.to_server == event.to_server and not event.missing and not last.missing:
                joined[-1] = Event(last.to_server, last.data + event.data, last.frame)
            else:
                joined.append(event)
        conversation = decoder(stream)
        assert conversation is not None

        def bare(facts: list[Fact]) -> list[str]:
            return [repr(fact).split("), ", 1)[1] for fact in facts]

        assert bare(feed(conversation, joined)) == bare(_facts(stream)), (name, stream.number)


def test_gaps_anywhere_cost_only_what_they_cover(everything: list[tuple[str, Stream]]) -> None:
    """Lose one random piece of each stream: no exception, and what is told of untouched connections stays sane."""
    chance = random.Random(445)
    for _, stream in everything:
        whole = _facts(stream)
        for _ in range(4):
            events = list(stream.events)
            at = chance.randrange(len(events))
            lost = events[at]
            if not lost.data:
                continue
            cut = chance.randrange(len(lost.data))
            size = chance.randrange(1, len(lost.data) - cut + 1)
            events[at : at + 1] = [
                Event(lost.to_server, lost.data[:cut], lost.frame),
                Event(lost.to_server, b"", lost.frame, size),
                Event(lost.to_server, lost.data[cut + size :], lost.frame),
            ]
            conversation = decoder(stream)
            assert conversation is not None
            facts = feed(conversation, events)
            if isinstance(conversation, SmbConversation):
                # A file whose create was lost is told without its name; nothing else may come out of nowhere, but that
                # the thread was lost.
                others = [[f for f in told if not isinstance(f, SmbFile | Unseen)] for told in (facts, whole)]
                assert len(others[0]) <= len(others[1])


def test_a_connection_that_begins_in_its_middle_is_found(everything: list[tuple[str, Stream]]) -> None:
    """Cut off the first third of the events: what is told is a part of what the whole tells."""
    found = 0
    for _, stream in everything:
        late = Stream(stream.number, stream.client, stream.server, stream.server_port, stream.events[len(stream.events) // 3 :])
        if not late.events or decoder(late) is None:
            continue
        found += bool(_facts(late))
    assert found > 40


def test_the_decoder_is_chosen_from_every_prefix(everything: list[tuple[str, Stream]]) -> None:
    """More first bytes never change a decision that was made."""
    for name, stream in everything:
        client = b"".join(event.data for event in stream.events if event.to_server)[:200]
        server = b"".join(event.data for event in stream.events if not event.to_server)[:200]
        decided = None
        for size in range(len(client) + 1):
            chosen = start(client[:size], server, stream.server_port)
            kind = type(chosen).__name__
            if kind not in ("Undecided", "NoneType"):
                decided = decided or kind
                assert kind == decided, (name, size)


def mutated(chance: random.Random, events: list[Event]) -> list[Event]:
    """Some events with bytes changed, cut or doubled."""
    out = list(events)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out))
        raw = bytearray(out[at].data)
        if not raw:
            continue
        place = chance.randrange(len(raw))
        what = chance.randrange(4)
        if what == 0:
            raw[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif what == 1:
            del raw[place : place + chance.randrange(1, 9)]
        elif what == 2:
            raw[place:place] = raw[max(0, place - 20) : place]
        else:
            raw[place : place + 4] = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1"])
        out[at] = Event(out[at].to_server, bytes(raw), out[at].frame)
    return out


def test_mutated_streams_do_no_harm_and_are_told_alike(everything: list[tuple[str, Stream]]) -> None:
    chance = random.Random(67)
    for name, stream in everything:
        for _ in range(2 if sum(len(event.data) for event in stream.events) > QUICK else 6):
            events = mutated(chance, stream.events)
            pair = [decoder(stream), decoder(stream)]
            whole, pieces = (feed(c, events, step=step) for c, step in zip(pair, (0, 5), strict=True) if c is not None)
            assert whole == pieces, (name, stream.number)

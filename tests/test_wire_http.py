"""HTTP as transcripts: what was asked, what was answered, how long the body was and how it begins."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.need import need_program
from tests.wire_help import facts_of
from wormward.wire import http
from wormward.wire.facts import HttpExchange, Stamp
from wormward.wire.http import HttpConversation

Talk = list[tuple[bool, bytes]]
GET = b"GET /search?q=12 HTTP/1.0\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 6.0)\r\nHost: 10.1.2.3\r\nPragma: no-cache\r\n\r\n"


def hear(talk: Talk, *, step: int = 0, skip: bool = False) -> list[HttpExchange]:
    conversation = HttpConversation()
    for number, (to_server, data) in enumerate(talk):
        at = 0
        while at < len(data):
            size = step or len(data)
            skipped = min(conversation.skippable(to_server), len(data) - at) if skip else 0
            if skipped:
                conversation.gap(to_server, skipped)
            else:
                conversation.feed(to_server, data[at : at + size], Stamp(number, 0, number))
            at += skipped or size
    conversation.close()
    return [fact for fact in conversation.take() if isinstance(fact, HttpExchange)]


def told(*talk: tuple[bool, bytes]) -> list[HttpExchange]:
    """The exchanges, the same in every way of feeding."""
    whole = hear(list(talk))
    for step in (1, 3, 50):
        assert hear(list(talk), step=step) == whole
        assert hear(list(talk), step=step, skip=True) == whole
    return whole


def ask(data: bytes = GET) -> tuple[bool, bytes]:
    return True, data


def answer(*heads: bytes, body: bytes = b"", status: bytes = b"200 OK") -> tuple[bool, bytes]:
    return False, b"HTTP/1.1 " + status + b"".join(b"\r\n" + head for head in heads) + b"\r\n\r\n" + body


def test_a_request_and_its_answer() -> None:
    (one,) = told(ask(), answer(b"Content-Length: 200", body=b"MZ" + bytes(198)))
    assert (one.method, one.uri, one.host) == (b"GET", b"/search?q=12", b"10.1.2.3")
    assert one.user_agent == b"Mozilla/4.0 (compatible; MSIE 6.0)"
    assert one.header_names == (b"User-Agent", b"Host", b"Pragma")
    assert (one.status, one.response_bytes, one.body_start) == (200, 200, b"MZ" + bytes(62))
    assert one.stamp.frame == 0
    assert not one.proxied


def test_bodies_of_every_length() -> None:
    chunks = b"2\r\nMZ\r\n1;x=y\r\n\x90\r\n3e8\r\n" + bytes(1000) + b"\r\n0\r\nTrailer: x\r\n\r\n"
    (one, two) = told(ask(), answer(b"Transfer-Encoding: chunked", body=chunks), ask(), answer(b"Content-Length: 0"))
    assert (one.response_bytes, one.body_start) == (1003, b"MZ\x90" + bytes(61))
    assert (two.response_bytes, two.body_start) == (0, None)
    (one,) = told(ask(), answer(body=b"until the end" * 100))
    assert (one.response_bytes, one.body_start) == (1300, (b"until the end" * 100)[:64])
    for status in (b"204 No", b"304 Same"):
        one, two = told(ask(), answer(b"Content-Length: 10", status=status), ask(), answer(b"Content-Length: 2", body=b"ok"))
        assert (one.response_bytes, two.body_start) == (0, b"ok")
    one, two = told(
        ask(GET.replace(b"GET", b"HEAD")), answer(b"Content-Length: 10"), ask(), answer(b"Content-Length: 2", body=b"ok")
    )
    assert (one.method, one.response_bytes, two.body_start) == (b"HEAD", 0, b"ok")


def test_request_bodies_are_passed_over() -> None:
    body = b"GET /not-a-request HTTP/1.1\r\n\r\n"
    post = b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"POST /b HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    assert [one.uri for one in told(ask(post + chunked + GET))] == [b"/a", b"/b", b"/search?q=12"]


def test_pipelined_requests_and_interim_answers() -> None:
    one, two = told(
        ask(GET + GET.replace(b"12", b"13")),
        answer(status=b"100 Continue"),
        answer(b"Content-Length: 1", body=b"a"),
        answer(b"Content-Length: 1", body=b"b", status=b"404 No"),
    )
    assert (one.uri, one.status, one.body_start) == (b"/search?q=12", 200, b"a")
    assert (two.uri, two.status, two.body_start) == (b"/search?q=13", 404, b"b")


def test_requests_through_a_proxy() -> None:
    (one,) = told(ask(b"GET http://user@example.org:8080/a?b HTTP/1.0\r\nVia: x\r\n\r\n"))
    assert (one.proxied, one.host, one.uri) == (True, b"example.org:8080", b"/a?b")
    (one,) = told(ask(b"GET http://example.org HTTP/1.0\r\nHost: other\r\n\r\n"))
    assert (one.proxied, one.host, one.uri) == (True, b"other", b"/")
    (one,) = told(
        ask(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), answer(status=b"200 Go"), ask(GET), (False, b"\x16\x03" * 500)
    )
    assert (one.method, one.uri, one.proxied, one.status) == (b"CONNECT", b"h:443", False, 200)


def test_odd_requests() -> None:
    (one,) = told(ask(b"GET /a b c HTTP/1.1\nhost:x\n\n"))
    assert (one.uri, one.host, one.header_names) == (b"/a b c", b"x", (b"host",))
    (one,) = told(ask(b"\r\n\r\nGET / HTTP/1.1\r\nA: 1\r\n folded: x\r\nB:\r\n\r\n"))
    assert one.header_names == (b"A", b"B")
    (one,) = told(ask(b"GET /old\r\n"), (False, b"MZ, without any head"))
    assert (one.uri, one.status, one.body_start) == (b"/old", None, b"MZ, without any head")
    (one,) = told(ask(), (False, b"SSH-2.0-OpenSSH_9\r\n"))
    assert (one.status, one.response_bytes) == (None, None)
    (one,) = told(ask(), (False, b"http/1.1 200 ok\r\n\r\nx"))
    assert (one.status, one.response_bytes) == (200, 1)


def test_lengths_that_contradict_each_other_lose_the_thread_once() -> None:
    bad = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nxxxxxxx"
    assert [one.method for one in told(ask(bad + GET))] == [b"POST", b"GET"]
    for length in (b"-1", b"1e3", b"", b"99999999999999999999"):
        one, two = told(ask(GET + GET), answer(b"Content-Length: " + length, body=b"x" * 9), answer(b"Content-Length: 0"))
        assert (one.status, two.status) == (200, None)  # which answer is whose is not known any more
    bad = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n"
    assert [one.method for one in told(ask(bad + GET))] == [b"POST", b"GET"]


def _fed(*steps: tuple[bool, bytes | int]) -> tuple[list[HttpExchange], HttpConversation]:
    conversation = HttpConversation()
    for to_server, what in steps:
        if isinstance(what, int):
            conversation.gap(to_server, what)
        else:
            conversation.feed(to_server, what, Stamp(0, 0, 0))
    conversation.close()
    return [fact for fact in conversation.take() if isinstance(fact, HttpExchange)], conversation


def test_gaps() -> None:
    head = answer(b"Content-Length: 1000", body=b"MZ")[1]
    # Inside a body: counted, the thread is kept, what begins the body is as far as it was seen in a row.
    (one, two), conversation = _fed(ask(), (False, head), (False, 100), (False, bytes(898)), ask(), answer(b"Content-Length: 0"))
    assert (one.response_bytes, one.body_start, two.status, conversation.resyncs) == (1000, b"MZ", 200, 0)
    # Over the end of a body: what was asked before stays as it is, the next answer belongs to the next request.
    (one, two), conversation = _fed(ask(), (False, head), (False, 2000), ask(), (False, b"rest\r\n" + head))
    assert (one.response_bytes, two.status, two.response_bytes, conversation.resyncs) == (2, 200, 2, 1)
    # In a request's head.
    (one,), _ = _fed((True, GET[:30]), (True, 10), (True, GET[40:] + b"junk" + GET))
    assert one.uri == b"/search?q=12"
    # From the middle.
    (one,), _ = _fed((False, b"tail of a body\r\n\r\n"), (True, b"of a body" + GET), (False, answer(b"Content-Length: 0")[1]))
    assert one.status == 200


def test_endless_bodies_may_be_skipped() -> None:
    conversation = HttpConversation()
    conversation.feed(True, GET, Stamp(0, 0, 0))
    conversation.feed(False, b"HTTP/1.0 200 OK\r\n\r\n" + bytes(100), Stamp(0, 0, 0))
    assert conversation.skippable(False) == http.ENDLESS
    conversation.gap(False, 10**12)
    conversation.close()
    (one,) = conversation.take()
    assert isinstance(one, HttpExchange)
    assert one.response_bytes == 10**12 + 100


def test_state_is_bounded() -> None:
    conversation = HttpConversation()
    for _ in range(1000):
        conversation.feed(True, GET, Stamp(0, 0, 0))
    assert len(conversation.take()) == 1000 - http.MOST_WAITING
    conversation.feed(True, b"GET /" + b"a" * 10**6, Stamp(0, 0, 0))
    conversation.feed(False, b"HTTP/1.1 200 " + b"a" * 10**6, Stamp(0, 0, 0))
    assert len(conversation._client.held) + len(conversation._server.held) < 2 * http.MOST_HEAD


PIECES = [
    GET,
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345",
    b"\r\n",
    b"\n",
    b"junk",
    b"GET /x",
    b" HTTP/1.1\r\n",
    b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"GET /old\r\n",
    bytes(100),
    b"A" * 1100,
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not\n\n",
    b"HTTP/1.1 9",
    b"HTTP/1.1 999 \r\n",
    b"junk",
    b"\r\n",
    bytes(100),
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"B" * 1100,
    b"HTTP/1.1 101 S\r\n\r\n",
]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=14),
    st.integers(1, 40),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_anything_is_told_alike_in_every_way(plan: list[tuple[bool, int]], step: int, skip: bool) -> None:
    talk = [(to_server, PIECES[n % len(PIECES)] if to_server else ANSWERS[n % len(ANSWERS)]) for to_server, n in plan]
    assert hear(talk, step=step, skip=skip) == hear(talk)
    assert hear(talk, step=1) == hear(talk)


# Beside tshark --------------------------------------------------------------------------------------------------------

DIFFERENCES = {
    # tshark expects another protocol on the port, or no HTTP in a connection to it: `start` goes by the bytes
    "get-to-ssh-server.pcap": {("GET", "/"): 1},
    "http-single-conn-22.pcap": {("GET", "/"): 1},
    "http-to-ssh.pcap": {("GET", "/"): 1},
    "zeek-image-post-1080-8000-x.pcap": {("POST", "/"): 1},
    # tshark 4.0 does not know the method
    "query-method.pcap": {("QUERY", "/users"): 1},
    "query-method-non-standard-port.pcap": {("QUERY", "/users"): 1},
    # HTTP/0.9 and a request line without a version
    "http_09.pcap": {("GET", "/zeek.html"): 1, ("POST", "/zeek.html"): 1},
    # a chunk length beyond 2^64 and a folded header: tshark stops, we go on at the next request
    "variant-01-chunk_2pow64_overflow.pcap": {("GET", "/smuggled-chunk-2pow64"): 1},
    "variant-09-te_obs_fold.pcap": {("GET", "/smuggled-obsfold"): 1},
}


@pytest.mark.slow
def test_requests_are_those_that_tshark_lists(corpora: Path) -> None:
    for capture in sorted((corpora / "captures/zeek/http").glob("*.pcap*")):
        command = [
            need_program("tshark"),
            "-r",
            str(capture),
            "-Y",
            "http.request",
            "-T",
            "fields",
            "-E",
            "occurrence=a",
            "-E",
            "aggregator=\x01",
            "-e",
            "http.request.method",
            "-e",
            "http.request.uri",
        ]
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        theirs: Counter[tuple[str, str]] = Counter()
        for line in lines:
            methods, uris = (cell.split("\x01") for cell in line.split("\t"))
            theirs.update(zip(methods, uris, strict=True))
        ours: Counter[tuple[str, str]] = Counter()
        for _, _, facts in facts_of(capture):
            ours.update((f.method.decode(), f.uri.decode("latin-1")) for f in facts if isinstance(f, HttpExchange))
        if capture.name == "no-uri.pcap":  # `GET HTTP/1.1`: tshark takes the version for the address
            assert (ours, theirs) == (Counter({("GET", ""): 1}), Counter({("GET", "HTTP/1.1"): 1}))
        elif capture.name == "no-version.pcap":
            assert len(ours) == 1
            assert not theirs
        else:
            assert ours - theirs == Counter(DIFFERENCES.get(capture.name, {})), capture.name
            assert not theirs - ours, capture.name


def test_the_sinkholes_real_requests_are_read(corpora: Path) -> None:
    (file,) = (corpora / "sinkhole").glob("*.jsonl")
    requests = [json.loads(line)["request"].encode() for line in file.read_text("utf-8").splitlines()]
    assert len(requests) >= 20
    for request in requests:
        (one,) = told(ask(request))
        lines = request.split(b"\r\n")
        assert b" ".join((one.method, one.uri, lines[0].split()[-1])) == lines[0]
        assert one.header_names == tuple(line.split(b":")[0] for line in lines[1:] if line)
        assert b"\r\nHost: " + (one.host or b"") + b"\r\n" in request

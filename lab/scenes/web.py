"""HTTP conversations, and flows that look like TLS."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import NamedTuple

from lab.network import Machine
from lab.protocols import other
from lab.protocols.http import Request, Response
from lab.stage import Stage
from lab.tcp import Tcp

_INERT = b"This is no program. It is filler made by a test generator and does nothing. "


class Exchange(NamedTuple):
    """A request, its response, and how long the client waits before asking."""

    request: Request
    response: Response
    wait_us: int = 0


PROXY_PORT = 3128


def to_proxy(each: Exchange) -> Exchange:
    """The exchange as a client makes it with its proxy: the whole URL, and a header more."""
    request = each.request
    headers: list[tuple[str, str]] = []
    for name, value in request.headers:
        headers.append((name, value))
        if name == "Host":
            headers.append(("Proxy-Connection", "Keep-Alive"))
    uri = f"http://{request.header('Host')}{request.uri}"
    return Exchange(Request(request.method, uri, tuple(headers), request.version, request.body), each.response, each.wait_us)


def relayed(each: Exchange, client: str, proxy: str) -> Exchange:
    """The exchange as the proxy makes it for a client."""
    request = each.request
    added = (("Via", f"{request.version} {proxy}"), ("X-Forwarded-For", client))
    passed_on = Request(request.method, request.uri, request.headers + added, request.version, request.body)
    return Exchange(passed_on, each.response, each.wait_us)


def inert_executable(rng: random.Random, length: int) -> bytes:
    """What stands where a worm's file would: `MZ`, a sentence that says so, letters. Nothing can run it."""
    letters = "".join(rng.choices(string.ascii_letters, k=256)).encode()
    return (b"MZ" + _INERT + letters * (length // 256 + 1))[:length]


_TEXT = "".join(random.Random("filler").choices(string.ascii_lowercase + "     ", k=1 << 16)).encode() * 2


def filler(rng: random.Random, length: int) -> bytes:
    """Letters and blanks: a piece of one long text, repeated where that is too short."""
    start = rng.randrange(1 << 16)
    return (_TEXT[start:] * (length // len(_TEXT) + 2))[:length]


def page(rng: random.Random, length: int) -> bytes:
    """A page of HTML of about that length."""
    return b"<html><head><title>page</title></head><body><p>" + filler(rng, max(0, length - 70)) + b"</p></body></html>"


def talk(
    stage: Stage,
    time_us: int,
    client: Machine,
    server: Machine,
    port: int,
    exchanges: Sequence[Exchange],
    close_side: int = 0,
) -> int:
    """One connection with these exchanges; returns when its last response has passed."""
    tcp = Tcp(stage, time_us, client, server, port)
    tcp.services.append("http")
    tcp.open()
    end = tcp.now
    for depth, each in enumerate(exchanges, 1):
        if each.wait_us:
            tcp.pause(each.wait_us)
        asked = tcp.send(0, each.request.encode())
        think = 1500 + int(server.distance_us * 0.1) + stage.rng("web", tcp.uid, depth).randrange(20_000)
        end = tcp.send(1, each.response.encode(each.request.method), think).end_us
        stage.row(end, "http", _row(stage, tcp, depth, asked.begin_us, each))
    tcp.close(close_side, think_us=stage.rng("close", tcp.uid).randrange(100_000))
    return end


def _row(stage: Stage, tcp: Tcp, depth: int, begin_us: int, each: Exchange) -> dict[str, object]:
    request, response = each.request, each.response
    host = request.header("Host")
    body = b"" if request.method == "HEAD" else response.body
    fuid = "F" + stage.uid()[1:] if body else None
    return {
        "ts": begin_us,
        **tcp.names,
        "trans_depth": depth,
        "method": request.method,
        "host": host.split(":")[0] if host else None,
        "uri": request.uri,
        "referrer": request.header("Referer"),
        "version": request.version,
        "user_agent": request.header("User-Agent"),
        "request_body_len": len(request.body),
        "response_body_len": len(body),
        "status_code": response.status,
        "status_msg": response.encode().split(b"\r\n", 1)[0].split(b" ", 2)[2].decode(),
        "tags": [],
        "proxied": [f"{n.upper()} -> {v}" for n, v in request.headers if n in ("Via", "X-Forwarded-For")] or None,
        "resp_fuids": [fuid] if fuid else None,
        "resp_mime_types": [_mime(body)] if fuid else None,
    }


def _mime(body: bytes) -> str:
    if body.startswith(b"MZ"):
        return "application/x-dosexec"
    return "text/html" if body.startswith(b"<html>") else "text/plain"


def tls(stage: Stage, time_us: int, client: Machine, server: Machine, host: str, sizes: Sequence[tuple[int, int]]) -> int:
    """A flow that looks like TLS: greeting with the server's name, then (asked, answered) byte counts of enciphered data."""
    tcp = Tcp(stage, time_us, client, server, 443)
    rng = stage.rng("tls", tcp.uid)
    tcp.services.append("ssl")
    tcp.open()
    tcp.send(0, other.tls_client_hello(rng, host))
    tcp.send(1, other.tls_server_hello(rng), 900)
    tcp.send(0, other.tls_finish(rng), 400)
    for asked, answered in sizes:
        tcp.send(0, other.tls_data(rng, asked), rng.randrange(30_000))
        tcp.send(1, other.tls_data(rng, answered), 2000 + rng.randrange(40_000))
    return tcp.close(0, think_us=rng.randrange(500_000))

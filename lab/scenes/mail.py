"""Mail between servers (RFC 5321)."""

from __future__ import annotations

from lab.network import Machine
from lab.stage import Stage
from lab.tcp import Tcp


def deliver(stage: Stage, time_us: int, client: Machine, server: Machine, domain: str, body: bytes) -> int:
    """`client` delivers one letter to `server`; returns the last packet's time."""
    rng = stage.rng("mail", time_us, client.address)
    tcp = Tcp(stage, time_us, client, server, 25)
    tcp.services.append("smtp")
    tcp.open()
    letter = b"From: office@praxis.example\r\nSubject: report\r\n\r\n" + body.replace(b".", b"") + b"\r\n.\r\n"
    steps = (
        (b"", f"220 mx.{domain} ESMTP\r\n"),
        (b"EHLO mail1.praxis.example\r\n", f"250 mx.{domain}\r\n"),
        (b"MAIL FROM:<office@praxis.example>\r\n", "250 2.1.0 Ok\r\n"),
        (f"RCPT TO:<post@{domain}>\r\n".encode(), "250 2.1.5 Ok\r\n"),
        (b"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"),
        (letter, f"250 2.0.0 Ok: queued as {rng.getrandbits(40):010X}\r\n"),
        (b"QUIT\r\n", "221 2.0.0 Bye\r\n"),
    )
    for said, answered in steps:
        if said:
            tcp.send(0, said, 300)
        tcp.send(1, answered.encode(), rng.randrange(2000, 60_000))
    return tcp.close(1)

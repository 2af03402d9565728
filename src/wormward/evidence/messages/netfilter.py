"""Packets that Linux's packet filter logged (iptables LOG, nft `log`, UFW, Shorewall, OpenWrt's fw3 and fw4).

Reference: the kernel's `net/netfilter/nf_log_syslog.c`, which writes these words in this order; checked against lines
of a running kernel. What stands before `IN=` is the rule's own prefix: only the words in it say whether it was dropped.

Limitations: a line shows one packet; the packets after it are not logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wormward.evidence.lines import Clock, Fact
from wormward.evidence.messages.base import Message, MessageKind, address_of, port_of
from wormward.evidence.messages.cards import BEHIND_A_ROUTER, Cards
from wormward.evidence.messages.packets import Packet, flow_of, protocol_of
from wormward.model.site import Site

_PACKET = re.compile(
    r"IN=([^\s=]{0,64}) OUT=([^\s=]{0,64}) (?:PHYSIN=\S* )?(?:PHYSOUT=\S* )?"
    r"(?:MAC=(\S*) |MACSRC=(\S+) MACDST=\S+ MACPROTO=(\S+) )?(?:VPROTO=\S+ VID=\d+ )?"
    r"SRC=(\S+) DST=(\S+) LEN=\d+ (?:TOS=\S+ PREC=\S+ TTL|TC=\d+ HOPLIMIT)=(\d{1,3}) [A-Z]+=\d+ [^\[=]*PROTO=(\w+)"
    r"(?: SPT=(\d+) DPT=(\d+)(?: LEN=(\d{1,6}))?| TYPE=(\d{1,3}))?([^\[]*)"  # in brackets: what an ICMP error is about
)
_FLAGS = re.compile(r" (?:SYN|ACK|RST)(?= )")
_DROPPED = re.compile(r"drop|deny|denied|reject|block", re.IGNORECASE)
_ETHERNET = 14 * 3 - 1
"""Length of `MAC=`: receiver, sender, and what the frame holds."""
_IP_BEHIND, _IP = (":08:00", ":86:dd"), ("0800", "86dd")
_UDP_HEADER = 8
_FRESH = (64, 128, 255)
"""Times to live that systems begin with: the packet has passed no router yet."""


class _Parser:
    def __init__(self, site: Site, _clock: Clock) -> None:
        self._cards = Cards(site)

    def message(self, message: Message) -> Sequence[Fact] | None:
        found = _PACKET.search(message.text)
        if found is None:
            if " DST=" in message.text and "IN=" in message.text:
                raise ValueError("a packet that cannot be read")
            return None
        into, out, mac, macsrc, macproto, src, dst, ttl, proto, spt, dpt, length, kind, rest = found.groups()
        source, target, time = address_of(src), address_of(dst), message.time()
        if into:
            ethernet = mac is not None and len(mac) == _ETHERNET and mac.endswith(_IP_BEHIND)
            card = macsrc if macproto in _IP else mac[18:35] if ethernet else None
            if card:
                # Of a packet that is sent on, the kernel has counted the hop already when it logs it.
                fresh = int(ttl) + (1 if out else 0) in _FRESH
                self._cards.saw(card, source if fresh else BEHIND_A_ROUTER, time, message.number)
        flags = "".join(flag[1] for flag in _FLAGS.findall(rest)) if dpt else ""
        denied = bool(_DROPPED.search(message.text, 0, found.start()))
        dropped = flags != "S" and denied  # a lone SYN asks, whatever became of it
        packet = Packet(
            source, port_of(spt) if spt else 0, target, port_of(dpt) if dpt else 0, protocol_of(proto), flags,
            max(0, int(length) - _UDP_HEADER) if length else None, dropped, int(kind) if kind else None, denied,
        )  # fmt: skip
        return flow_of(packet, time)

    def end(self) -> Iterable[Fact]:
        return self._cards.facts()


KIND = MessageKind("Linux packet filter", (), (" SRC=",), _Parser)

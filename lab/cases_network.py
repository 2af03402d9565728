"""Cases of names, web requests, peers and mail. Each function plays one scene; pairs stand together."""

from __future__ import annotations

import string

from lab.casework import Case
from lab.internet import MAIL_DOMAINS, public_address
from lab.network import Machine
from lab.protocols import other
from lab.protocols.http import XP_AGENT, Request, Response, browser_get
from lab.scenes import udpscene, web
from lab.scenes.mail import deliver
from lab.worm import Form, day_of

_OK = Response(200, b"<html><body>ok</body></html>")
_ADDRESS = "198.51.100.77"
PEERS = (
    "10.10.11.42", "10.10.10.100", "10.10.11.96", "10.10.11.70", "10.10.10.175", "10.10.11.187", "10.10.11.236",
    "10.10.11.16", "10.10.10.74", "10.10.10.52", "10.10.142.194", "10.10.114.180", "172.16.13.103",
)  # fmt: skip
"""Addresses whose ports nmap's authors and users published: the case is checked against those lists."""


def _names(case: Case) -> list[str]:
    build = case.play.builds[0]
    return build.list_of(day_of(case.start_us), case.rng)


def day_list(case: Case) -> None:
    """A host asks for a dozen names of one day's list, in order."""
    case.each(_names(case)[:12], 60, 9, case.acts.ask)


def chance_names(case: Case) -> None:
    """One name of the list among thirty that nobody has: a collision, and a browser's or a typist's inventions."""
    case.each(_invented(case), 60, 9, case.acts.ask)


def _invented(case: Case) -> list[str]:
    """One name of the list among thirty that nobody has."""
    rng = case.rng
    labels = ["".join(rng.choices(string.ascii_lowercase, k=rng.randrange(5, 12))) for _ in range(30)]
    invented = [label + rng.choice((".com", ".net", ".org", ".info")) for label in labels]
    return [*invented[:15], _names(case)[7], *invented[15:]]


def servers_list(case: Case) -> None:
    """The name server itself asks upstream for a dozen names of one day's list; nobody asked it to."""
    case.each(_names(case)[:12], 60, 9, case.site.names.ask_itself)


def servers_chance_names(case: Case) -> None:
    """The name server itself asks upstream for odd names, one of them in the list."""
    case.each(_invented(case), 60, 9, case.site.names.ask_itself)


def date_sites(case: Case) -> None:
    """On a closed network a host asks for one date site after the other, every few minutes, for hours."""
    case.each([case.rng.choice(case.play.date_sites) for _ in range(60)], 30, 337.3, case.acts.ask)


def home_page(case: Case) -> None:
    """A browser's home page is one of those sites: it fails all day, always the same."""
    case.each(["www.msn.com"] * 20, 30, 1009.7, case.acts.ask)


def _form(case: Case, rule: str, *, dated: bool = False) -> Form:
    forms = [f for f in case.play.forms if f.rule == rule]
    return next((f for f in forms if case.play.asks_date(f)), forms[0]) if dated else forms[0]


def _fetch(case: Case, now: int, request: Request, address: str = _ADDRESS, response: Response = _OK) -> int:
    return case.site.fetch(now, case.host, address, [web.Exchange(request, response)])


def beacon(case: Case) -> None:
    """Three calls home, each to the bare address."""
    form = _form(case, "http.beacon")
    case.each(range(3), 60, 400, lambda now, _: case.acts.request(now, form, _ADDRESS, "rendezvous.example", _OK))


def search_engine(case: Case) -> None:
    """A browser searches: a path much like it, a name in Host, a browser's headers."""
    requests = [browser_get("www.bing.com", f"/search?q=news+{i}&hl=en", XP_AGENT, "http://www.bing.com/") for i in range(3)]
    case.each(requests, 60, 90, lambda now, request: _fetch(case, now, request))


def download(case: Case) -> None:
    """The file that one build fetches from a listed host."""
    form = _form(case, "http.download")
    case.site.internet.know(form.hosts[0])

    def act(now: int) -> None:
        end, address = case.acts.ask(now, form.hosts[0])
        case.acts.request(end, form, str(address), form.hosts[0], Response(404))

    case.at(60, act)


def other_download(case: Case) -> None:
    """A browser fetches an installer from a software shop, under a like path."""
    request = browser_get("shop.praxisbedarf.example", "/antispyware/setup.exe", XP_AGENT, "http://shop.praxisbedarf.example/")
    body = web.inert_executable(case.rng, 5000)
    case.at(60, lambda now: _fetch(case, now, request, response=Response(200, body)))


def support(case: Case) -> None:
    """Two questions for the date in the worm's own shape."""
    form = _form(case, "http.support", dated=True)
    case.each(form.hosts[:2], 60, 50, lambda now, name: case.acts.request(now, form, _ADDRESS, name, _OK))


def browse_date_sites(case: Case) -> None:
    """A browser opens the same sites."""
    case.each(case.play.date_sites[:3], 60, 50, lambda now, name: _fetch(case, now, browser_get(name, "/", XP_AGENT)))


def sinkhole(case: Case) -> None:
    """An ordinary-looking request goes to a known sinkhole."""
    request = browser_get("whatever.example", "/", XP_AGENT)
    case.at(60, lambda now: _fetch(case, now, request, case.play.sinkholes[0]))


def neighbour_of_sinkhole(case: Case) -> None:
    """The same request to an address beside it."""
    front, _, last = case.play.sinkholes[0].rpartition(".")
    request = browser_get("whatever.example", "/", XP_AGENT)
    case.at(60, lambda now: _fetch(case, now, request, f"{front}.{int(last) % 250 + 2}"))


def _datagram(case: Case, now: int, target: Machine, ports: tuple[int, int], payload: bytes) -> int:
    return udpscene.exchange(case.stage, now, case.host, target, ports, payload, None).end_us


def peer_ports(case: Case) -> None:
    """Contacts with addresses whose ports are published, at just these ports; flows only, no readable packet."""
    peers = case.play.peers
    assert peers is not None  # noqa: S101 - a case for worms that have peers
    targets = [case.site.internet.machine(address) for address in PEERS]
    opened = {t.address: peers.opened(t.number, case.start_us) for t in targets}
    case.each(targets, 60, 20, lambda now, t: case.acts.knock(now, t, opened[t.address]["tcp"][0]))
    noise = case.rng.randbytes(40)
    case.each(targets, 70, 20, lambda now, t: _datagram(case, now, t, (20_001, opened[t.address]["udp"][0]), noise))


def peer_packets(case: Case) -> None:
    """Five datagrams with right sums."""
    targets = [case.site.internet.machine(public_address(case.rng)) for _ in range(5)]
    case.each(targets, 60, 20, lambda now, target: case.acts.meet(now, target, "udp", answered=False))


def file_sharing(case: Case) -> None:
    """A file-sharing program speaks to sixty peers at ports that they chose."""
    targets = [case.site.internet.machine(public_address(case.rng)) for _ in range(60)]

    def act(now: int, target: Machine) -> None:
        ports = (51_413, case.rng.randrange(2112, 65_000))
        _datagram(case, now, target, ports, other.dht_ping(case.rng, reply=False))

    case.each(targets, 60, 5, act)


def bot_mail(case: Case) -> None:
    """A client delivers mail to thirty exchangers itself."""

    def act(now: int, number: int) -> None:
        server = case.site.internet.machine(f"203.0.113.{10 + number}")
        deliver(case.stage, now, case.host, server, f"victim{number}.example", b"text")

    case.each(range(30), 60, 20, act)


def office_mail(case: Case) -> None:
    """The mail server delivers to a dozen exchangers; the client only to it."""
    server = case.site.only("mail")
    case.at(30, lambda now: deliver(case.stage, now, case.host, server, "praxis.example", b"text"))

    def act(now: int, number: int) -> None:
        target = case.site.internet.machine(f"203.0.113.{10 + number}")
        deliver(case.stage, now, server, target, MAIL_DOMAINS[number], b"text")

    case.each(range(len(MAIL_DOMAINS)), 60, 20, act)

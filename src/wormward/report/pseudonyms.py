"""A shareable copy of an assessment: whom it is about can be told only by who has the key.

One pure function, so that no output can forget it: `pseudonymous` maps the whole assessment before any form is made.

- Addresses get prefix-preserving pseudonyms (`cryptopan`), those of the site and those outside alike.
- Names of devices and sites, files, shares, paths, commands and whatever else is text get a keyed token.
- Digests of evidence become keyed tokens of the same form: a digest would let everybody who has the file see that it is
  this one. Who has the key makes the copy again and finds his files.
- Kept, for it identifies nobody: the threat's own names and addresses (known sinkholes, the sites that its pack lists, names
  that it made), times, counts, ports, frame and line numbers, kinds of sources, the rules and their sentences.

What is not known to be harmless is replaced: a field that is new here is a token until somebody decides otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

from wormward.model.differences import Change, Subject
from wormward.model.findings import Cite, Finding
from wormward.model.pack import ThreatPack
from wormward.model.site import Site
from wormward.model.states import (
    Assessment,
    Coverage,
    Edge,
    Host,
    PassedOver,
    PatientZero,
    Problem,
    Reason,
    Remark,
)
from wormward.model.text import N_
from wormward.report.cryptopan import KEY_SIZE, CryptoPan
from wormward.report.traces import is_address, is_name, public_names
from wormward.report.words import NOBODYS

SHAREABLE = N_(
    "A shareable copy: addresses are pseudonyms that keep their networks, names, files and digests are tokens; the same key "
    "gives the same ones. Times stay as they were, and so do the worm's own names, the public sites that it asks for and known "
    "sinkholes: who has other logs of the same time can join them by it."
)
WITHHELD = N_("something there could not be read; what it was is not told in a shareable copy")
KEPT_FIELDS = frozenset({
    "chance", "day", "executable", "form", "formed", "marked", "native_lanman", "native_os", "ports", "time", "variant",
    "variants",
})  # fmt: skip
"""Fields of sentences whose texts come from us or from the pack."""
ADDRESS_FIELDS = frozenset({"actor", "detail", "host", "hosts", "other", "sinkhole", "target"})
"""Fields that hold addresses, among words of ours or beside a name."""

_IPV4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"
_IPV6 = r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\d{1,3}\.){3}\d{1,3})?(?:%\w+)?(?![\w:])"
_ADDRESS = re.compile(f"{_IPV6}|{_IPV4}")
_OF_A_SITE = re.compile(r"(\S+) \[(.*)\]", re.DOTALL)
_RULE_NUMBER = re.compile(r"\d{1,10}:\d{1,10}")
_PLACE = re.compile(r"(frame|line|record|byte) \d+( of the uncompressed data)?")


def pseudonymous(assessment: Assessment, packs: Sequence[ThreatPack], key: bytes) -> Assessment:
    """The copy under `key` (32 bytes or more). What it was made from cannot be told from it without the key."""
    return _Copier(packs, key, assessment.findings).whole(assessment)


class _Copier:
    """Maps each noun; the same text gives the same token everywhere."""

    def __init__(self, packs: Sequence[ThreatPack], key: bytes, findings: Iterable[Finding]) -> None:
        self._pan = CryptoPan(_derived(key, b"addresses"))
        self._tokens = _derived(key, b"tokens")
        self._public = frozenset(
            name.lower()
            for pack in packs
            for name in (*pack.sinkholes, *public_names(pack), *(h for form in pack.http_forms for h in form.hosts))
        )
        self._uris = [re.compile(form.uri) for pack in packs for form in pack.http_forms]
        self._shares = frozenset(share for pack in packs for form in pack.file_forms for share in form.shares)
        self._copies = [(f.id, self._finding(f)) for f in findings]
        self._new_ids = {old: copy.id for old, copy in self._copies}

    def whole(self, told: Assessment) -> Assessment:
        hosts = sorted(map(self._host, told.hosts), key=lambda h: (h.site, _number(h.address)))
        findings = sorted((copy for _, copy in self._copies), key=lambda f: (f.time, f.rule, f.id))
        edges = sorted(map(self._edge, told.edges), key=lambda e: (e.time, e.end, -e.likelihood, e.start))
        first = sorted(map(self._first, told.patient_zero), key=lambda p: (p.site, -p.likelihood, p.first_seen, p.address))
        return Assessment(
            pack=told.pack,
            as_of=told.as_of,
            site=self._site(told.site),
            tolerance_days=told.tolerance_days,
            all_time=told.all_time,
            hosts=tuple(hosts),
            findings=tuple(findings),
            edges=tuple(edges),
            patient_zero=tuple(first),
            coverage=tuple(sorted(map(self._coverage, told.coverage), key=lambda c: (c.source, c.sha256))),
            notes=told.notes,
            since=told.since,
            until=told.until,
            passed_over=tuple(map(self._passed_over, told.passed_over)),
            remarks=(
                Remark(NOBODYS, {}),
                Remark(SHAREABLE, {}),
                *(Remark(r.sentence, self._fields(r.fields)) for r in told.remarks),
            ),
            tlp=told.tlp,
            pseudonymous=True,
            listed=None
            if told.listed is None
            else replace(told.listed, source=self._token("source", told.listed.source), sha256=self._digest(told.listed.sha256)),
            compared=told.compared and replace(told.compared, changes=self._changes(told.compared.changes)),
        )

    def _changes(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """In the order of their pseudonyms, which tells nothing of the order of what they stand for."""
        return tuple(sorted(map(self._change, changes), key=lambda c: (c.subject, c.site, _number(c.address), c.other, c.source)))

    def _change(self, c: Change) -> Change:
        """Words before and after are of closed lists; what the settings were called is ours."""
        own = c.subject is Subject.SETTINGS
        return Change(
            c.difference,
            c.subject,
            site=self._site(c.site) if c.site else "",
            address=self._address(c.address) if c.address else "",
            other=self._address(c.other) if c.other else "",
            source=c.source if own or not c.source else self._token("source", c.source),
            before=c.before,
            after=c.after,
        )

    # --- words ---

    def _token(self, kind: str, text: str) -> str:
        digest = hmac.digest(self._tokens, f"{kind}|{text}".encode("utf-8", "surrogatepass"), "sha256")
        return f"{kind}-{base64.b32encode(digest[:10]).decode().lower()}"

    def _digest(self, sha256: str) -> str:
        return hmac.new(self._tokens, f"sha256|{sha256}".encode(), hashlib.sha256).hexdigest() if sha256 else ""

    def _site(self, name: str) -> str:
        return name if name == Site().name else self._token("site", name)

    def _address(self, text: str) -> str:
        if not is_address(text):
            return self._token("address", text)
        address = ip_address(text)
        nobody = address.is_unspecified or address.is_loopback or address.is_multicast or text == "255.255.255.255"
        return text if nobody or text in self._public else self._pan.pseudonym(text)

    def _fields(self, fields: Mapping[str, str | int]) -> dict[str, str | int]:
        return {name: value if isinstance(value, int) else self._field(name, value) for name, value in fields.items()}

    def _field(self, name: str, text: str) -> str:
        if not text or name in KEPT_FIELDS or text.lower() in self._public:
            return text
        if name in ADDRESS_FIELDS:
            return self._with_addresses(name, text)
        if name == "examples":
            return ", ".join(n if is_name(n) else self._token("name", n) for n in text.split(", "))
        if name == "uri" and any(form.fullmatch(text) for form in self._uris):
            return text
        if name == "share" and text in self._shares:
            return text
        if name == "number" and _RULE_NUMBER.fullmatch(text):
            return text
        return self._token(name, text)

    def _with_addresses(self, name: str, text: str) -> str:
        """Addresses in a field that holds them. Its other words are ours, but for `host`, where they may be a name."""
        in_site = _OF_A_SITE.fullmatch(text)
        if in_site:
            return f"{self._with_addresses(name, in_site[1])} [{self._site(in_site[2])}]"
        if name == "hosts":  # in the order of the pseudonyms: that of the real ones would tell something of them
            found = sorted((self._address(a) for a in _ADDRESS.findall(text)), key=_number)
            return ", ".join(found) + (", …" if text.endswith("…") else "")
        if name == "detail":
            return _ADDRESS.sub(lambda found: self._address(found[0]), text)
        return self._address(text) if is_address(text) else self._token("name", text)

    # --- nouns ---

    def _finding(self, f: Finding) -> Finding:
        return Finding(
            rule=f.rule,
            kind=f.kind,
            actor=self._address(f.actor),
            target=self._address(f.target) if f.target else f.target,
            site=self._site(f.site),
            time=f.time,
            time_last=f.time_last,
            count=f.count,
            sentence=f.sentence,
            fields=self._fields(f.fields),
            rows=f.rows,
            cites=tuple(sorted(Cite(self._digest(c.sha256), c.unit, c.place) for c in f.cites)),
            table=f.table,
            variants=f.variants,
            vulnerability=f.vulnerability,
            milli=f.milli,
            key=self._token("key", f"{f.id}|{f.key}"),
        )

    def _ids(self, ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._new_ids.get(i) or self._token("F", i) for i in ids)

    def _host(self, h: Host) -> Host:
        address = self._address(h.address)
        return Host(
            address=address,
            addresses=tuple(sorted(map(self._address, h.addresses), key=_number)),
            device=address if h.device == h.address else self._token("device", h.device),
            site=self._site(h.site),
            verdict=h.verdict,
            unknown_because=h.unknown_because,
            exposure=h.exposure,
            protection=h.protection,
            threat=h.threat,
            variant=h.variant,
            detail="",
            names=h.names,
            confidence=h.confidence,
            first_seen=h.first_seen,
            last_seen=h.last_seen,
            infected_by=tuple(sorted(map(self._edge, h.infected_by), key=lambda e: (-e.likelihood, e.time, e.start))),
            reasons=tuple(Reason(r.rule, r.sentence, self._fields(r.fields), self._ids(r.findings), r.milli) for r in h.reasons),
            history=h.history,
            would_decide=h.would_decide,
            clock_offset_days=h.clock_offset_days,
            roles=h.roles,
            way=h.way,
            known_by=h.known_by,
            inventory=None,  # names, places and what a machine is for tell whose it is
        )

    def _edge(self, e: Edge) -> Edge:
        return Edge(self._address(e.start), self._address(e.end), e.time, e.way, e.likelihood, self._ids(e.findings))

    def _first(self, p: PatientZero) -> PatientZero:
        return PatientZero(self._address(p.address), self._site(p.site), p.likelihood, p.first_seen)

    def _coverage(self, c: Coverage) -> Coverage:
        return Coverage(
            source=self._token("source", c.source),
            sha256=self._digest(c.sha256),
            kind=c.kind,
            unit=c.unit,
            begin=c.begin,
            end=c.end,
            time_zone=c.time_zone if c.time_zone == "UTC" else "withheld",
            time_zone_known=c.time_zone_known,
            rows=c.rows,
            problems=tuple(Problem(WITHHELD, p.place if p.place and _PLACE.fullmatch(p.place) else None) for p in c.problems),
            blind=c.blind,
            duplicate_of=self._token("source", c.duplicate_of) if c.duplicate_of else c.duplicate_of,
            group=self._digest(c.group) if c.group else c.group,
            notes=c.notes,
            clock_error_s=c.clock_error_s,
            clock_shift_s=c.clock_shift_s,
        )

    def _passed_over(self, p: PassedOver) -> PassedOver:
        return PassedOver(p.why, p.count, tuple(sorted(self._token("source", name) for name in p.names)))


def _derived(key: bytes, purpose: bytes) -> bytes:
    """`KEY_SIZE` bytes for one purpose from a key of any length (HKDF, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - needed for this alone
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), KEY_SIZE, salt=None, info=b"wormward pseudonyms 1 " + purpose).derive(key)


def _number(address: str) -> tuple[int, int, str]:
    if not is_address(address):
        return 0, 0, address
    return ip_address(address).version, int(ip_address(address)), address

"""STIX 2.1 objects as plain values: ids from their content, times in its form, TLP 2.0 marks, patterns.

An object's id is a UUIDv5 over everything that it says, so that the same evidence gives the same bundle and two
reports of the same thing meet in one object. Cyber-observables follow the specification's own rule (section 2.9).
Sources: STIX 2.1 (OASIS Standard, 2021), its TLP 2.0 extension (OASIS cti-stix-common-objects, 2022).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from wormward.model.own import STIX_AUTHOR
from wormward.model.tlp import Tlp
from wormward.report.words import cleaned

Object = dict[str, Any]

KNOWN_SINCE = "2026-11-01T00:00:00.000Z"
"""When what does not depend on evidence (this program, a threat, a hole) was written down."""
MOST_COUNT = 999_999_999
"""The largest count that STIX has."""
_OBSERVABLES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
_OURS = uuid.UUID("b9e28f6c-f4db-56a6-9db1-0111ab2e3276")  # uuid5(NAMESPACE_URL, "urn:wormward")
_TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_TLP_MARKS = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}


class Bundle:
    """Objects by id in the order in which they were first added; all marked with one TLP label.

    Those of a pseudonymous copy are labelled so; observables, which STIX gives no labels, are what a note is to be about.
    """

    def __init__(self, tlp: Tlp, *, pseudonymous: bool = False) -> None:
        self._labels = {"labels": ["pseudonymous"]} if pseudonymous else {}
        self._mark = _TLP_MARKS[tlp]
        self._objects: dict[str, Object] = {}
        self._keep(_author(self._mark))
        self._keep(_marking(tlp))

    def add(self, kind: str, created: str, said: Object) -> str:
        """A domain or relationship object that says `said` (what is None is left out); its id."""
        body = {k: cleaned(v) for k, v in said.items() if v is not None}
        body = {
            "created": created,
            "modified": created,
            "created_by_ref": STIX_AUTHOR,
            **body,
            **self._labels,
            "object_marking_refs": [self._mark],
        }
        content = json.dumps({"type": kind, **body}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return self._keep({"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid5(_OURS, content)}", **body})

    def relate(self, start: str, what: str, end: str, created: str, said: Object | None = None) -> str:
        """A relationship; its id."""
        return self.add(
            "relationship", created, {"relationship_type": what, "source_ref": start, "target_ref": end, **(said or {})}
        )

    def observable(self, value: str) -> str:
        """An address or a name (as `traces.is_name` has it); its id."""
        kind = observable_type(value)
        content = json.dumps({"value": value}, ensure_ascii=False, separators=(",", ":"))
        made = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid5(_OBSERVABLES, content)}", "value": value}
        return self._keep({**made, "object_marking_refs": [self._mark]})

    def addresses(self) -> list[str]:
        """The ids of the addresses so far."""
        return [key for key in self._objects if key.startswith(("ipv4-addr--", "ipv6-addr--"))]

    def text(self) -> str:
        """The bundle as JSON; its id comes from the ids within."""
        name = uuid.uuid5(_OURS, "\n".join(sorted(self._objects)))
        whole = {"type": "bundle", "id": f"bundle--{name}", "objects": list(self._objects.values())}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"

    def _keep(self, made: Object) -> str:
        self._objects.setdefault(made["id"], made)
        key: str = made["id"]
        return key


def _author(mark: str) -> Object:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": STIX_AUTHOR,
        "created": KNOWN_SINCE,
        "modified": KNOWN_SINCE,
        "name": "Wormward",
        "description": "The program that assessed the evidence.",
        "identity_class": "system",
        "object_marking_refs": [mark],
    }


def _marking(tlp: Tlp) -> Object:
    """The label as its extension publishes it, word for word."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": _TLP_MARKS[tlp],
        "created": "2022-10-01T00:00:00.000Z",
        "name": tlp.label,
        "extensions": {_TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value.lower()}},
    }


def moment(time: datetime | None) -> str | None:
    """A time in the form of STIX: UTC, at least milliseconds."""
    if time is None:
        return None
    utc = time.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}" if utc.microsecond % 1000 else f"{utc.microsecond // 1000:03d}"
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def percent(confidence: float) -> int:
    """A probability on the scale of STIX, 0 to 100."""
    return round(confidence * 100)


def observable_type(value: str) -> str:
    """`ipv4-addr`, `ipv6-addr`, or `domain-name` for all else."""
    try:
        return f"ipv{ip_address(value).version}-addr"
    except ValueError:
        return "domain-name"


def equals(path: str, value: str) -> str:
    """One comparison of a pattern; quotes and backslashes of `value` are escaped."""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path} = '{quoted}'"


def pattern(comparisons: Iterable[str]) -> str:
    """An observation in which all `comparisons` hold."""
    return f"[{' AND '.join(comparisons)}]"

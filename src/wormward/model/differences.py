"""What is new, gone or changed between two assessments: closed lists of words, and the values that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Difference(StrEnum):
    """How one thing differs from what an earlier assessment said (closed list of the JSON contract)."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"


class Subject(StrEnum):
    """What differs (closed list of the JSON contract)."""

    HOST = "host"  # a host that is, or is no more, among the hosts
    STATE = "state"  # a host's infection answer
    VARIANT = "variant"
    EDGE = "edge"  # who infected whom, which way
    COVERAGE = "coverage"  # one source of evidence
    SETTINGS = "settings"  # how it was asked: the pack, the times, the tolerance


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. Hosts have `site` and `address`, edges `other` too (whom `address` infected), sources `source`.

    `before` and `after` are words of closed lists, variants' letters, numbers or times; empty where there is nothing.
    """

    difference: Difference
    subject: Subject
    site: str = ""
    address: str = ""
    other: str = ""
    source: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an assessment differs from an earlier one, of evidence until `as_of`; `changes` in an order of their own."""

    as_of: datetime | None
    changes: tuple[Change, ...]
    hosts_before: int

    def some(self, subject: Subject, difference: Difference) -> tuple[Change, ...]:
        """The changes of one sort."""
        return tuple(c for c in self.changes if c.subject is subject and c.difference is difference)

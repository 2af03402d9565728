"""What became of one capture file: what was counted, what could not be read, what coverage says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from wormward.evidence.files import EvidenceFile
from wormward.model.errors import EvidenceError
from wormward.model.states import Coverage, Problem
from wormward.model.text import N_
from wormward.wire.frame_survey import SURVEY
from wormward.wire.links import LINK_TYPES

UNIT: Final = "frame"
BLIND: Final = (
    N_("what encrypted connections carry is not seen, only that they were made"),
    N_("traffic that did not pass the capturing interface is not seen"),
)
LOST: Final = N_("frames were lost before they were captured: contents of some conversations are missing in part")
CONTRADICTED: Final = N_("some bytes were sent twice with different content; those seen first were believed")
MOST_PROBLEMS: Final = 20
"""Places of damage that are listed of one file; further ones are counted."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Fields of SURVEY, what they count, and what can be done about it.
_ONCE_A_FILE = (
    ("cut", "frames are cut: the capture kept only their beginning", "capture whole frames (tcpdump -s 0)"),
    ("malformed", "frames have broken headers and were left out", ""),
    ("jumps", "time stamps jump by more than a minute back or a month ahead", "check the sensor's clock"),
)


def _fresh() -> Any:
    survey = np.zeros(1, SURVEY)[0]
    survey["first_us"] = survey["last_us"] = survey["before_us"] = -1
    return survey


@dataclass(slots=True)
class FileState:
    """Counts and problems of one file, while it is read and after."""

    kind: str
    links: tuple[tuple[int, int], ...] = ()  # link types and snap lengths
    problems: list[Problem] = field(default_factory=list)
    damaged: int = 0
    survey: Any = field(default_factory=_fresh)  # one row of SURVEY
    sha256: str = ""
    gaps: int = 0  # in conversations, that were given up while it was read
    contradictions: int = 0  # bytes behind gaps that others contradicted
    crowded: int = 0  # conversations and flows that were ended early because there were too many

    @property
    def span_us(self) -> tuple[int, int]:
        """Earliest and latest stamp, microseconds since 1970; -1 if there is no frame."""
        return int(self.survey["first_us"]), int(self.survey["last_us"])

    def damage(self, frame: int, place: int) -> None:
        """At byte `place`, where `frame` should be, no record begins."""
        self.damaged += 1
        if self.damaged <= MOST_PROBLEMS:
            self.problems.append(
                Problem(
                    "is damaged: no record begins where one should; what follows is searched for the next one",
                    f"frame {frame}, byte {place}",
                    "copy the file again from where it came from",
                )
            )

    def cut_short(self, frame: int, place: int) -> None:
        """The file ends within `frame`, which begins at byte `place`."""
        self.problems.append(
            Problem(
                "ends inside a record",
                f"frame {frame}, byte {place}",
                "all frames before it were read; if the capture was still being written, copy it again when it is closed",
            )
        )

    def complain(self, malformed: int, first_malformed: int) -> None:
        """Note what is told once a file, with the first place and how often; `malformed`: DNS messages."""
        if self.span_us[1] < 0 and not self.problems:
            self.problems.append(Problem("holds no frames", None, "check that the sensor listened where the traffic passes"))
        if self.damaged > MOST_PROBLEMS:
            self.problems.append(Problem(f"is damaged at {self.damaged - MOST_PROBLEMS} more places"))
        for name, what, remedy in _ONCE_A_FILE:
            if self.survey[name]:
                frame = int(self.survey[name.removesuffix("s") + "_frame"])
                self.problems.append(Problem(f"{int(self.survey[name])} {what}", f"frame {frame}", remedy))
        if malformed:
            self.problems.append(
                Problem(f"{malformed} messages on port 53 are no whole DNS messages", f"frame {first_malformed}")
            )

    def coverage(self, file: EvidenceFile, rows: Mapping[str, int], origin: str | None) -> Coverage:
        """What the file showed; `origin` is the digest of the first file of its rotation."""
        begin_us, end_us = self.span_us
        return Coverage(
            source=file.name,
            sha256=self.sha256,
            kind=self.kind,
            unit=UNIT,
            begin=_time(begin_us),
            end=_time(end_us),
            time_zone="UTC",
            time_zone_known="stamped",
            rows=dict(sorted(rows.items())),
            problems=(*self.problems, *self._last_problems()),
            blind=(*BLIND, LOST) if self.gaps else BLIND,
            group=origin,
            notes=(CONTRADICTED,) if self.contradictions else (),
        )

    def _last_problems(self) -> list[Problem]:
        """What is known only when all is read."""
        remedy = "capture on the interface itself, as Ethernet or raw IP"
        unread = sorted({link for link, _ in self.links if link not in LINK_TYPES})
        problems = [Problem(f"frames of link type {link} are not read", None, remedy) for link in unread]
        if self.crowded:
            what = f"{self.crowded} conversations were given up early: there were too many at once"
            problems.append(Problem(what, None, "give captures of parts of the network, one after the other"))
        return problems


def _time(time_us: int) -> datetime | None:
    return None if time_us < 0 else _EPOCH + timedelta(microseconds=time_us)


def copied(file: EvidenceFile, kind: str, digest: str, original: str) -> Coverage:
    """Coverage of a file whose bytes were read from another one."""
    return Coverage(file.name, digest, kind, UNIT, None, None, "UTC", "stamped", {}, duplicate_of=original, blind=BLIND)


def unread(file: EvidenceFile, error: EvidenceError) -> Coverage:
    """Coverage of a file that could not be read at all."""
    problem = Problem(error.what, error.place, error.remedy)
    return Coverage(file.name, "", "capture", UNIT, None, None, "UTC", "stamped", {}, (problem,), BLIND)

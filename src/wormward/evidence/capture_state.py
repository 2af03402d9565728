"""What became of one capture file: what was counted, what could not be read, what coverage says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from wormward.evidence.files import EvidenceFile
from wormward.model.errors import EvidenceError
from wormward.model.states import Coverage, Problem
from wormward.model.text import N_, filled
from wormward.wire.capture import PRIVATE_LINKS, link_name
from wormward.wire.facts import Unseen
from wormward.wire.frame_survey import SURVEY
from wormward.wire.links import LINK_TYPES
from wormward.wire.pcapng import MOST_INTERFACES

UNIT: Final = "frame"
BLIND: Final = (
    N_("what encrypted connections carry is not seen, only that they were made"),
    N_("traffic that did not pass the capturing interface is not seen"),
)
LOST: Final = N_("frames were lost before they were captured: contents of some conversations are missing in part")
CONTRADICTED: Final = N_("some bytes were sent twice with different content; those seen first were believed")
EMPTY: Final = N_("a capture holds no frames: nothing was seen; check that its sensor listened where the traffic passes")
UNSEEN: Final = {
    "encrypted": (
        N_("SMB connections were encrypted: their calls, files and shares are not seen"),
        N_(
            "{connections} {connections|SMB connection was|SMB connections were} encrypted ({times} "
            "{times|message|messages}, the first in frame {frame}): what {connections|it|they} carried was not seen"
        ),
    ),
    "compressed": (
        N_("SMB messages were compressed: what they carried is not seen"),
        N_(
            "{connections} SMB {connections|connection|connections} had compressed messages ({times}, the first in "
            "frame {frame}): what these carried was not seen"
        ),
    ),
    "sealed": (
        N_("RPC calls were sealed: what they asked for is not seen"),
        N_(
            "{connections} {connections|connection|connections} had sealed RPC calls ({times}, the first in frame {frame}): what "
            "these asked for was not seen"
        ),
    ),
    "dropped": (
        N_("more RPC calls were left unfinished at once than are kept: some are not seen"),
        N_(
            "{connections} {connections|connection|connections} left more RPC calls unfinished than are kept: {times} "
            "{times|was|were} given up (the first of these connections begins in frame {frame})"
        ),
    ),
    "lost": (
        N_("some SMB connections could not be followed throughout: messages of them are not seen"),
        N_(
            "{connections} SMB {connections|connection|connections} could not be followed throughout: the thread was "
            "lost {times} {times|time|times} (the first of these connections begins in frame {frame})"
        ),
    ),
}
"""What decoders could not look into (`facts.Unseen`): for the whole report, and with the numbers of one source."""
NO_FRAMES: Final = N_("it holds no frames: nothing was seen")
MOST_PROBLEMS: Final = 20
"""Places of damage that are listed of one file; further ones are counted."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK: Final = "check the sensor's clock"
# Fields of SURVEY, what they count, and what can be done about it.
_ONCE_A_FILE = (
    (
        "undescribed",
        "{number} {number|frame is|frames are} of an interface that the file does not describe: nobody can tell what "
        "the bytes are",
        "save it again with the program that wrote it, or give the file that it was cut from: its beginning is missing",
    ),
    (
        "cut",
        "{number} {number|frame is|frames are} cut: the capture kept only {number|its|their} beginning",
        "capture whole frames (tcpdump -s 0)",
    ),
    ("malformed", "{number} {number|frame has|frames have} broken headers and {number|was|were} left out", ""),
    (
        "odd",
        "{number} time {number|stamp is|stamps are} years from those beside {number|it|them} (the first says {said}), "
        "not believed: {number|this frame|each of these frames} is taken to have come with the frame before it",
        f"{_CLOCK}; if the file is damaged, copy it again",
    ),
    ("jumps", "{number} time {number|stamp jumps|stamps jump} by more than a minute back or a month ahead", _CLOCK),
    (
        "leaps",
        "{number} time {number|stamp leaps|stamps leap} by more than a year: most of the time between the first and "
        "the last frame is not in it",
        f"{_CLOCK}; give captures of different years as files of their own",
    ),
    (
        "unset",
        "{number} {number|frame has a time stamp|frames have time stamps} of before 1995 or after 2099, and no better "
        "one is near: when {number|it|they} came is not known",
        _CLOCK,
    ),
    (
        "stampless",
        "{number} {number|frame carries|frames carry} no time stamp: each is taken to have come with the frame before it",
        "",
    ),
)
_FIRST = {"jumps": "jump_frame", "leaps": "leap_frame"}


def _fresh() -> Any:
    survey = np.zeros(1, SURVEY)[0]
    survey["first_us"] = survey["last_us"] = survey["before_us"] = survey["far_us"] = -1
    return survey


@dataclass(slots=True)
class FileState:
    """Counts and problems of one file, while it is read and after."""

    kind: str
    links: tuple[tuple[int, int], ...] = ()  # link types and snap lengths
    left_out: int = 0  # interfaces beyond the bound
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
        self.problems[:0] = self._unread_links()  # the cause of all that follows
        if self.damaged > MOST_PROBLEMS:
            self.problems.append(Problem(f"is damaged at {self.damaged - MOST_PROBLEMS} more places"))
        if self.left_out:
            what = f"describes {self.left_out} interfaces more than the {MOST_INTERFACES} of a section that are kept"
            self.problems.append(Problem(f"{what}: their frames are not read", None, "split it by interface"))
        said = f"{_time(int(self.survey['odd_us'])):%Y-%m-%d}"
        for name, what, remedy in _ONCE_A_FILE:
            number = int(self.survey[name])
            if number:
                frame = f"frame {int(self.survey[_FIRST.get(name, f'{name}_frame')])}"
                self.problems.append(Problem(filled(what, {"number": number, "said": said}), frame, remedy))
        if malformed:
            self.problems.append(
                Problem(f"{malformed} messages on port 53 are no whole DNS messages", f"frame {first_malformed}")
            )

    def _unread_links(self) -> list[Problem]:
        """Which of its link types are not read, and what to do about each."""
        problems = []
        for link in sorted({link for link, _ in self.links if link not in LINK_TYPES}):
            remedy = "capture on the interface itself, as Ethernet or raw IP"
            if link in PRIVATE_LINKS:
                remedy = "ask who wrote it what its frames are; if Ethernet: editcap -T ether OLD NEW"
            elif "802.11" in link_name(link):
                remedy = "capture behind the access point, where the frames are decrypted Ethernet"
            problems.append(Problem(f"frames of link type {link_name(link)} are not read", None, remedy))
        return problems

    def coverage(
        self,
        file: EvidenceFile,
        rows: Mapping[str, int],
        origin: str | None,
        unseen: Mapping[str, Hidden] | None = None,
        more: Iterable[tuple[str, str]] = (),
    ) -> Coverage:
        """What the file showed; `origin` is the digest of the first file of its rotation, `unseen` by `UNSEEN`'s words.

        `more` are further notes, each with what the report should say of all such sources ("": nothing).
        """
        begin_us, end_us = self.span_us
        hidden = {what: unseen[what] for what in UNSEEN if what in unseen} if unseen else {}
        empty = end_us < 0 and not self.problems
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
            blind=(
                *BLIND,
                *((LOST,) if self.gaps else ()),
                *((EMPTY,) if empty else ()),
                *(UNSEEN[what][0] for what in hidden),
                *dict.fromkeys(blind for _, blind in more if blind),
            ),
            group=origin,
            notes=(
                *((CONTRADICTED,) if self.contradictions else ()),
                *((NO_FRAMES,) if empty else ()),
                *(seen.say(UNSEEN[what][1]) for what, seen in hidden.items()),
                *(note for note, _ in more),
            ),
        )

    def _last_problems(self) -> list[Problem]:
        """What is known only when all is read."""
        if not self.crowded:
            return []
        what = f"{self.crowded} conversations were given up early: there were too many at once"
        return [Problem(what, None, "give captures of parts of the network, one after the other")]


@dataclass(slots=True)
class Hidden:
    """One kind of what decoders of one file could not look into."""

    connections: int = 0
    times: int = 0
    frame: int = 0  # the first that was named

    def add(self, fact: Unseen) -> None:
        """What one connection had of it."""
        self.connections += 1
        self.times += fact.count
        self.frame = min(self.frame or fact.stamp.frame, fact.stamp.frame)

    def say(self, sentence: str) -> str:
        """A sentence of `UNSEEN` with its places filled."""
        return filled(sentence, {"connections": self.connections, "times": self.times, "frame": self.frame})


def _time(time_us: int) -> datetime | None:
    return None if time_us < 0 else _EPOCH + timedelta(microseconds=time_us)


def copied(file: EvidenceFile, kind: str, digest: str, original: str) -> Coverage:
    """Coverage of a file whose bytes were read from another one."""
    return Coverage(file.name, digest, kind, UNIT, None, None, "UTC", "stamped", {}, duplicate_of=original, blind=BLIND)


def unread(file: EvidenceFile, error: EvidenceError) -> Coverage:
    """Coverage of a file that could not be read at all."""
    problem = Problem(error.what, error.place, error.remedy)
    return Coverage(file.name, "", "capture", UNIT, None, None, "UTC", "stamped", {}, (problem,), BLIND)

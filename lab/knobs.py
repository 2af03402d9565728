"""What can be chosen of an outbreak."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.life import Pace
from lab.stage import SECOND


@dataclass(frozen=True, slots=True)
class Knobs:
    """Pauses are in seconds, as (least, most). The defaults make the committed example."""

    hosts: int = 30
    seed: int = 1
    start: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC)
    hours: float = 3.0
    infected_percent: int = 34
    carried_percent: int = 0  # of those infected after the entries: so many were carried in as well, over no network
    ripe_minutes: int = 14  # a host infects others only so long after its own infection
    growth: tuple[float, float] = (0.17, 0.43)  # of the span: when the first of the others is infected, and how long it takes
    again_percent: int = 0  # of the password waves: so many end in a host that has the worm already
    closed: bool = False
    proxied: bool = False
    date_offset_days: int = 0  # what the sites that are asked for the date are wrong by
    name_gap_s: tuple[int, int] = (40, 140)  # between two names of a list that is asked in order
    pick_gap_s: tuple[int, int] = (10, 50)  # between two names of a list that is picked from (facts 2.4)
    date_gap_s: tuple[int, int] = (240, 540)  # between two questions for the date on a closed network
    scan_gap_s: tuple[int, int] = (1, 22)  # between two addresses of a round
    scan_round: int = 25  # addresses of a round
    scan_pause_s: tuple[int, int] = (1800, 2700)  # between the beginnings of two rounds
    list_pause_s: tuple[int, int] = (7200, 10_800)  # after the last name of a list, until it is asked for anew (facts 2.4)
    waves: int = 2  # password waves of a host, 40 minutes apart
    peer_gap_s: tuple[int, int] = (8, 40)
    rotate_minutes: int = 0  # 0: one capture
    pace: Pace = field(default_factory=Pace)

    @property
    def start_us(self) -> int:
        """Begin of the capture, microseconds since 1970."""
        return int(self.start.timestamp()) * SECOND

    @property
    def end_us(self) -> int:
        """Nothing new begins from here on."""
        return self.start_us + int(self.hours * 3600) * SECOND

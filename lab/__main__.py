"""The lab's commands: `python -m lab outbreak|case|office|example`, run from the checkout's root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.cases import CASES, write_case
from lab.example import write_example
from lab.knobs import Knobs
from lab.office import write_office
from lab.outbreak import write_outbreak
from lab.worm import load_play

HOME = Path(__file__).resolve().parent.parent
CONFICKER = HOME / "src" / "wormward" / "threats" / "conficker" / "pack.toml"
_USUAL = Knobs()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Make inert captures and logs to test Wormward with.")
    commands = parser.add_subparsers(dest="command", required=True)
    outbreak = commands.add_parser("outbreak", help="a site with an outbreak: capture, Zeek and DNS logs, truth")
    outbreak.add_argument("--out", type=Path, required=True, help="folder to write into")
    outbreak.add_argument("--hosts", type=int, default=_USUAL.hosts)
    outbreak.add_argument("--seed", type=int, default=_USUAL.seed)
    outbreak.add_argument("--hours", type=float, help="3, or 6 on a closed network, where the worm is slower to show")
    outbreak.add_argument("--infected", type=int, default=_USUAL.infected_percent, help="percent of the hosts")
    outbreak.add_argument("--date-offset", type=int, default=0, help="days that the sites asked for the date are wrong by")
    outbreak.add_argument("--closed", action="store_true", help="a site without Internet")
    outbreak.add_argument("--proxy", action="store_true", help="a site whose web traffic goes through a proxy")
    outbreak.add_argument("--no-capture", action="store_true", help="logs only")
    outbreak.add_argument("--rotate", type=int, default=0, metavar="MINUTES", help="begin a new capture file every so often")
    outbreak.add_argument("--worm", type=Path, default=CONFICKER, metavar="PACK.toml", help="the worm to play")
    case = commands.add_parser("case", help="a detector's positive and its benign twin")
    case.add_argument("rule", choices=[*CASES, "all"])
    case.add_argument("--out", type=Path, required=True, help="folder to write into; one a rule below it for `all`")
    case.add_argument("--seed", type=int, default=1)
    case.add_argument("--worm", type=Path, default=CONFICKER, metavar="PACK.toml")
    example = commands.add_parser("example", help="write the committed example again")
    example.add_argument("--out", type=Path, default=HOME / "examples" / "outbreak")
    office = commands.add_parser("office", help="the benchmarks' mix of ordinary packets")
    office.add_argument("--packets", type=int, default=10_000_000)
    office.add_argument("--seed", type=int, default=1)
    office.add_argument("--out", type=Path, required=True, help="file to write")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = _parser().parse_args(words)
    if given.command == "office":
        size = write_office(given.out, given.packets, given.seed)
        print(f"{given.out}: {given.packets} packets, {size} bytes")
        return 0
    if given.command == "example":
        write_example(given.out, load_play(CONFICKER))
        return 0
    play = load_play(given.worm)
    if given.command == "case":
        for rule in CASES if given.rule == "all" else [given.rule]:
            write_case(rule, given.out / rule if given.rule == "all" else given.out, play, given.seed)
        return 0
    knobs = Knobs(
        hosts=given.hosts,
        seed=given.seed,
        hours=given.hours or (6.0 if given.closed else _USUAL.hours),
        infected_percent=given.infected,
        closed=given.closed,
        proxied=given.proxy,
        date_offset_days=given.date_offset,
        rotate_minutes=given.rotate,
    )
    story = write_outbreak(knobs, play, given.out, capture=not given.no_capture)
    print(f"{given.out}: {len(story.times)} of {len(story.site.hosts)} hosts infected, {len(story.attacked)} attacked")
    return 0


if __name__ == "__main__":
    sys.exit(main())

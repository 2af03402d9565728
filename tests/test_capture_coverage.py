"""What coverage says of captures: clocks that cannot be right, interfaces nobody described, what decoders could not see."""

from __future__ import annotations

import json
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import wire_make as make
from tests.capture_help import (
    START,
    Frame,
    block,
    enhanced,
    ethernet,
    in_turn,
    interface,
    ipv4,
    pcap,
    read,
    read_bytes,
    section,
    small_windows,
    talk,
    tshark,
    udp,
)
from tests.cli_help import wormward
from tests.need import need_program
from wormward.evidence.capture_state import EMPTY, UNSEEN
from wormward.model.states import Coverage
from wormward.wire import pcapng
from wormward.wire.capture import PRIVATE_LINKS, UNREAD_LINKS
from wormward.wire.frame_survey import EARLIEST_US, LATEST_US, first_time

GET = [
    (True, b"GET /a HTTP/1.1\r\nHost: x.example\r\n\r\n"),
    (False, b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000),
]
FRAMES = in_turn(talk(GET) + [ipv4(udp(b"%d" % i * 50, 4000 + i, 9999), 17) for i in range(30)])
YEAR_US = 366 * 86_400_000_000
DAY_US = 86_400_000_000


def span(coverage: Coverage) -> tuple[datetime | None, datetime | None]:
    return coverage.begin, coverage.end


def at(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC)


def stamped(**wild: int) -> list[Frame]:
    """FRAMES, with other stamps at some places: stamped(f7=0) gives frame 7 the stamp of 1970."""
    frames = list(FRAMES)
    for name, time_us in wild.items():
        frames[int(name[1:]) - 1] = (time_us, frames[int(name[1:]) - 1][1])
    return frames


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wild", "first", "said"),
    [
        ({"f7": 0}, 7, "1970-01-01"),
        ({"f1": 0}, 1, "1970-01-01"),
        ({"f1": 5_000_000, "f2": 5_000_001, "f3": 5_000_002}, 1, "1970-01-01"),
        ({"f9": 0xFFFFFFFF * 1_000_000}, 9, "2106-02-07"),
        ({"f9": 0xFFFFFFFF * 1_000_000, "f10": 0xFFFFFFFF * 1_000_000, "f11": 0}, 9, "2106-02-07"),
        ({"f12": START + 5 * YEAR_US}, 12, "2025-"),
        ({"f1": START + 5 * YEAR_US}, 1, "2025-"),
        ({"f4": START + 5 * YEAR_US, "f40": START - 9 * YEAR_US}, 4, "2025-"),
        ({f"f{len(FRAMES)}": 1}, len(FRAMES), "1970-01-01"),
    ],
)
def test_stamps_that_cannot_be_right_move_nothing(tmp_path: Path, wild: dict[str, int], first: int, said: str) -> None:
    """Span and conversations are those of the same frames with good stamps, and coverage names the first such frame."""
    good, _ = read_bytes(tmp_path, pcap(FRAMES))
    frames = stamped(**wild)
    rows, (coverage,) = read_bytes(tmp_path, pcap(frames))
    (problem,) = coverage.problems
    stamps = "stamp is years from those beside it" if len(wild) == 1 else "stamps are years from those beside them"
    assert problem.what.startswith(f"{len(wild)} time {stamps} (the first says {said}")
    assert problem.place == f"frame {first}"
    assert problem.remedy
    believed = [time for time, _ in frames if abs(time - START) < DAY_US]
    assert span(coverage) == (at(believed[0]), at(believed[-1]))
    for table in ("flows", "http_requests"):
        assert len(rows[table]) == len(good[table])
        assert all(abs(row["time"] - START) < DAY_US for row in rows[table])
    with small_windows(600, 3):
        again, (told,) = read_bytes(tmp_path, pcap(frames))
    assert (again.tables, told) == (rows.tables, coverage)


def test_a_clock_that_was_set_is_believed_from_its_second_stamp_on(tmp_path: Path) -> None:
    """Two captures of different years in one file (mergecap -a): told as a leap; only the frame at the seam is not believed."""
    late = [(time + 4 * YEAR_US, frame) for time, frame in FRAMES[20:]]
    rows, (coverage,) = read_bytes(tmp_path, pcap(FRAMES[:20] + late))
    odd, leap = coverage.problems
    assert (odd.place, leap.place) == ("frame 21", "frame 22")
    assert leap.what.startswith("1 time stamp leaps by more than a year")
    assert span(coverage) == (at(START), at(late[-1][0]))
    assert max(row["time_end"] for row in rows["flows"]) == late[-1][0]


def test_a_clock_that_was_never_set_is_told(tmp_path: Path) -> None:
    """All of it from 1970: the stamps are all there is. Set later: the file begins there."""
    unset = [(time - START + 7_000_000, frame) for time, frame in FRAMES]
    _, (coverage,) = read_bytes(tmp_path, pcap(unset))
    (problem,) = coverage.problems
    assert problem.what.startswith(f"{len(FRAMES)} frames have time stamps of before 1995")
    assert span(coverage) == (at(7_000_000), at(unset[-1][0]))
    rows, (coverage,) = read_bytes(tmp_path, pcap(unset[:20] + FRAMES[20:]))
    assert span(coverage) == (at(FRAMES[20][0]), at(FRAMES[-1][0]))
    assert coverage.problems[0].what.startswith("20 time stamps")
    assert min(row["time"] for row in rows["flows"]) == FRAMES[20][0]


def test_a_clock_that_is_set_far_into_the_file(tmp_path: Path) -> None:
    """Beyond what is looked at beforehand, frames keep their 1970; the file's span does not."""
    big = [(1_000_000 + i, ethernet(ipv4(udp(bytes(60_000), 1, 2), 17))) for i in range(75)]
    _, (coverage,) = read_bytes(tmp_path, pcap(big + FRAMES))
    assert span(coverage) == (at(FRAMES[0][0]), at(FRAMES[-1][0]))
    assert [p.place for p in coverage.problems] == ["frame 76", "frame 1"]
    assert coverage.problems[1].what.startswith("75 frames have time stamps of before 1995")


def test_a_wild_first_stamp_does_not_tear_a_rotation(tmp_path: Path) -> None:
    parts = [FRAMES[:4], stamped(f5=0)[4:]]
    rows, coverages = read_bytes(tmp_path, *(pcap(part) for part in parts))
    assert coverages[1].group == coverages[0].sha256
    assert [r["status"] for r in rows["http_requests"]] == [200]


def test_behind_damage_the_search_goes_by_believed_stamps(tmp_path: Path) -> None:
    frames = stamped(f20=0xFFFFFFFF * 1_000_000)
    data = bytearray(pcap(frames))
    place = 24 + sum(16 + len(frame) for _, frame in frames[:20])
    data[place + 8 : place + 12] = b"\xff\xff\xff\x7f"
    rows, (coverage,) = read_bytes(tmp_path, bytes(data))
    assert sum(r["packets_out"] + r["packets_in"] for r in rows["flows"]) == len(FRAMES) - 1
    assert [p.place for p in coverage.problems] == [f"frame 21, byte {place}", "frame 20"]


def test_the_first_stamp_is_one_that_another_confirms() -> None:
    assert first_time([]) is None
    assert first_time([0, 1, LATEST_US, EARLIEST_US - 1]) is None
    assert first_time([0, START, START + 5]) == START
    assert first_time([START + 9 * YEAR_US, START, START + 5]) == START
    assert first_time([START + 9 * YEAR_US, START]) == START + 9 * YEAR_US


def test_editcap_moves_stamps_and_the_answer_is_the_same(tmp_path: Path) -> None:
    """A foreign program makes the wild frame: one of ours, 30 years back, merged into the rest."""
    whole, one, rest, old, out = (tmp_path / name for name in ("a.pcap", "b.pcap", "c.pcap", "d.pcap", "e.pcap"))
    whole.write_bytes(pcap(FRAMES))
    editcap, mergecap = need_program("editcap"), need_program("mergecap")
    for words in (
        [editcap, "-F", "pcap", "-r", str(whole), str(one), "10"],
        [editcap, "-F", "pcap", str(whole), str(rest), "10"],
        [editcap, "-F", "pcap", "-t", "-1577880000", str(one), str(old)],
        [mergecap, "-F", "pcap", "-a", "-w", str(out), str(rest), str(old)],
    ):
        subprocess.run(words, check=True, capture_output=True)
    _, (coverage,) = read([out])
    (problem,) = coverage.problems
    assert (problem.place, span(coverage)) == (f"frame {len(FRAMES)}", (at(START), at(FRAMES[-1][0])))
    (row,) = tshark(out, ["frame.time_epoch"], show=f"frame.number == {len(FRAMES)}")
    assert problem.what.split("says ")[1][:10] == at(int(float(row["frame.time_epoch"])) * 1_000_000).strftime("%Y-%m-%d")


def test_the_assessment_ends_where_the_good_stamps_end(tmp_path: Path) -> None:
    path, out = tmp_path / "x.pcap", tmp_path / "out.json"
    path.write_bytes(pcap(stamped(f7=0xFFFFFFFF * 1_000_000, f9=0)))
    assert wormward("assess", path, "--json", out).code == 3
    said = json.loads(out.read_text())
    assert said["as_of"].startswith("2020-09-13T")
    (source,) = said["coverage"]
    assert {source["from"][:10], source["to"][:10]} == {"2020-09-13"}


# -- interfaces and link types -----------------------------------------------------------------------------------------


def test_frames_of_an_interface_that_was_never_described(tmp_path: Path) -> None:
    data = section() + b"".join(enhanced(time, frame) for time, frame in FRAMES[:5])
    _, (coverage,) = read_bytes(tmp_path, data)
    (undescribed, stampless) = coverage.problems
    assert undescribed.what.startswith("5 frames are of an interface that the file does not describe")
    assert (undescribed.place, stampless.place) == ("frame 1", "frame 1")
    assert "its beginning is missing" in undescribed.remedy


def test_frames_without_stamps_have_the_time_of_the_one_before(tmp_path: Path) -> None:
    simple = block(3, len(FRAMES[0][1]).to_bytes(4, "little") + FRAMES[0][1])
    data = section() + interface() + simple + enhanced(*FRAMES[1]) + simple + enhanced(*FRAMES[2])
    rows, (coverage,) = read_bytes(tmp_path, data)
    (problem,) = coverage.problems
    assert problem.what.startswith("2 frames carry no time stamp")
    assert span(coverage) == (at(FRAMES[1][0]), at(FRAMES[2][0]))
    assert {row["time"] for row in rows["flows"]} == {FRAMES[1][0]}


def test_thousands_of_interfaces_are_read(tmp_path: Path) -> None:
    frame = FRAMES[-1][1]
    data = section() + interface(147) * 5000 + interface() + enhanced(START, frame, 5000) + enhanced(START, frame, 4999)
    rows, (coverage,) = read_bytes(tmp_path, data)
    assert [(r["packets_out"], r["time"]) for r in rows["flows"]] == [(1, START)]
    assert [p.what for p in coverage.problems] == ["frames of link type 147 (private use) are not read"]


def test_more_interfaces_than_are_kept_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcapng, "MOST_INTERFACES", 10)
    frame = FRAMES[-1][1]
    data = section() + interface() * 12 + enhanced(START, frame, 9) + enhanced(START, frame, 10)
    rows, (coverage,) = read_bytes(tmp_path, data)
    assert sum(r["packets_out"] for r in rows["flows"]) == 1
    assert coverage.problems[0].what.startswith("describes 2 interfaces more than the 65536 of a section that are kept")
    assert coverage.problems[1].place == "frame 2"


@pytest.mark.parametrize(
    ("link", "name", "remedy"),
    [(105, "105 (IEEE 802.11)", "access point"), (147, "147 (private use)", "editcap"), (4711, "4711", "Ethernet or raw IP")],
)
def test_a_link_type_that_is_not_read_is_named(tmp_path: Path, link: int, name: str, remedy: str) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(pcap([(START + i, bytes(range(60))) for i in range(5)], link=link))
    done = wormward("assess", path)
    assert done.code == 2
    said = done.one_sentence()
    assert f"odd.pcap: frames of link type {name} are not read" in said
    assert remedy in said


def test_link_types_have_the_names_that_wireshark_gives_them(tmp_path: Path) -> None:
    capinfos = need_program("capinfos")
    known = {**UNREAD_LINKS, PRIVATE_LINKS[0]: "USER 0", PRIVATE_LINKS[-1]: "USER 15"}
    words = {"SLIP": "slip", "DOCSIS": "data over cable", "Linux netfilter log": "nflog", "CAN bus": "socketcan",
             "PPI": "per-packet information", "OpenBSD pflog": "openbsd pf"}  # fmt: skip
    for link, name in known.items():
        path = tmp_path / f"{link}.pcap"
        path.write_bytes(pcap([(START, bytes(60))], link=link))
        shown = subprocess.run([capinfos, "-E", "-r", str(path)], check=True, capture_output=True, text=True).stdout.lower()
        assert words.get(name, name.split(" with ")[0].lower()) in shown.split("encapsulation:")[1], (link, shown)


# -- nothing, and what decoders could not see --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [pcap([]), section(), section() + interface()])
def test_a_capture_without_frames_is_a_note(tmp_path: Path, data: bytes) -> None:
    path, out = tmp_path / "x.pcap", tmp_path / "out.json"
    path.write_bytes(data)
    done = wormward("assess", path, "--json", out)
    assert (done.code, json.loads(out.read_text())["coverage"][0]["notes"]) == (0, ["it holds no frames: nothing was seen"])
    assert EMPTY in " ".join(done.out.split())


def _smb(messages: list[tuple[bool, bytes]], sport: int) -> list[bytes]:
    return talk([(to, len(m).to_bytes(4, "big") + m) for to, m in messages], dport=445, sport=sport)


def test_encrypted_and_compressed_messages_are_counted_by_connection(tmp_path: Path) -> None:
    sealed, pressed = b"\xfdSMB" + bytes(80), b"\xfcSMB" + bytes(80)
    one = _smb([(True, sealed), (False, sealed), (True, pressed)], 40_001)
    two = _smb([(True, sealed)], 40_002)
    three = _smb([(True, sealed), (False, sealed), (True, pressed)], 40_003)
    _, (coverage,) = read_bytes(tmp_path, pcap(in_turn(one + two + three)))
    assert coverage.problems == ()
    assert coverage.notes == (
        "3 SMB connections were encrypted (5 messages, the first in frame 4): what they carried was not seen",
        "2 SMB connections had compressed messages (2, the first in frame 6): what these carried was not seen",
    )
    assert {UNSEEN["encrypted"][0], UNSEEN["compressed"][0]} <= set(coverage.blind)
    with small_windows(512, 3):
        assert read_bytes(tmp_path, pcap(in_turn(one + two + three)))[1] == [coverage]


def test_sealed_calls_are_counted(tmp_path: Path) -> None:
    trailer = struct.pack("<BBBxI", 10, 6, 0, 1) + b"s" * 16
    said = [(True, make.bind()), *((True, make.request(b"x" * 40, call=call, auth=trailer)) for call in (2, 3, 4))]
    _, (coverage,) = read_bytes(tmp_path, pcap(in_turn(talk(said, dport=135))))
    assert coverage.notes == ("1 connection had sealed RPC calls (3, the first in frame 5): what these asked for was not seen",)


def test_a_thread_that_was_lost_is_told(tmp_path: Path) -> None:
    message = b"\xfeSMB" + bytes(80)
    packets = _smb([(True, message * 40), (True, message), (True, message)], 40_001)
    del packets[3]  # the first bytes, which the capture lost: nothing tells how long the message is that they began
    _, (coverage,) = read_bytes(tmp_path, pcap(in_turn(packets)))
    assert any(note.startswith("1 SMB connection could not be followed throughout: ") for note in coverage.notes)


@pytest.mark.parametrize(("name", "messages"), [("smb3.pcap", 44), ("smb311.pcap", 28)])
def test_encrypted_messages_are_as_many_as_tshark_sees(corpora: Path, name: str, messages: int) -> None:
    (path,) = (corpora / "captures").rglob(name)
    seen = tshark(path, ["smb2.header.transform.msg_size"], show="smb2.header.transform.msg_size")
    assert len(seen) == messages
    _, (coverage,) = read([path])
    assert any(f"1 SMB connection was encrypted ({messages} messages, " in note for note in coverage.notes)

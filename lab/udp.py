"""UDP exchanges, with the books that Zeek's conn.log wants."""

from __future__ import annotations

from lab.network import IP_HEADER, UDP_HEADER, Machine, udp_frame
from lab.stage import MINUTE, SECOND, Stage


class Udp:
    """A UDP conversation between two ports. Sides: 0 the client, 1 the server."""

    def __init__(
        self, stage: Stage, client: Machine, server: Machine, ports: tuple[int, int], service: str | None = None
    ) -> None:
        self.stage = stage
        self.machines = (client, server)
        self.ports = ports
        self.service = service
        self.uid = stage.uid()
        self._jitter = stage.rng("udp", self.uid).random
        self._times: list[int] = []
        self._packets, self._bytes, self._ip_bytes = [0, 0], [0, 0], [0, 0]
        self._history = ""

    @property
    def names(self) -> dict[str, object]:
        """The columns that tell a connection in every Zeek log."""
        return {
            "uid": self.uid,
            "id.orig_h": self.machines[0].address,
            "id.orig_p": self.ports[0],
            "id.resp_h": self.machines[1].address,
            "id.resp_p": self.ports[1],
        }

    def send(self, time_us: int, side: int, payload: bytes) -> None:
        """`side` sends one datagram at `time_us`."""
        source, target = self.machines[side], self.machines[1 - side]
        letter = "d" if side else "D"
        self._history += letter if letter not in self._history else ""
        self._times.append(time_us)
        self._packets[side] += 1
        self._bytes[side] += len(payload)
        self._ip_bytes[side] += IP_HEADER + UDP_HEADER + len(payload)
        if self.stage.keeps_packets:
            self.stage.packet(time_us, source, udp_frame(source, target, (self.ports[side], self.ports[1 - side]), payload))

    def answer_us(self, side: int) -> int:
        """How long after a datagram to `side` its answer passes the sensor, without thinking time."""
        return int(self.machines[side].distance_us * (0.9 + 0.3 * self._jitter())) + 5

    def book(self) -> int:
        """The conversation is over: write its row; returns the time of its last packet."""
        begin, end = min(self._times), max(self._times)
        duration = (end - begin) / SECOND if end > begin else None
        self.stage.row(
            end + MINUTE,
            "conn",
            {
                "ts": begin,
                **self.names,
                "proto": "udp",
                "service": self.service,
                "duration": duration,
                "orig_bytes": self._bytes[0] if duration is not None else None,
                "resp_bytes": self._bytes[1] if duration is not None else None,
                "conn_state": "SF" if self._packets[1] else "S0",
                "local_orig": self.stage.is_local(self.machines[0]),
                "local_resp": self.stage.is_local(self.machines[1]),
                "missed_bytes": 0,
                "history": self._history,
                "orig_pkts": self._packets[0],
                "orig_ip_bytes": self._ip_bytes[0],
                "resp_pkts": self._packets[1],
                "resp_ip_bytes": self._ip_bytes[1],
            },
        )
        return end

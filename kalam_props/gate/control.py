"""What the tester asks of the gate: one JSON object a line each way, an answer to every request, in order."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from kalam_props.gate.loop import Loop
from kalam_props.gate.rounds import Killing, Round, Rounds
from kalam_props.gate.schedule import Schedule
from kalam_props.gate.sessions import Sessions
from kalam_props.gate.watch import Watch


class Control:
    """Serves the control socket; its end is the end of the gate."""

    def __init__(
        self, loop: Loop, sock: socket.socket, sessions: Sessions, rounds: Rounds, *, realtime: bool
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._sessions = sessions
        self._rounds = rounds
        self._realtime = realtime
        self._received = bytearray()
        self._commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hello": self._hello,
            "open": self._open,
            "renew": self._renew,
            "close": self._close,
            "arm": self._arm,
            "collect": self._collect,
            "end": self._end,
        }
        loop.watch_first(sock, self._ready)

    def _ready(self, _mask: int) -> None:
        try:
            data = self._sock.recv(1_048_576, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.stop()
            return
        self._received += data
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._answer(line)

    def _answer(self, line: bytes) -> None:
        request = json.loads(line)
        try:
            answer = self._commands[request["do"]](request)
        except (ValueError, OSError) as error:
            answer = {"refused": str(error)}
        try:
            self._sock.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._loop.stop()

    def _hello(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"realtime": self._realtime}

    def _open(self, _request: dict[str, Any]) -> dict[str, Any]:
        session = self._sessions.open()
        return {"session": session.number, "port": session.port.number if session.port else None}

    def _renew(self, request: dict[str, Any]) -> dict[str, Any]:
        session = self._sessions.renew(request["session"])
        return {"session": session.number, "port": session.port.number if session.port else None}

    def _close(self, request: dict[str, Any]) -> dict[str, Any]:
        self._sessions.close(request["session"])
        return {}

    def _arm(self, request: dict[str, Any]) -> dict[str, Any]:
        lanes: dict[int, list[int]] = {}
        for op, entry in enumerate(request["requests"]):
            lanes.setdefault(entry["session"], []).append(op)
        for number in lanes:
            if self._sessions.get(number).watches:
                raise ValueError(f"session {number} has operations of another round that were not collected")
        kill = request["kill"]
        planned = [*request["requests"], *([kill] if kill else [])]
        last = len(planned) - 1
        schedule = Schedule(
            [*lanes.values(), *([[last]] if kill else [])],
            {op: entry["after"] for op, entry in enumerate(planned)},
            {op: entry["us"] for op, entry in enumerate(planned)},
            {op: tuple(entry["every"]) for op, entry in enumerate(request["requests"]) if entry["every"]},
            gather_until=monotonic_ns() + request["gather_ns"],
            hold_ns=request["hold_ns"],
        )
        round_ = Round(request["round"], schedule)
        for op, entry in enumerate(request["requests"]):
            watch = Watch(round_, op, entry["sql"], entry["net"], entry["mark"])
            round_.watches[op] = watch
            round_.sessions[op] = self._sessions.get(entry["session"])
            self._sessions.get(entry["session"]).watches.append(watch)
        self._rounds.add(round_)
        if kill:
            round_.holders[last] = Killing(kill["pid"])
            schedule.arrived(last, monotonic_ns())
        return {}

    def _collect(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._rounds.get(request["round"]).collect(request["op"])

    def _end(self, request: dict[str, Any]) -> dict[str, Any]:
        round_ = self._rounds.get(request["round"])
        records = [round_.collect(op) for op in sorted(round_.watches)]
        self._rounds.remove(round_.number)
        return {"records": records}

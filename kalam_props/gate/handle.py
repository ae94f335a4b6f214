"""The tester's side of the gate: starts its process, tells it what to hold, asks what it saw, ends it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from attrs import astuple

from kalam_props.errors import TargetError
from kalam_props.gate.plan import GateSession, Planned, PlannedKill, WireAttempt, WireRecord, check
from kalam_props.programs.model import Net

GATHER_S = 3.0
"""How long a round waits for the first requests of its lanes; one that was collected is not waited for."""

HOLD_S = 5.0
"""How long a request waits for what its rule names before it goes on all the same; less than clients wait."""

ANSWER_S = 20.0
"""How long the gate may take to answer the tester before it is taken for dead."""


class ArmedRound:
    """A round that the gate is holding requests of. Collect every operation, then `end` it."""

    def __init__(self, gate: Gate, number: int) -> None:
        self._gate = gate
        self._number = number

    def collect(self, place: int) -> WireRecord:
        """What was seen of the request at `place`. Ask when its client has answered or given up.

        The first call ends the operation: nothing of it is forwarded from then on. Where it was not forwarded
        exactly once and its answer passed on, its session's port is closed with it (`retired`), since bytes
        of it may still be under way: get another with `Gate.renew` before the session goes on.

        Raises:
            TargetError: the gate has died.

        """
        return _record(self._gate.ask({"do": "collect", "round": self._number, "op": place}))

    def end(self) -> tuple[WireRecord, ...]:
        """Collect what was not collected, forget the round, and give all records as they are now.

        Answers that came after a cut are in them.

        Raises:
            TargetError: the gate has died.

        """
        answer = self._gate.ask({"do": "end", "round": self._number})
        return tuple(_record(record) for record in answer["records"])


class Gate:
    """Owns the gate's process. Every method may be called from any thread.

    When this process dies, in whatever way, the gate's process ends too.
    """

    def __init__(self, url: str, *, ca_file: str | None = None, answer_s: float = ANSWER_S) -> None:
        """Start a gate in front of the server at `url` (http or https; `ca_file` for its certificate).

        Raises:
            TargetError: it cannot be started; the message has its words.

        """
        self._path = urlsplit(url).path.rstrip("/")
        self._lock = threading.Lock()
        self._rounds = count(1)
        self._closed = False
        self._received = bytearray()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the gate
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(answer_s)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kalam_props.gate", url, *([ca_file] if ca_file else [])],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._words,
            )
        self._pid: int = self._process.pid
        try:
            self._realtime = bool(self.ask({"do": "hello"})["realtime"])
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def realtime(self) -> bool:
        """Whether the system lets it release with real-time priority (root, CAP_SYS_NICE or `ulimit -r`).

        Without, requests of one round may leave milliseconds apart on a machine with few free cores.
        """
        return self._realtime

    def open_session(self) -> GateSession:
        """A loopback port of its own for one session.

        Raises:
            TargetError: the gate has died, or no port is to be had.

        """
        return self._session(self.ask({"do": "open"}))

    def renew(self, session: GateSession) -> GateSession:
        """Move a session to a new port; its operations that are still awaited are awaited there.

        The old port refuses connections and those on it are closed, so that what a client still sends there
        cannot pass for its next operation.

        Raises:
            TargetError: the gate has died.

        """
        return self._session(self.ask({"do": "renew", "session": session.number}))

    def close_session(self, session: GateSession) -> None:
        """Close its port.

        Raises:
            TargetError: the gate has died.

        """
        self.ask({"do": "close", "session": session.number})

    def arm(
        self,
        plan: Sequence[Planned],
        *,
        kill: PlannedKill | None = None,
        gather_s: float = GATHER_S,
        hold_s: float = HOLD_S,
    ) -> ArmedRound:
        """Announce the operations of one round: hold their requests, and release them as planned.

        The requests of one session come in the order in which its client sends them. The first of all
        sessions are held until all are there, or `gather_s` seconds from now. Arm a round before its clients
        begin. `kill` is done among them, by `kill -9`, unless the round is ended before.
        Rounds of different sessions may be armed at the same time.

        Raises:
            ValueError: requests that wait for each other, or a session that has another round's operations.
            TargetError: the gate has died.

        """
        check(plan)
        number = next(self._rounds)
        requests = [
            {
                "session": request.session.number,
                "sql": request.sql,
                "after": request.after,
                "us": request.us,
                "net": None if request.net is None else _net(request.net),
                "mark": request.mark,
                "every": None if request.every is None else astuple(request.every),
            }
            for request in plan
        ]
        message = {
            "do": "arm",
            "round": number,
            "requests": requests,
            "kill": None if kill is None else {"pid": kill.pid, "after": kill.after, "us": kill.us},
            "gather_ns": int(gather_s * 1e9),
            "hold_ns": int(hold_s * 1e9),
        }
        self.ask(message)
        return ArmedRound(self, number)

    def close(self) -> None:
        """End the process. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._socket.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send one request to the gate's process and wait for its answer.

        Raises:
            ValueError: it refused the request.
            TargetError: it has died, or does not answer.

        """
        with self._lock:
            if self._closed:
                raise TargetError("the gate was closed already; start another one")
            try:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
                answer = self._read_line()
            except OSError as error:
                raise TargetError(self._obituary(error)) from None
        reply: dict[str, Any] = json.loads(answer)
        if "refused" in reply:
            raise ValueError(reply["refused"])
        return reply

    def _read_line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            data = self._socket.recv(1_048_576)
            if not data:
                raise ConnectionResetError("it closed its control socket")
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _obituary(self, error: OSError) -> str:
        try:
            code: int | None = self._process.wait(1)
        except subprocess.TimeoutExpired:
            code = None
            self._process.kill()  # an answer that comes later would be taken for the next one's
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip().splitlines()
        what = f"ended with exit code {code}" if code is not None else f"does not answer ({error})"
        last = f"; its last words: {words[-1]}" if words else ""
        return (
            f"the gate (process {self.pid}, between the clients and the server) {what}{last}. "
            "Run again, or without it: --no-gate"
        )

    def _session(self, answer: dict[str, Any]) -> GateSession:
        port = int(answer["port"])
        return GateSession(int(answer["session"]), port, f"http://127.0.0.1:{port}{self._path}")


def _net(net: Net) -> dict[str, object]:
    """The fields that are set."""
    fields = {
        "cut": net.cut,
        "reset": net.reset or None,
        "delay_us": net.delay_us,
        "stall": net.stall or None,
        "trickle_bytes": net.trickle_bytes,
        "bandwidth": net.bandwidth,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _record(answer: dict[str, Any]) -> WireRecord:
    return WireRecord(
        attempts=tuple(WireAttempt(*attempt) for attempt in answer["attempts"]),
        arrived_ns=answer["arrived_ns"],
        due_ns=answer["due_ns"],
        forced=answer["forced"],
        net_done=answer["net_done"],
        error=answer["error"],
        opaque=answer["opaque"],
        strangers=answer["strangers"],
        retired=answer["retired"],
    )

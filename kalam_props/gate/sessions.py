"""Sessions of the tester, the loopback port that each has at a time, and the server behind them."""

from __future__ import annotations

import socket
import sys
from collections import deque
from collections.abc import Callable
from itertools import count
from selectors import EVENT_READ
from time import monotonic_ns
from typing import TYPE_CHECKING

from kalam_props.gate.loop import Loop
from kalam_props.gate.relay import Relay
from kalam_props.gate.stream import Ends, Stream
from kalam_props.gate.watch import Watch

if TYPE_CHECKING:
    from kalam_props.gate.tls import Tls

_ACCEPT_AGAIN_NS = 50_000_000

_PORTS_REMEMBERED = 4096
"""A port is not given out again before so many others were: clients of it have long ended by then.

Not for ever: a night of hunting needs more ports than there are.
"""


class Target:
    """The one server that is forwarded to. `new_tls` makes the TLS of one connection; None: plain TCP."""

    def __init__(self, host: str, port: int, new_tls: Callable[[], Tls] | None) -> None:
        self.name = f"{host}:{port}"
        self._new_tls = new_tls
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        chosen = found[0] if len(found) == 1 else next(filter(_answers, found), found[0])
        self._family: socket.AddressFamily = chosen[0]
        self._address = (str(chosen[4][0]), int(chosen[4][1]))

    def stream(self, loop: Loop, ends: Ends) -> Stream:
        """A stream that is not connected yet."""
        return Stream(loop, socket.socket(self._family, socket.SOCK_STREAM), ends)

    def connect(self, stream: Stream) -> None:
        stream.connect(self._address, self._new_tls() if self._new_tls is not None else None)


def _answers(found: tuple[int, int, int, str, tuple[object, ...]]) -> bool:
    """`localhost` may be two addresses of which the server has one."""
    with socket.socket(found[0], socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(found[4]) == 0


class Port:
    """A loopback port: accepts connections until it is retired, and then refuses them."""

    def __init__(self, loop: Loop, session: Session, listener: socket.socket) -> None:
        self._loop = loop
        self._session = session
        self._listener = listener
        self._relays: set[Relay] = set()
        self._open = True
        self.number: int = listener.getsockname()[1]
        self.target = session.target
        self.opaque = 0
        listener.setblocking(False)
        loop.watch(listener, EVENT_READ, self._accept)

    @property
    def watching(self) -> bool:
        return self._open and bool(self._session.watches)

    def match(self, sql: str | None) -> Watch | None:
        """The announced operation that this SQL is."""
        if sql is None:
            self.opaque += 1
            return None
        if not self._open:
            return None
        watches = self._session.watches
        found = next((watch for watch in watches if watch.matches(sql)), None)
        if found is None and watches:
            # A session does one operation at a time: if it is any, it is the one that is awaited now.
            watches[0].strangers += watches[0].mark in sql
        return found

    def count_opaque(self) -> None:
        """A request may have passed that was not understood."""
        self.opaque += 1

    def blame(self, reason: str) -> None:
        """Tell the operation that is awaited next why it may not come."""
        if self._open and self._session.watches and self._session.watches[0].error is None:
            self._session.watches[0].error = reason

    def forget(self, relay: Relay) -> None:
        self._relays.discard(relay)

    def retire(self) -> None:
        """Refuse new connections and close those that are there; nothing is forwarded from here any more."""
        if self._open:
            self._open = False
            self._loop.unwatch(self._listener)
            self._listener.close()
            for relay in list(self._relays):
                relay.retire()

    def _accept(self, _mask: int) -> None:
        while self._open:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors: without a pause the loop would spin on the waiting connection.
                print(f"cannot accept a connection: {error}", file=sys.stderr, flush=True)
                self._loop.unwatch(self._listener)
                self._loop.call_at(monotonic_ns() + _ACCEPT_AGAIN_NS, self._accept_again)
                return
            relay = Relay(self._loop, self, sock)
            self._relays.add(relay)
            relay.start()

    def _accept_again(self) -> None:
        if self._open:
            self._loop.watch(self._listener, EVENT_READ, self._accept)


class Session:
    """What the tester calls a session: operations one after the other, over one port at a time."""

    def __init__(self, number: int, target: Target) -> None:
        self.number = number
        self.target = target
        self.watches: deque[Watch] = deque()
        self.port: Port | None = None


class Sessions:
    """All open sessions, by number. No port number is given out again soon."""

    def __init__(self, loop: Loop, target: Target) -> None:
        self._loop = loop
        self._target = target
        self._numbers = count(1)
        self._open: dict[int, Session] = {}
        self._used_ports: deque[int] = deque(maxlen=_PORTS_REMEMBERED)

    def open(self) -> Session:
        session = Session(next(self._numbers), self._target)
        session.port = self._new_port(session)
        self._open[session.number] = session
        return session

    def renew(self, number: int) -> Session:
        """Move a session to a new port; the old one refuses from now on."""
        session = self.get(number)
        port = self._new_port(session)
        if session.port is not None:
            session.port.retire()
        session.port = port
        return session

    def close(self, number: int) -> None:
        session = self.get(number)
        if session.port is not None:
            session.port.retire()
        del self._open[number]

    def get(self, number: int) -> Session:
        if number not in self._open:
            raise ValueError(f"no session {number} is open")
        return self._open[number]

    def _new_port(self, session: Session) -> Port:
        refused = []
        while True:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            if listener.getsockname()[1] not in self._used_ports:
                break
            # A late resend to a retired port must not find another session there.
            refused.append(listener)
        for taken in refused:
            taken.close()
        self._used_ports.append(listener.getsockname()[1])
        return Port(self._loop, session, listener)

"""One session of a program: processes in Jepsen's sense, one after another, each one statement at a time."""

from __future__ import annotations

import contextlib
import threading

from attrs import define, field

from kalam_props.drivers.protocol import Connection, Credential, Driver, Reply
from kalam_props.errors import TargetError
from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import GateSession


@define
class SessionClient:
    """Owns the connections of one session, and its port of the gate; used by one thread at a time.

    A session speaks as its user, and as root where a statement is root's business (a flush). Once it is spent
    (an indeterminate reply, a request that may still be under way) it goes on as a new process (`u0/1#2`) on
    new connections and a new port, so that what is still to come on the old ones can't pass for what it does
    next.
    """

    name: str
    driver: Driver
    url: str
    port: GateSession | None = None
    _gate: Gate | None = None
    generation: int = 1
    _connections: dict[Credential, Connection] = field(factory=dict, repr=False)
    _busy: threading.Lock = field(factory=threading.Lock, repr=False)

    @property
    def process(self) -> str:
        return self.name if self.generation == 1 else f"{self.name}#{self.generation}"

    def connect(self, credential: Credential) -> None:
        """Open the connection of a credential unless it is there: what takes long must not be in a round."""
        if credential not in self._connections:
            url = self.url if self.port is None else self.port.url
            self._connections[credential] = self.driver.connect(credential, url=url)

    def execute(self, sql: str, credential: Credential, deadline_s: float) -> Reply:
        with self._busy:
            self.connect(credential)
            connection = self._connections[credential]
            return connection.execute(sql, deadline_s=deadline_s)

    def rest(self) -> None:
        """From any thread: close the connections unless a statement is under way. The next one opens its own.

        A server that is told to stop waits for connections that are open.
        """
        if self._busy.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._busy.release()

    def begin_again(self) -> None:
        """Go on as a new process."""
        self.close()
        self.generation += 1
        if self._gate is not None and self.port is not None:
            self.port = self._gate.renew(self.port)

    def close(self) -> None:
        """End its connections; also from another thread, to cut short what it waits for."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            connection.close()

    def leave(self) -> None:
        """End its connections and give its port back."""
        self.close()
        if self._gate is not None and self.port is not None:
            with contextlib.suppress(TargetError):  # the gate died: told by whoever waits for a request
                self._gate.close_session(self.port)


def open_session(name: str, driver: Driver, url: str, gate: Gate | None) -> SessionClient:
    """A session of its own, on a port of its own where there is a gate.

    Raises:
        TargetError: the gate has died.

    """
    return SessionClient(name, driver, url, None if gate is None else gate.open_session(), gate)

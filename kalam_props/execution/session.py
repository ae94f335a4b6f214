"""One session of a program: processes in Jepsen's sense, one after another, each one statement at a time."""

from __future__ import annotations

from attrs import define, field

from kalam_props.drivers.protocol import Connection, Credential, Driver, Reply


@define
class SessionClient:
    """Owns the connections of one session; used by one thread at a time.

    A session speaks as its user, and as root where a statement is root's business (a flush). After an
    indeterminate reply it goes on as a new process (`u0/1#2`) on new connections, since the old one may still
    be waiting for its answer.
    """

    name: str
    driver: Driver
    url: str
    generation: int = 1
    _connections: dict[Credential, Connection] = field(factory=dict, repr=False)

    @property
    def process(self) -> str:
        return self.name if self.generation == 1 else f"{self.name}#{self.generation}"

    def execute(self, sql: str, credential: Credential, deadline_s: float) -> Reply:
        if credential not in self._connections:
            self._connections[credential] = self.driver.connect(credential, url=self.url)
        return self._connections[credential].execute(sql, deadline_s=deadline_s)

    def begin_again(self) -> None:
        """Go on as a new process."""
        self.close()
        self.generation += 1

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

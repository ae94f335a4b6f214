"""A program: tables, and rounds of concurrent lanes (format `kalam-props-program`, version 1).

In a round each session has a lane, a short list of steps done in order; lanes run concurrently, and a round
begins when the one before has ended. The interleaving is thereby part of the value.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import evolve, frozen

from kalam_props.history.operations import Operation

FORMAT = "kalam-props-program"
VERSION = 1

Session: TypeAlias = str
"""`u0/1`: session 1 of user u0. A user with several sessions races with itself too."""


def user_of(session: Session) -> str:
    """The user of a session; a session continued after an indeterminate answer (`u0/1#2`) has the same."""
    return session.split("/", 1)[0]


@frozen
class TableDef:
    """A table as it is created.

    Attributes:
        flush_rows: flush when so many hot row versions are there; None: never.
        name: what it is called on the server, where that is not its own name: a name that another table has
            in another namespace, or had before it (see `programs.tables`).
        namespace: in which of the program's namespaces it is.

    """

    columns: tuple[tuple[str, str], ...]
    key: str
    type: Literal["user", "shared"] = "user"
    flush_rows: int | None = None
    name: str | None = None
    namespace: int = 0

    def place(self, own_name: str) -> tuple[int, str]:
        """Namespace and name, which no two tables have at once."""
        return self.namespace, self.name or own_name

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def key_index(self) -> int:
        return self.column_names.index(self.key)

    @property
    def key_type(self) -> str:
        return self.columns[self.key_index][1]


@frozen
class Release:
    """When a step's request goes on to the server: symbolic, resolved and recorded when run.

    `round`: `us` microseconds after the round's release. `flush`: at `fraction` of the flush that this round
    is expected to run (0 begin, 1 end). `write`: sent at `fraction` of another lane's write of the same table
    (0 as that is sent, 1 as it takes effect, 2 as long again after). `answer`: `us` after the answer to that.
    `previous`: `us` after the lane's previous answer.
    """

    anchor: Literal["round", "flush", "write", "answer", "previous"] = "round"
    us: int = 0
    fraction: float | None = None


@frozen
class Net:
    """What the network does to one request. Exactly one of the fields is set.

    Attributes:
        cut: close the connection before the request was forwarded, or after it was and before the answer.
        reset: as `cut` after forwarding, with a TCP reset toward the client.
        delay_us: hold the answer back so long.
        stall: hold the answer back past the client's deadline.
        trickle_bytes: pass the answer on in pieces of so many bytes, a millisecond apart.
        bandwidth: pass the request on at so many bytes a second.

    """

    cut: Literal["before-forward", "after-forward"] | None = None
    reset: bool = False
    delay_us: int | None = None
    stall: bool = False
    trickle_bytes: int | None = None
    bandwidth: int | None = None


@frozen
class Step:
    op: Operation
    release: Release | None = None
    net: Net | None = None

    @property
    def anchor(self) -> str | None:
        """Of its release point; None where it has none."""
        return None if self.release is None else self.release.anchor

    @property
    def at_write(self) -> bool:
        """Whether it is released by what another lane writes."""
        return self.anchor in {"write", "answer"}


@frozen
class Round:
    lanes: dict[Session, tuple[Step, ...]]

    @property
    def concurrent(self) -> bool:
        return len(self.lanes) > 1


@frozen
class Program:
    tables: dict[str, TableDef]
    rounds: tuple[Round, ...]

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(sorted({session for round_ in self.rounds for session in round_.lanes}))

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(sorted({user_of(session) for session in self.sessions}))

    @property
    def operations(self) -> int:
        """How many operations the program asks for; `await-flush` and `pause` wait and do not count."""
        waits = ("AwaitFlush", "Pause")
        return sum(
            type(step.op).__name__ not in waits
            for round_ in self.rounds
            for lane in round_.lanes.values()
            for step in lane
        )

    def with_rounds(self, rounds: tuple[Round, ...]) -> Program:
        return evolve(self, rounds=rounds)

"""The seam that every driver fits: a driver opens connections, a connection runs one statement at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from kalam_props.history.events import Error, Product
from kalam_props.history.operations import Row

if TYPE_CHECKING:
    from kalam_props.drivers.feed import Feed, Tell


@frozen
class Credential:
    """Who a client says that it is: a user with a password, or with a token."""

    user: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@frozen
class Result:
    """One entry of `results`. Integers are ints, whatever the server prints; `columns` empty for writes.

    `named`: its rows came as objects, as versions before 0.2 gave them.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    row_count: int | None = None
    message: str | None = None
    as_user: str | None = None
    named: bool = False


@frozen
class Reply:
    """What came of one statement.

    Attributes:
        results: what the server answered, when `error` is None.
        error: normalised code, server's code and words.
        done: for an error, False when it is certain that nothing was done, None when it is open.
        done_statements: for a request of several statements outside a transaction, refused for certain at
            statement k: k-1. Those were done, the others were not; `done` is None unless k is 1.

    """

    results: tuple[Result, ...] = ()
    error: Error | None = None
    done: bool | None = True
    done_statements: int | None = None


class Connection(Protocol):
    """One process in Jepsen's sense: a statement at a time. Not used again after an indeterminate reply."""

    def execute(self, sql: str, *, deadline_s: float) -> Reply:
        """Run one request. Never raises for what a server or network does; that is a `Reply`.

        Raises:
            TargetError: the client cannot be started, or prints something that is no answer.

        """
        ...

    def close(self) -> None:
        """End it and whatever it started. Harmless twice; from another thread it cuts `execute` short."""
        ...


class Driver(Protocol):
    """How statements reach a server."""

    @property
    def name(self) -> str: ...

    @property
    def client(self) -> Product: ...

    def connect(self, credential: Credential, *, url: str) -> Connection: ...

    @property
    def can_subscribe(self) -> bool: ...

    def subscribe(self, credential: Credential, sql: str, *, url: str, tell: Tell) -> Feed:
        """Ask to be told of the rows of a SELECT and of their changes; `tell` is, by another thread.

        Raises:
            TargetError: the client cannot be started, or cannot subscribe.

        """
        ...

    def as_sent(self, sql: str) -> str:
        """The SQL that the server will be sent for `sql`, but for outer spaces and a last semicolon."""
        ...

    def close(self) -> None: ...

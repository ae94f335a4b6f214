"""The events of a history: one frozen class a kind of line (format `kalam-props-history`, version 1)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.history.operations import Operation, Row, Scalar

FORMAT = "kalam-props-history"
VERSION = 1

ErrorCode: TypeAlias = Literal[
    "duplicate-key",
    "not-found",
    "invalid",
    "permission",
    "rate-limit",
    "conflict",
    "server",
    "timeout",
    "connection",
]

REFUSALS: frozenset[str] = frozenset(
    {"duplicate-key", "not-found", "invalid", "permission", "rate-limit", "conflict"}
)
"""Answers that promise that nothing was done; every other error leaves the outcome open."""

JOB_HANGS = "job-hangs"
"""Server code of a wait for flushes that found one that does not end."""

NOT_RECOVERED = "not-recovered"
"""Server code of a restart or kill after which the server was healthy, but something did not work."""

MALFORMED = "malformed-answer"
"""Server code of an operation whose answer does not fit it: columns, a number or whole rows are missing."""

CONNECTION_LOST = "connection-lost"
"""How `what` of a network event begins that tells of a subscription which ended without our doing."""

Interval: TypeAlias = tuple[int, int | None]
"""Nanoseconds from the run's start, both ends included; None: not yet, or never seen."""


@frozen
class Product:
    """A server or client: what it calls itself, and its version."""

    name: str
    version: str


@frozen
class TableShape:
    """What a reader of rows needs to know of a table."""

    type: Literal["user", "shared"]
    columns: tuple[str, ...]
    key: str

    @property
    def key_index(self) -> int:
        return self.columns.index(self.key)


@frozen
class Header:
    """The first line. Fields that it does not know are kept by no one and harm no one."""

    target: Product
    client: Product
    driver: str
    gate: bool
    program: str
    tables: dict[str, TableShape]
    identity: str | None = None
    started: str | None = None


@frozen
class Error:
    """Why an operation has no answer: normalised code, the server's own code, its words."""

    code: ErrorCode
    message: str
    server_code: str | None = None


Anchor: TypeAlias = Literal["round", "flush", "write", "answer", "previous", "check"]


@frozen
class Released:
    """What a symbolic release point came to: `us` microseconds after its anchor, as they were aimed at.

    `round`: after the release of the round. `previous`: after the answer before. `flush`: after the request
    that caused the flush was sent on (a command) or answered (a write). `write`: after what the other write
    waits for, which it is aimed at, is over. `answer`: after the answer to the other write. `check`: after
    (or, if negative, before) the server was expected to look for tables to flush.
    """

    anchor: Anchor
    us: int


@frozen
class Invoke:
    """`p` invoked `op` as `user` at `t`. `deadline`: nanoseconds until the client gives up.

    `release`: when the gate was to let the request go, where the program says anything about it.
    """

    i: int
    t: int
    p: str
    user: str
    op: Operation
    deadline: int | None = None
    release: Released | None = None


@frozen
class Ok:
    """An answer. Writes have `affected`, reads `rows` or `count`, a transaction `results` of its ops.

    `complete` is False when as many rows came as the limit allowed: absent rows prove nothing then.
    `wire`: last byte of the request sent on, last byte of the answer received.
    """

    i: int
    t: int
    of: int
    affected: int | None = None
    rows: tuple[Row, ...] | None = None
    count: int | None = None
    complete: bool = True
    results: tuple[dict[str, object], ...] | None = None
    wire: Interval | None = None
    attempts: int = 1


@frozen
class Fail:
    """A refusal that promises that nothing was done (or the request was never forwarded)."""

    i: int
    t: int
    of: int
    error: Error
    wire: Interval | None = None
    attempts: int = 1


@frozen
class Info:
    """No answer that can be trusted: may take effect at any later time, once, or never."""

    i: int
    t: int
    of: int
    error: Error
    wire: Interval | None = None
    attempts: int = 1


@frozen
class FlushRun:
    """A flush that the server reported. Its clock is coarse, so each end is an interval."""

    i: int
    t: int
    table: str
    job: str
    began: Interval
    ended: Interval
    rows: int | None = None
    status: str = "completed"


@frozen
class ServerEvent:
    i: int
    t: int
    what: Literal["started", "stopped", "killed", "healthy", "died"]
    message: str | None = None


@frozen
class NetFault:
    """What we did, or what happened, to the network for the operation `of`; never held against the server."""

    i: int
    t: int
    of: int
    what: str


@frozen
class Notify:
    """A live notification to the subscription `of`."""

    i: int
    t: int
    of: int
    change: Literal["initial", "insert", "update", "delete"]
    rows: tuple[Row, ...] | None = None
    old: tuple[Row, ...] | None = None


Event: TypeAlias = Invoke | Ok | Fail | Info | FlushRun | ServerEvent | NetFault | Notify
Completion: TypeAlias = Ok | Fail | Info

EVENT_NAMES: dict[type, str] = {
    Invoke: "invoke",
    Ok: "ok",
    Fail: "fail",
    Info: "info",
    FlushRun: "flush",
    ServerEvent: "server",
    NetFault: "net",
    Notify: "notify",
}


@frozen
class History:
    """A whole history in memory.

    `truncated`: the last line was cut off (the run was killed); what came before it counts.
    """

    header: Header
    events: tuple[Event, ...]
    truncated: bool = False


__all__ = [
    "CONNECTION_LOST",
    "EVENT_NAMES",
    "FORMAT",
    "JOB_HANGS",
    "MALFORMED",
    "NOT_RECOVERED",
    "REFUSALS",
    "VERSION",
    "Completion",
    "Error",
    "ErrorCode",
    "Event",
    "Fail",
    "FlushRun",
    "Header",
    "History",
    "Info",
    "Interval",
    "Invoke",
    "NetFault",
    "Notify",
    "Ok",
    "Product",
    "Released",
    "Row",
    "Scalar",
    "ServerEvent",
    "TableShape",
]

"""An operation that the tester announced: which SQL to look for, and what became of it on the wire."""

from __future__ import annotations

import json
from time import monotonic_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kalam_props.gate.rounds import Round


_WITHHOLDING = ("cut-after-forward", "reset", "stall")


class Attempt:
    """One time that the request was forwarded."""

    __slots__ = ("answered_ns", "error", "sent_ns", "status")

    def __init__(self, sent_ns: int) -> None:
        self.sent_ns = sent_ns
        self.answered_ns: int | None = None
        self.status: int | None = None
        self.error: str | None = None


class Watch:
    """One announced operation. `net` is the network fault for its first request, or None."""

    __slots__ = (
        "_trimmed",
        "arrived_ns",
        "attempts",
        "collected",
        "due_ns",
        "error",
        "finished_ns",
        "forced",
        "mark",
        "net",
        "net_done",
        "op",
        "opaque",
        "retired",
        "round",
        "sql",
        "strangers",
    )

    def __init__(self, round_: Round, op: int, sql: str, net: dict[str, object] | None, mark: str) -> None:
        self.round = round_
        self.op = op
        self.sql = sql
        self._trimmed = trimmed(sql)
        self.net = net
        self.mark = mark
        self.attempts: list[Attempt] = []
        self.arrived_ns: int | None = None
        self.due_ns: int | None = None
        self.finished_ns: int | None = None
        self.forced = False
        self.net_done: str | None = None
        self.error: str | None = None
        self.opaque = 0
        self.strangers = 0
        self.collected = False
        self.retired = False

    def matches(self, sql: str) -> bool:
        """Clients strip outer spaces and may strip the last semicolon; nothing else."""
        return sql == self.sql or trimmed(sql) == self._trimmed

    @property
    def keeps_request_back(self) -> bool:
        """Whether no byte may go on before the release: the fault is about the request itself."""
        return self.net is not None and ("bandwidth" in self.net or self.net.get("cut") == "before-forward")

    @property
    def settled(self) -> bool:
        """Forwarded once, answered, and the answer passed on: nobody has a reason to send it again."""
        return (
            len(self.attempts) == 1
            and self.attempts[0].answered_ns is not None
            and self.net_done not in _WITHHOLDING
        )

    def fail(self, error: str) -> None:
        """It will have no answer. The first reason is the one that is told."""
        if self.error is None:
            self.error = error
        self.finish(monotonic_ns())

    def finish(self, ns: int) -> None:
        """It has its answer, or will never have one: those that wait for it may go."""
        if self.finished_ns is None:
            self.finished_ns = ns
            self.round.finished(self.op, ns)

    def report(self) -> dict[str, object]:
        """As it crosses to the tester; times in nanoseconds of the machine's monotonic clock."""
        return {
            "attempts": [[a.sent_ns, a.answered_ns, a.status, a.error] for a in self.attempts],
            "arrived_ns": self.arrived_ns,
            "due_ns": self.due_ns,
            "forced": self.forced,
            "net_done": self.net_done,
            "error": self.error,
            "opaque": self.opaque,
            "strangers": self.strangers,
            "retired": self.retired,
        }


def trimmed(sql: str) -> str:
    return sql.strip().rstrip("; \t\r\n")


def sql_of(body: bytes) -> str | None:
    """The `sql` of a request's JSON body; None where there is none that can be read."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    sql = value.get("sql") if isinstance(value, dict) else None
    return sql if isinstance(sql, str) else None

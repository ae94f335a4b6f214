"""What became of one request, from what its client says and what the gate saw. Pure.

The gate knows what no client can: whether the request was forwarded at all, and how often.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from kalam_props.drivers.protocol import Reply
from kalam_props.gate.plan import WireRecord
from kalam_props.history.events import REFUSALS, Error, Interval


@frozen
class Settled:
    """How a request ends in the history.

    Attributes:
        outcome: `fail` only where it is certain that nothing was done.
        error: for `fail` and `info`.
        wire: by the machine's monotonic clock; None: not known.
        attempts: how often it was or may have been forwarded, at least 1; more than one is at-least-once,
            whatever the answer.
        net: the network fault that was done to it.
        spent: the session must go on as a new process, on new connections and a new port.

    """

    outcome: Literal["ok", "fail", "info"]
    error: Error | None = None
    wire: Interval | None = None
    attempts: int = 1
    net: str | None = None
    spent: bool = False


def settle(reply: Reply, record: WireRecord | None) -> Settled:
    """The outcome of one request; `record` is None where there is no gate."""
    if record is None:
        outcome = _outcome(reply)
        return Settled(outcome, reply.error, spent=outcome == "info")
    outcome, error = _outcome(reply), reply.error
    if error is not None and outcome == "info" and record.never_forwarded:
        outcome, error = "fail", _never_forwarded(error, record)
    elif error is not None and outcome == "fail" and record.attempts and error.code not in REFUSALS:
        outcome = "info"  # the client believes that it sent nothing; the gate saw that it did
    return Settled(
        outcome,
        error,
        wire=record.wire,
        attempts=max(1, len(record.attempts) + record.strangers),
        net=record.net_done,
        spent=outcome == "info" or record.retired or record.strangers > 0,
    )


def _outcome(reply: Reply) -> Literal["ok", "fail", "info"]:
    if reply.error is None:
        return "ok"
    return "fail" if reply.done is False else "info"


def _never_forwarded(error: Error, record: WireRecord) -> Error:
    """Why it has no answer: ours to answer for when we had it, the server's when it never got so far."""
    if record.arrived_ns is None:
        return error
    return Error("connection", f"never forwarded: {record.error or error.message}")

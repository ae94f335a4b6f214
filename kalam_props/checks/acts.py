"""Operations with the interval in which each can have taken effect, from the events of a history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from attrs import frozen

from kalam_props.history.events import (
    REFUSALS,
    Completion,
    Error,
    Event,
    Fail,
    Info,
    Invoke,
    Ok,
)
from kalam_props.history.operations import READS, Insert, Operation, Txn


@frozen(eq=False)
class Act:
    """One operation and what is known of its outcome.

    Attributes:
        i: the number of its invocation.
        start: earliest instant at which it can have taken effect, in nanoseconds; intervals are closed.
        end: latest such instant; None when it may take effect at any later time, or never.
        outcome: `ok` answered, `fail` refused (`answer` is None, `error` says why), `info` indeterminate.
        times: how often it may have taken effect at most: more than once when a client resent it.
        invoked, returned: the instants of its events, for people; `returned` is None without an answer.

    """

    i: int
    p: str
    user: str
    op: Operation
    start: int
    end: int | None
    outcome: Literal["ok", "fail", "info"]
    answer: Ok | None
    error: Error | None
    times: int
    invoked: int
    returned: int | None


def acts(events: Iterable[Event]) -> list[Act]:
    """The operations of a history in order of invocation."""
    invoked: dict[int, Invoke] = {}
    answers: dict[int, Completion] = {}
    for event in events:
        if isinstance(event, Invoke):
            invoked[event.i] = event
        elif isinstance(event, (Ok, Fail, Info)):
            answers[event.of] = event
    return [_act(invoke, answers.get(invoke.i)) for invoke in invoked.values()]


def _act(invoke: Invoke, answer: Completion | None) -> Act:
    outcome = _outcome(invoke.op, answer)
    start, end = _interval(invoke, answer)
    return Act(
        i=invoke.i,
        p=invoke.p,
        user=invoke.user,
        op=invoke.op,
        start=start,
        end=None if outcome == "info" else end,
        outcome=outcome,
        answer=answer if isinstance(answer, Ok) else None,
        error=answer.error if isinstance(answer, (Fail, Info)) else None,
        times=max(1, answer.attempts) if answer is not None and outcome == "info" else 1,
        invoked=invoke.t,
        returned=None if answer is None else answer.t,
    )


def _outcome(op: Operation, answer: Completion | None) -> Literal["ok", "fail", "info"]:
    if isinstance(op, Txn) and op.rollback:
        return "fail"  # whatever was answered, nothing of it may ever be seen
    if answer is None or isinstance(answer, Info):
        return "info"
    if answer.attempts > 1 and not isinstance(op, READS):
        # Resent: the answer is that of one attempt, and another may have taken effect, or may do so later.
        return "info"
    if isinstance(answer, Fail):
        return "fail"
    return "ok"


def _interval(invoke: Invoke, answer: Completion | None) -> tuple[int, int | None]:
    """Wire times where they are known. A resent read may have been answered from any of its attempts."""
    if answer is None:
        return invoke.t, None
    if answer.wire is None or answer.attempts > 1:
        return invoke.t, answer.t
    first, last = answer.wire
    return first, answer.t if last is None else last


def certainly_nothing_done(act: Act) -> bool:
    """Whether a refusal says that no part of the operation was done.

    A request of several statements that is refused at one of them has done those before it; one that was
    never forwarded has done none.
    """
    if act.outcome != "fail":
        return False
    several = isinstance(act.op, Insert) and act.op.statements is not None and len(act.op.statements) > 1
    return not several or (act.error is not None and act.error.code not in REFUSALS)

"""An answer that shows what cannot be there any more, or never was, decides a history, whatever else is open.

Where values are written again and again, which write a read saw is open, and the search has to try. But let m
be the last operation before a read r, in a legal order, that made the value which r shows. No operation that
shows or makes another value comes between m and r, so none can have begun after m had returned, and itself
have returned before r began. If each operation that makes the value was followed by one that did, or was
invoked after the read had returned, no order is legal. The initial value was made before everything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.operation import UNKNOWN, Operation, Settled

_ALWAYS = -1 << 200
"""When the initial value was made."""
_LONGER = object()
"""A text after an append: another one than before, whichever it is."""

_Span: TypeAlias = tuple[int, int]
"""When an operation was invoked and when it returned."""
_Shown: TypeAlias = tuple[_Span, int, object]
"""An answer: its operation's span and position, and the value that was found."""
_Left: TypeAlias = tuple[_Span, object]
"""The value that an operation certainly found or made."""


def stale_value(operations: Sequence[Operation], initial: object) -> Settled | None:
    """Of a register's answers that show such a value the one that came first; None if there is none.

    Raises:
        TypeError: a value cannot be looked up.

    """
    made: dict[object, list[_Span]] = {initial: [(_ALWAYS, _ALWAYS)]}
    shown: list[_Shown] = []
    left: list[_Left] = []
    for i, operation in enumerate(operations):
        call: tuple[object, ...] = operation.input  # type: ignore[assignment]
        span, answered = _span(operation)
        if call[0] == "read":
            if answered:
                shown.append((span, i, operation.output))
                left.append((span, operation.output))
            continue
        if call[0] not in ("write", "cas"):
            return None
        if call[0] == "cas" and answered:
            if not operation.output and operation.at_most == 1:
                continue
            if operation.output:
                shown.append((span, i, call[1]))
        made.setdefault(call[-1], []).append(_lasting(operation, span))
        if answered and (call[0] == "write" or operation.output):
            left.append((span, call[-1]))
    makers = {value: _latest(spans) for value, spans in made.items()}
    return _first(shown, left, lambda value: [makers[value]] if value in makers else [])


def stale_text(operations: Sequence[Operation], initial: str) -> Settled | None:
    """Of the texts that were got and show such a value, the one that came first."""
    puts: dict[str, list[_Span]] = {initial: [(_ALWAYS, _ALWAYS)]}
    appends: dict[str, list[_Span]] = {}
    shown: list[_Shown] = []
    left: list[_Left] = []
    for i, operation in enumerate(operations):
        call: tuple[str, ...] = operation.input  # type: ignore[assignment]
        span, answered = _span(operation)
        if call[0] == "get":
            if answered and isinstance(operation.output, str):
                shown.append((span, i, operation.output))
                left.append((span, operation.output))
        elif call[0] == "put":
            puts.setdefault(call[2], []).append(_lasting(operation, span))
            if answered:
                left.append((span, call[2]))
        elif call[0] != "append":
            return None
        elif call[2]:
            appends.setdefault(call[2], []).append(_lasting(operation, span))
            if answered:
                left.append((span, _LONGER))
    put = {text: _latest(spans) for text, spans in puts.items()}
    appended = {text: _latest(spans) for text, spans in appends.items()}
    lengths = sorted({len(text) for text in appends})

    def makers(text: str) -> list[_Latest]:
        found = [appended.get(text[len(text) - length :]) for length in lengths if length <= len(text)]
        return [one for one in (put.get(text), *found) if one is not None]

    return _first(shown, left, makers)


def _span(operation: Operation) -> tuple[_Span, bool]:
    answered = operation.returned_ns is not None and operation.output is not UNKNOWN
    return (operation.invoked_ns, operation.returned_ns if answered else NEVER), answered  # type: ignore[return-value]


def _lasting(operation: Operation, span: _Span) -> _Span:
    """When it can have made its value: one that was resent, at any time after its invocation."""
    return span if operation.at_most == 1 else (span[0], NEVER)


_Latest: TypeAlias = tuple[list[int], list[int]]
"""Invocations in order, and for each the latest return of those up to it."""


def _latest(spans: list[_Span]) -> _Latest:
    spans.sort()
    return [invoked for invoked, _ in spans], list(accumulate((returned for _, returned in spans), max))


def _first(
    shown: list[_Shown], left: list[_Left], makers: Callable[[Any], Iterable[_Latest]]
) -> Settled | None:
    """The answer that came first of those that show a value which was not there."""
    left.sort(key=lambda one: one[0][1])
    returns = [span[1] for span, _ in left]
    # Up to each return the latest invocation, with what was left there, and the latest with something else.
    latest: list[tuple[int, object, int]] = []
    best, second = _ALWAYS, _ALWAYS
    value: object = _LONGER
    for (invoked, _), after in left:
        if after == value:
            best = max(best, invoked)
        elif invoked > best:
            best, value, second = invoked, after, best
        else:
            second = max(second, invoked)
        latest.append((best, value, second))
    bad: list[tuple[int, int]] = []
    for (invoked, returned), i, found in shown:
        at = bisect_left(returns, invoked)
        since = _ALWAYS
        if at:
            best, value, second = latest[at - 1]
            since = second if value == found else best
        if not any(
            begun and until[begun - 1] >= since
            for begins, until in makers(found)
            if (begun := bisect_right(begins, returned))
        ):
            bad.append((returned, i))
    return Settled("violated", stuck=min(bad)[1]) if bad else None

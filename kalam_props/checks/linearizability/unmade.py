"""An answer that shows what nobody can have made decides a history, whatever else is open in it.

Where values are written again and again, which write a read saw is open and the search has to try. But a
value that no operation invoked by the read's return makes, in any state, is impossible at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from kalam_props.checks.linearizability.operation import UNKNOWN, Operation, Settled


def unmade_value(operations: Sequence[Operation], initial: object) -> Settled | None:
    """Of a register's answers that show such a value the one that came first; None if there is none.

    Raises:
        TypeError: a value cannot be looked up.

    """
    since: dict[object, int] = {}
    shown: list[tuple[int, int, object]] = []
    for i, operation in enumerate(operations):
        call: tuple[object, ...] = operation.input  # type: ignore[assignment]
        answered = operation.returned_ns is not None and operation.output is not UNKNOWN
        if call[0] == "read":
            if answered:
                shown.append((operation.returned_ns or 0, i, operation.output))
            continue
        if call[0] not in ("write", "cas"):
            return None
        value = call[-1]
        since[value] = min(since.get(value, operation.invoked_ns), operation.invoked_ns)
        if answered and call[0] == "cas" and operation.output:
            shown.append((operation.returned_ns or 0, i, call[1]))
    bad = [(at, i) for at, i, value in shown if value != initial and since.get(value, at + 1) > at]
    return Settled("violated", stuck=min(bad)[1]) if bad else None


def unmade_text(operations: Sequence[Operation], initial: str) -> Settled | None:
    """Of the texts that were got, the first that does not end with one that was put or appended by then."""
    since: dict[str, int] = {}
    shown: list[tuple[int, int, str]] = []
    for i, operation in enumerate(operations):
        call: tuple[str, ...] = operation.input  # type: ignore[assignment]
        if call[0] == "get":
            text = operation.output
            if operation.returned_ns is not None and isinstance(text, str) and text != initial:
                shown.append((operation.returned_ns, i, text))
        elif call[0] not in ("put", "append"):
            return None
        else:
            since[call[2]] = min(since.get(call[2], operation.invoked_ns), operation.invoked_ns)
    lengths = sorted({len(text) for text in since})
    bad = [
        (at, i)
        for at, i, text in shown
        if not any(
            since.get(text[len(text) - length :], at + 1) <= at for length in lengths if length <= len(text)
        )
    ]
    return Settled("violated", stuck=min(bad)[1]) if bad else None

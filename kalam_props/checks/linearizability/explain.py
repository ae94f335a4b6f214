"""The answer to a check, in words that a reader can follow by hand."""

from __future__ import annotations

from collections.abc import Sequence

from kalam_props.checks.linearizability.operation import Model, Operation

_SHOWN = 6


def explain_violation(
    model: Model,
    operations: Sequence[Operation],
    group: Sequence[int],
    stuck: int,
    order: Sequence[int],
    state: object,
) -> str:
    """Why `stuck` cannot be placed; `order` is a longest legal order of its group and leads to `state`."""
    ended = operations[stuck].returned_ns
    invoked = {i for i in group if ended is None or operations[i].invoked_ns <= ended} - {stuck}
    words = [f"No order of these operations is legal: {_tell(model, operations, stuck)} cannot be placed."]
    if not order:
        words.append(
            f"Nothing can come before it, and in the initial state {state!r} that is no legal answer."
        )
    else:
        shown = ", ".join(_call(model, operations, i) for i in order[-_SHOWN:])
        dots = "…, " if len(order) > _SHOWN else ""
        words.append(
            f"When it returned, {len(invoked)} other {_plural('operation', len(invoked))} of its group "
            f"had been invoked. A longest legal order without it places {len(order)}: {dots}{shown}. That "
            f"leads to the state {state!r}. Neither there nor at any other place, in any order, does its "
            "answer fit together with all that had been answered."
        )
    left = sorted(i for i in invoked.difference(order) if operations[i].returned_ns is not None)
    if left:
        shown = ", ".join(_tell(model, operations, i) for i in left[:_SHOWN])
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        words.append(f"Not in that order either: {shown}{more}.")
    return " ".join(words)


def _tell(model: Model, operations: Sequence[Operation], i: int) -> str:
    operation = operations[i]
    until = "unanswered" if operation.returned_ns is None else f"to {operation.returned_ns} ns"
    return (
        f"operation {i} (process {operation.process}: {model.describe(operation.input, operation.output)}, "
        f"from {operation.invoked_ns} {until})"
    )


def _call(model: Model, operations: Sequence[Operation], i: int) -> str:
    return f"{i} {model.describe(operations[i].input, operations[i].output)}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"

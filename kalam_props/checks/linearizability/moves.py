"""What the operations of a register or a text find and make, in order of invocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from operator import attrgetter
from typing import Any, TypeAlias

from attrs import frozen

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.operation import UNKNOWN, Operation

Value: TypeAlias = Any
"""A text, or whatever a register holds."""


class Move(IntEnum):
    """What an operation does."""

    READ = 0  # finds a value
    REFUSED = 1  # finds any value but one
    WRITE = 2  # makes a value
    CHANGE = 3  # finds one value and makes another
    APPEND = 4  # makes a longer text of the text that it finds


READ, REFUSED, WRITE, CHANGE, APPEND = (int(move) for move in Move)


@frozen
class Moves:
    """Operations in order of invocation: their number in it is their rank.

    Attributes:
        initial: the state before the first.
        move: what each does.
        found: the value that a READ or CHANGE found, or that a REFUSED did not.
        made: the value that a WRITE or CHANGE made; the text that an APPEND appended.
        invoked: when, in nanoseconds.
        returned: when; NEVER for an indeterminate one.

    """

    initial: Value
    move: Sequence[int]
    found: Sequence[Value]
    made: Sequence[Value]
    invoked: Sequence[int]
    returned: Sequence[int]


_invoked = attrgetter("invoked_ns")


class _OtherModelError(Exception):
    """An operation that the model does not have."""


_Single: TypeAlias = tuple[int, Value, Value]
"""What an operation does, the value that it finds and the one that it makes."""


def register_moves(operations: Sequence[Operation], initial: object) -> Moves | None:
    """Of a register with reads, writes and compare-and-sets; None if there is something else."""
    return _moves(operations, initial, _of_register)


def text_moves(operations: Sequence[Operation], initial: str) -> Moves | None:
    """Of a text that is got, put and appended to; None if there is something else."""
    return _moves(operations, initial, _of_text)


def _moves(
    operations: Sequence[Operation],
    initial: Value,
    single: Callable[[tuple[Any, ...], object, bool], _Single | None],
) -> Moves | None:
    """`single`: of an input, an output and whether it is known; None for what leaves no trace."""
    moves, found, made = list[int](), list[Value](), list[Value]()
    invoked, returned = list[int](), list[int]()
    try:
        for operation in sorted(operations, key=_invoked):
            output, end = operation.output, operation.returned_ns
            if operation.at_most != 1:
                return None
            if end is None or output is UNKNOWN:
                end = NEVER
            move = single(operation.input, output, end is not NEVER)  # type: ignore[arg-type]
            if move is not None:
                moves.append(move[0])
                found.append(move[1])
                made.append(move[2])
                invoked.append(operation.invoked_ns)
                returned.append(end)
    except _OtherModelError:
        return None
    return Moves(initial, moves, found, made, invoked, returned)


def _of_register(call: tuple[Any, ...], output: object, answered: bool) -> _Single | None:  # noqa: FBT001
    verb = call[0]
    if verb == "read":
        return (READ, output, None) if answered else None
    if verb == "write":
        return WRITE, None, call[1]
    if verb != "cas":
        raise _OtherModelError
    finds, makes = call[1], call[2]
    if answered and not output:
        return REFUSED, finds, makes
    if finds != makes:
        return CHANGE, finds, makes
    return (READ, finds, makes) if answered else None


def _of_text(call: tuple[Any, ...], output: object, answered: bool) -> _Single | None:  # noqa: FBT001
    verb = call[0]
    if verb == "get":
        if answered and type(output) is not str:
            raise _OtherModelError
        return (READ, output, None) if answered else None
    if verb not in ("put", "append") or type(call[2]) is not str:
        raise _OtherModelError
    return (WRITE if verb == "put" else APPEND), None, call[2]

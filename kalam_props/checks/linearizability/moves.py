"""What the operations of a register or a text find and make, in order of invocation."""

from __future__ import annotations

from collections.abc import Sequence
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


def register_moves(operations: Sequence[Operation], initial: object) -> Moves | None:
    """Of a register with reads, writes and compare-and-sets; None if there is something else."""
    move: list[int] = []
    found: list[Value] = []
    made: list[Value] = []
    invoked: list[int] = []
    returned: list[int] = []
    for operation in sorted(operations, key=_invoked):
        call: tuple[object, ...] = operation.input  # type: ignore[assignment]
        output, end = operation.output, operation.returned_ns
        if operation.at_most != 1:
            return None
        if end is None or output is UNKNOWN:
            end = NEVER
        verb = call[0]
        finds: object = None
        makes: object = None
        if verb == "read":
            finds, did = output, READ
            if end is NEVER:
                continue
        elif verb == "write":
            makes, did = call[1], WRITE
        elif verb != "cas":
            return None
        else:
            finds, makes = call[1], call[2]
            if end is not NEVER and not output:
                did = REFUSED
            elif finds != makes:
                did = CHANGE
            elif end is NEVER:
                continue
            else:
                did = READ
        move.append(did)
        found.append(finds)
        made.append(makes)
        invoked.append(operation.invoked_ns)
        returned.append(end)
    return Moves(initial, move, found, made, invoked, returned)


def text_moves(operations: Sequence[Operation], initial: str) -> Moves | None:
    """Of a text that is got, put and appended to; None if there is something else."""
    move: list[int] = []
    found: list[Value] = []
    made: list[Value] = []
    invoked: list[int] = []
    returned: list[int] = []
    for operation in sorted(operations, key=_invoked):
        call: tuple[str, ...] = operation.input  # type: ignore[assignment]
        output, end = operation.output, operation.returned_ns
        if operation.at_most != 1:
            return None
        if end is None or output is UNKNOWN:
            end = NEVER
        verb = call[0]
        if verb == "get":
            if end is NEVER:
                continue
            move.append(READ)
            found.append(output)
            made.append(None)
            if type(output) is not str:
                return None
        else:
            if verb not in ("put", "append") or type(call[2]) is not str:
                return None
            move.append(WRITE if verb == "put" else APPEND)
            found.append(None)
            made.append(call[2])
        invoked.append(operation.invoked_ns)
        returned.append(end)
    return Moves(initial, move, found, made, invoked, returned)

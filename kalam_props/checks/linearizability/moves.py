"""What the operations of a register or a text find and make, in order of invocation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, TypeAlias

from attrs import field, frozen

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
        position: where each is in the operations that were given.
        move: what each does.
        found: the value that a READ or CHANGE found, or that a REFUSED did not.
        made: the value that a WRITE or CHANGE made; the text that an APPEND appended.
        invoked: when, in nanoseconds.
        returned: when; NEVER for an indeterminate one.

    """

    initial: Value
    position: list[int] = field(factory=list)
    move: list[int] = field(factory=list)
    found: list[Value] = field(factory=list)
    made: list[Value] = field(factory=list)
    invoked: list[int] = field(factory=list)
    returned: list[int] = field(factory=list)


def register_moves(operations: Sequence[Operation], initial: object) -> Moves | None:
    """Of a register with reads, writes and compare-and-sets; None if there is something else."""
    moves = Moves(initial)
    position, move, finds, makes = moves.position, moves.move, moves.found, moves.made
    invoked, returns = moves.invoked, moves.returned
    for i in _by_invocation(operations):
        operation = operations[i]
        call: tuple[Any, ...] = operation.input  # type: ignore[assignment]
        output, returned = operation.output, operation.returned_ns
        if operation.at_most != 1:
            return None
        if returned is None or output is UNKNOWN:
            returned = NEVER
        if call[0] == "read":
            if returned is NEVER:
                continue
            did, found, made = READ, output, None
        elif call[0] == "write":
            did, found, made = WRITE, None, call[1]
        elif call[0] == "cas":
            _, found, made = call
            did = REFUSED if returned is not NEVER and not output else READ if found == made else CHANGE
            if did == READ and returned is NEVER:
                continue
        else:
            return None
        position.append(i)
        move.append(did)
        finds.append(found)
        makes.append(made)
        invoked.append(operation.invoked_ns)
        returns.append(returned)
    return moves


def text_moves(operations: Sequence[Operation], initial: str) -> Moves | None:
    """Of a text that is got, put and appended to; None if there is something else."""
    moves = Moves(initial)
    position, move, finds, makes = moves.position, moves.move, moves.found, moves.made
    invoked, returns = moves.invoked, moves.returned
    for i in _by_invocation(operations):
        operation = operations[i]
        call: tuple[Any, ...] = operation.input  # type: ignore[assignment]
        output, returned = operation.output, operation.returned_ns
        if operation.at_most != 1:
            return None
        if returned is None or output is UNKNOWN:
            returned = NEVER
        if call[0] == "get":
            if returned is NEVER:
                continue
            if type(output) is not str:
                return None
            did, found, made = READ, output, None
        elif call[0] in ("put", "append") and type(call[2]) is str:
            did, found, made = WRITE if call[0] == "put" else APPEND, None, call[2]
        else:
            return None
        position.append(i)
        move.append(did)
        finds.append(found)
        makes.append(made)
        invoked.append(operation.invoked_ns)
        returns.append(returned)
    return moves


def _by_invocation(operations: Sequence[Operation]) -> list[int]:
    invoked = [operation.invoked_ns for operation in operations]
    return sorted(range(len(invoked)), key=invoked.__getitem__)

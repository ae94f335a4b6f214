"""What the operations of the ready models find and make, for the pass that looks for an order."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.forward import (
    APPEND,
    CHANGE,
    NOTHING,
    READ,
    REFUSED,
    WRITE,
    Moves,
)
from kalam_props.checks.linearizability.operation import UNKNOWN, Operation

_invoked = attrgetter("invoked_ns")


def register_moves(operations: Sequence[Operation], initial: object) -> Moves | None:
    """Of a register with reads, writes and compare-and-sets; None if there is something else."""
    move: list[int] = []
    found: list[object] = []
    made: list[object] = []
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
        finds = makes = None
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
    found: list[object] = []
    made: list[object] = []
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
            if type(call[2]) is not str:
                return None
            if verb == "put":
                move.append(WRITE)
            elif verb == "append":
                move.append(APPEND)
            else:
                return None
            found.append(None)
            made.append(call[2])
        invoked.append(operation.invoked_ns)
        returned.append(end)
    return Moves(initial, move, found, made, invoked, returned)

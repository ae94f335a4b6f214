"""Whether one answer can be true at all, looked at where it is: what it takes to make its value, and when.

Let g be an operation that had returned before a read r began and that left, in its place in any legal order,
another value than r shows. Then the value was made between g and r, by operations that were invoked before r
returned and returned after g was invoked: a write of it; or, for a text, appends to what g left, or to a text
that was put meanwhile, whose pieces together give what r shows. If those there are cannot do it, no order is
legal. The later g was invoked the fewer there are. Where there is no g, the initial value takes its place.

Few answers need such a look. A store that answers with old values shows a value, then another, and then again
the first, which a correct one must have made again; or it shows what nobody made. So a key that is wrong like
this is found before any order of the other keys is looked for (`impossible_text`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.moves import (
    APPEND,
    READ,
    REFUSED,
    WRITE,
    Moves,
    Value,
    text_moves,
)
from kalam_props.checks.linearizability.operation import Operation

_NEAR = 8  # operations before and after an answer, which are enough in most cases to see how it can be true
_ANOTHER = object()
"""A value that is not known, but is not the one in question."""


def impossible_text(operations: Sequence[Operation], initial: str) -> int | None:
    """A get of a text that nobody made, or that cannot have come back; None if no such is seen at a glance.

    Of those that were got again only one is looked at closely, that shows the longest text: it takes the most
    to be made again.
    """
    shown: dict[str, tuple[int, int, int]] = {}
    changes: list[Operation] = []
    made: set[object] = {initial}
    again: list[tuple[int, int]] = []
    for i, operation in enumerate(operations):
        call: tuple[str, ...] = operation.input  # type: ignore[assignment]
        if call[0] == "get":
            text, returned = operation.output, operation.returned_ns
            if returned is None or type(text) is not str:  # nobody saw it; or the search must say what it is
                continue
            if text in shown and _changed_since(*shown[text][:2], changes, operation):
                again.append((len(text), i))
            shown[text] = len(changes), returned, i
        elif call[0] in ("put", "append"):
            changes.append(operation)
            made.add(call[2])
        else:
            return None
    nobodys = _made_by_nobody(shown.keys() - made, made)
    if nobodys is not None:
        return shown[nobodys][2]
    if not again:
        return None
    _, i = max(again)
    first = max(0, i - _NEAR)
    near = operations[first : i + _NEAR]
    return None if _can_show_at(near, i - first, initial) or _can_show_at(operations, i, initial) else i


def _made_by_nobody(texts: set[str], made: set[object]) -> str | None:
    """A text that does not even end with one that was appended."""
    lengths = {len(piece) for piece in made if isinstance(piece, str) and piece}
    for text in texts:
        for length in lengths:
            if text[-length:] in made:
                break
        else:
            return text
    return None


def _changed_since(at: int, returned: int, changes: list[Operation], operation: Operation) -> bool:
    """Whether the first change after a get was over before the same text was got again."""
    for change in changes[at:]:
        if change.invoked_ns > returned:
            return change.returned_ns is not None and change.returned_ns < operation.invoked_ns
    return False


def _can_show_at(operations: Sequence[Operation], position: int, initial: str) -> bool:
    moves = text_moves(operations, initial)
    return moves is None or position not in moves.position or can_show(moves, moves.position.index(position))


def can_show(moves: Moves, rank: int) -> bool:
    """False if no legal order has the value that an answered READ or CHANGE found."""
    value, returned = moves.found[rank], moves.returned
    begins = moves.invoked[rank]
    left, since, at = moves.initial, -NEVER, -1
    for earlier in range(rank - 1, -1, -1):
        if returned[earlier] < begins and (after := _left(moves, earlier, value)) != value:
            left, since, at = after, moves.invoked[earlier], earlier
            break
    can_make = _can_append if APPEND in moves.move else _can_write
    end = bisect_right(moves.invoked, returned[rank])
    near = [other for other in range(at + 1, end) if moves.move[other] >= WRITE and returned[other] >= since]
    if can_make(moves, near, left, value):
        return True
    far = [other for other in range(at + 1) if returned[other] >= since and moves.move[other] >= WRITE]
    return bool(far) and can_make(moves, far + near, left, value)


def _left(moves: Moves, rank: int, value: Value) -> Value:
    """What an operation left where it took effect; the value itself if that is not known to be another."""
    did = moves.move[rank]
    if did == READ:
        return moves.found[rank]
    if did == REFUSED:
        return _ANOTHER if moves.found[rank] == value else value
    return value if did == APPEND else moves.made[rank]


def _can_write(moves: Moves, makers: Iterable[int], left: Value, value: Value) -> bool:
    return left == value or any(moves.made[maker] == value for maker in makers)


def _can_append(moves: Moves, makers: Iterable[int], left: str, value: str) -> bool:
    """Whether a text begins with one that there may have been, and goes on with pieces that were appended."""
    begins, pieces = {left}, set[str]()
    for maker in makers:
        (pieces if moves.move[maker] == APPEND else begins).add(moves.made[maker])
    ends = [len(text) for text in begins if value.startswith(text)]
    seen = set(ends)
    while ends:
        end = ends.pop()
        if end == len(value):
            return True
        for piece in pieces:
            after = end + len(piece)
            if after not in seen and value.startswith(piece, end):
                seen.add(after)
                ends.append(after)
    return False

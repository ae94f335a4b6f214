"""One group of operations, laid out in time for the search.

The search advances from one return to the next. `Timeline` holds what it needs at each: which operations
were invoked since, and a bit for every operation that is open, so that what became of the open ones fits in
one small integer however long the history is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from attrs import frozen

from kalam_props.checks.linearizability.operation import UNKNOWN, Operation
from kalam_props.checks.linearizability.transitions import Transitions


@frozen
class Timeline:
    """Answered operations are numbered by invocation ("rank"), returns ("levels") by time.

    Attributes:
        index: for each rank, the position in the operations that were given.
        kind: for each rank, its kind.
        bit: for each rank, the bit that stands for it while it is open; bits are used again.
        before: for each rank, the rank that had its bit before, or -1.
        returns: for each level, the rank that returns.
        level: for each rank, the level at which it returns.
        upto: for each level, how many ranks had been invoked by then.
        open: for each level, the bits of the open operations, the returning one included.
        optional_index: effects that may happen at any time after their invocation, or never, in order of
            invocation: the position of their operation.
        optional_kind: the kind of each.
        optional_upto: for each level, how many of them had been invoked by then.
        optional_by_kind: for each kind their numbers; the kinds in order of their first.
        endless: the bits (by number in `optional_kind`) of those that may happen any number of times.

    """

    index: list[int]
    kind: list[int]
    bit: list[int]
    before: list[int]
    returns: list[int]
    level: list[int]
    upto: list[int]
    open: list[int]
    optional_index: list[int]
    optional_kind: list[int]
    optional_upto: list[int]
    optional_by_kind: dict[int, list[int]]
    endless: int


def lay_out(operations: Sequence[Operation], group: Sequence[int], transitions: Transitions) -> Timeline:
    """The timeline of the operations at the positions in `group`."""
    answered: list[tuple[int, int, int, int]] = []
    optional: list[tuple[int, int, int, int | None]] = []
    known = transitions.kinds
    for i in group:
        operation = operations[i]
        returned, output, times = operation.returned_ns, operation.output, operation.at_most
        if returned is not None and output is not UNKNOWN:
            try:
                kind = known.get((operation.input, output))
            except TypeError:  # not hashable
                kind = None
            if kind is None:
                kind = transitions.kind(operation.input, output)
            answered.append((operation.invoked_ns, i, returned, kind))
            if times == 1:
                continue
            if times is not None:
                times -= 1
        optional.append((operation.invoked_ns, i, transitions.kind(operation.input, UNKNOWN), times))
    answered.sort()
    optional.sort(key=lambda effect: effect[:2])
    returned_at = [entry[2] for entry in answered]
    returns = sorted(range(len(answered)), key=returned_at.__getitem__)
    level = [0] * len(answered)
    for at, returning in enumerate(returns):
        level[returning] = at
    bit, before, upto, opened = _bits([entry[0] for entry in answered], returned_at, returns)
    optional_index, optional_kind, optional_at, endless = _optional_effects(optional)
    by_kind: dict[int, list[int]] = {}
    for n, k in enumerate(optional_kind):
        if not transitions.still[k]:
            by_kind.setdefault(k, []).append(n)
    return Timeline(
        index=[entry[1] for entry in answered],
        kind=[entry[3] for entry in answered],
        bit=bit,
        before=before,
        returns=returns,
        level=level,
        upto=upto,
        open=opened,
        optional_index=optional_index,
        optional_kind=optional_kind,
        optional_upto=[bisect_right(optional_at, returned_at[returning]) for returning in returns],
        optional_by_kind=by_kind,
        endless=endless,
    )


def _bits(
    invoked_at: list[int], returned_at: list[int], returns: list[int]
) -> tuple[list[int], list[int], list[int], list[int]]:
    """`bit`, `before`, `upto` and `open`. Intervals are closed: what touches is open together."""
    bit: list[int] = []
    before: list[int] = []
    upto: list[int] = []
    opened: list[int] = []
    unused: list[int] = []
    latest: dict[int, int] = {}
    rank = now_open = 0
    count = len(invoked_at)
    for returning in returns:
        now = returned_at[returning]
        while rank < count and invoked_at[rank] <= now:
            taken = unused.pop() if unused else 1 << len(latest)
            bit.append(taken)
            before.append(latest.get(taken, -1))
            latest[taken] = rank
            now_open |= taken
            rank += 1
        upto.append(rank)
        opened.append(now_open)
        now_open ^= bit[returning]
        unused.append(bit[returning])
    return bit, before, upto, opened


def _optional_effects(
    optional: list[tuple[int, int, int, int | None]],
) -> tuple[list[int], list[int], list[int], int]:
    """One entry an effect. Where one may happen any number of times, more of its kind change nothing."""
    index: list[int] = []
    kind: list[int] = []
    at: list[int] = []
    endless = 0
    inexhaustible: set[int] = set()
    for invoked, i, unseen, times in optional:
        if unseen in inexhaustible:
            continue
        if times is None:
            inexhaustible.add(unseen)
            endless |= 1 << len(index)
        for _ in range(times or 1):
            index.append(i)
            kind.append(unseen)
            at.append(invoked)
    return index, kind, at, endless

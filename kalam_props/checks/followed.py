"""Operations of unknown outcome, followed up: what later answers about their rows decide of them.

Each may have taken effect at any later time, or never, so with k of them open there are 2^k tables to keep in
mind. But a later read of the row usually shows which it was. For one operation and one cell at a time it is
asked: is the cell's history legal without it? If not, it took effect before the answer that shows so. Is it
legal with it before a given read? If not, it took effect later, if at all. Both only leave out orders that
are illegal anyway, so a search with the narrower intervals decides the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from kalam_props.checks.calls import within
from kalam_props.checks.orders import Call, find_order
from kalam_props.checks.world import World

_WORK = 2_000_000
"""Operations of cells that are looked at, all searches together: a few seconds at most."""
_BUDGET = 5_000


def followed_up(world: World, calls: Sequence[Call]) -> list[Call]:
    """The calls, those of unknown outcome with the interval that the answers about their rows leave them."""
    open_ended = [position for position, call in enumerate(calls) if _unknown(call)]
    cells = {cell for position in open_ended for cell in _cells(calls[position])}
    histories = _histories(calls, cells)
    narrowed = list(calls)
    work = _WORK
    for position in open_ended:
        call = calls[position]
        for cell in sorted(_cells(call)):
            work -= len(histories[cell]) * 8
            if work < 0:
                return narrowed
            narrowed[position] = _narrowed(world, narrowed[position], position, histories[cell], cell)
    return narrowed


def _unknown(call: Call) -> bool:
    """One atomic write whose end is open."""
    return call.end is None and not call.required and len(call.options) == 1 and len(call.options[0]) == 1


def _cells(call: Call) -> frozenset[int]:
    return call.options[0][0][0].cells or frozenset()


def _histories(calls: Sequence[Call], cells: set[int]) -> dict[int, list[tuple[int, Call]]]:
    """For each cell the calls about it alone, with their positions."""
    only = {cell: frozenset((cell,)) for cell in cells}
    histories: dict[int, list[tuple[int, Call]]] = {cell: [] for cell in cells}
    for position, call in enumerate(calls):
        parts = [part for stage in call.options for part, _ in stage]
        anywhere = any(part.cells is None for part in parts)
        touched = cells if anywhere else cells & {cell for part in parts for cell in part.cells or ()}
        for cell in touched:
            for projected in within([call], only[cell]):
                histories[cell].append((position, projected))
    return histories


def _narrowed(world: World, call: Call, position: int, history: list[tuple[int, Call]], cell: int) -> Call:
    others = [other for at, other in history if at != position]
    mine = within([call], frozenset((cell,)))[0]
    without = find_order(world, others, budget=_BUDGET)
    if without.stuck is not None:
        # Illegal without it: it took effect before the answer that could not be placed.
        end = others[without.stuck].end
        latest = end if call.end is None or (end is not None and end < call.end) else call.end
        if latest is None or latest < call.start:
            return call
        call = Call(call.i, call.start, latest, call.options, required=True)
    starts = sorted({other.start for other in others if other.required and other.start > call.start})
    return _later(world, call, mine, others, starts)


def _later(world: World, call: Call, mine: Call, others: list[Call], starts: list[int]) -> Call:
    """The call without the time before the latest of `starts` by which it cannot have taken effect."""
    low, high = 0, len(starts)
    while low < high:  # starts[:low] are too early for it
        middle = (low + high) // 2
        early = Call(mine.i, call.start, starts[middle] - 1, mine.options, required=True)
        if find_order(world, [*others, early], budget=_BUDGET).verdict == "violated":
            low = middle + 1
        else:
            high = middle
    start = starts[low - 1] if low else call.start
    if call.end is not None and start > call.end:
        return call  # the cell by itself is illegal, which is found elsewhere
    return Call(call.i, start, call.end, call.options, required=call.required)

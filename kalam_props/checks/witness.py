"""The smallest set of operations that still proves a violation, found by trying.

What is taken away must only weaken the case, or its absence would make an anomaly of its own (a row whose
insert was removed is a phantom):

- a read may go: it claims less;
- cells may go, with everything about them: a legal order of the whole is one of every part;
- a write may become one of unknown outcome at an unknown time, with its rows each for itself: then it
  explains as much and proves nothing.

So the operations that are left in the witness are those whose answer, time or atomicity the proof needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import frozen

from kalam_props.checks.calls import within
from kalam_props.checks.orders import DONE, Call, find_order
from kalam_props.checks.parts import Part, Put
from kalam_props.checks.parts import Sequence as Transaction
from kalam_props.checks.world import World

_TRIALS = 600
_BUDGET = 5_000
"""Searches for one witness, and configurations of one. Where a proof is hard to find it is kept as it is:
with 20,000 a history with wrong counts took three times as long, for a witness as small."""

Item = TypeVar("Item")


@frozen(eq=False)
class Witness:
    """What is left of a violation.

    Attributes:
        calls: the operations as the search needs them, weakened ones included.
        proves: the `i` of those that the proof needs, in order.
        cells: the cells that it is about; empty where that cannot be narrowed (a count).

    """

    calls: list[Call]
    proves: tuple[int, ...]
    cells: frozenset[int]


def minimise(world: World, calls: Sequence[Call], accused: int, cells: frozenset[int] | None) -> Witness:
    """The witness of a violation that the search met at operation `accused`.

    `cells`: those that the violation may be narrowed to; None where cells cannot be left out.
    """
    trials = _Trials(world, accused)
    end = max((call.end for call in calls if call.i == accused and call.end is not None), default=None)
    kept = [call for call in calls if end is None or call.start <= end]
    if cells is not None and len(cells) > 1:
        kept, cells = _fewer_cells(trials, kept, cells)
    kept = _fewer_reads(trials, kept)
    kept, needed = _weaker_writes(trials, kept)
    return Witness(kept, tuple(sorted({call.i for call in needed})), cells or frozenset())


class _Trials:
    """Counts what was tried: a witness that is small enough soon is better than the smallest late."""

    def __init__(self, world: World, accused: int) -> None:
        self.world = world
        self.accused = accused
        self.left = _TRIALS

    def violated(self, calls: Sequence[Call]) -> bool:
        """Whether these calls still prove a violation, and at the same operation."""
        if self.left <= 0:
            return False
        self.left -= 1
        found = find_order(self.world, calls, budget=_BUDGET)
        return found.stuck is not None and calls[found.stuck].i == self.accused


def fewest(items: Sequence[Item], still: Callable[[list[Item]], bool]) -> list[Item]:
    """A subset of `items` of which no single one can go, by removing ever smaller pieces (Zeller's ddmin)."""
    kept = list(items)
    size = len(kept)
    while size >= 1:
        at = 0
        while at < len(kept):
            candidate = kept[:at] + kept[at + size :]
            if still(candidate):
                kept = candidate
            else:
                at += size
        size = min(size // 2, len(kept))
    return kept


def _fewer_cells(
    trials: _Trials, calls: list[Call], cells: frozenset[int]
) -> tuple[list[Call], frozenset[int]]:
    def still(candidate: list[int]) -> bool:
        return trials.violated(within(calls, frozenset(candidate)))

    if not still(list(cells)):  # the proof needs what cannot be narrowed to cells
        return calls, frozenset()
    kept = frozenset(fewest(sorted(cells), still))
    return within(calls, kept), kept


def _fewer_reads(trials: _Trials, calls: list[Call]) -> list[Call]:
    reads = [call for call in calls if _reads_only(call) and call.i != trials.accused]
    others = [call for call in calls if not _reads_only(call) or call.i == trials.accused]

    def together(candidate: list[Call]) -> list[Call]:
        return sorted([*others, *candidate], key=lambda call: call.i)

    return together(fewest(reads, lambda candidate: trials.violated(together(candidate))))


def _weaker_writes(trials: _Trials, calls: list[Call]) -> tuple[list[Call], list[Call]]:
    """The calls with every write weakened that proves nothing here; and the others."""
    fixed = [call for call in calls if _reads_only(call) or call.i == trials.accused]
    writes = [call for call in calls if not _reads_only(call) and call.i != trials.accused]

    def together(firm: list[Call]) -> list[Call]:
        certain = {id(call) for call in firm}
        weak = [piece for call in writes if id(call) not in certain for piece in _weakened(call)]
        return sorted([*fixed, *firm, *weak], key=lambda call: call.i)

    firm = fewest(writes, lambda candidate: trials.violated(together(candidate)))
    return together(firm), [*fixed, *firm]


def _weakened(call: Call) -> list[Call]:
    """Each row that the call writes as an operation of its own, which may happen at any time or never."""
    parts = [part for stage in call.options for part, _ in stage if not part.pure]
    rows = [piece for part in parts for piece in _rows(part)]
    return [Call(call.i, 0, None, (((piece, DONE),),), required=False) for piece in rows]


def _rows(part: Part) -> list[Part]:
    if isinstance(part, Put):
        return [Put((pair,)) for pair in part.pairs]
    if isinstance(part, Transaction):
        return [piece for inner in part.parts for piece in _rows(inner)]
    return [part]


def _reads_only(call: Call) -> bool:
    return all(part.pure for stage in call.options for part, _ in stage)

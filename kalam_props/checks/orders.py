"""Is there an order of operations that respects real time and makes every answer true? Exactly, for tables.

The search walks once through time. It keeps every *configuration* that is still possible: a table and how
far each open operation has got. An operation is ordered only when its return forces it ("just in time",
Lowe: Testing for linearizability, 2017), and before it only what could not as well come after it:

- A read that is legal now is ordered now. It changes nothing, so any order that has it later stays legal.
- To make operation x take effect, those other writes come first that x, or a read that contradicts x and
  therefore has to precede it, or one of these writes in turn, may need. Any other write touches other cells
  and is seen by no read that must come before x; moved behind x, the order is as legal as it was.

Configurations that agree on table and progress are one. What all configurations agree on is shared, so a
step costs what is open at that time, not the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.checks.parts import Changes, Part
from kalam_props.checks.world import World

DONE = -1
DEFAULT_BUDGET = 400_000
"""Parts that are tried before a search gives up: about two seconds, and some 100 MB at worst."""

Options: TypeAlias = tuple[tuple[tuple[Part, int], ...], ...]
"""For each stage of an operation: the parts that may come next, and the stage after each (DONE: the end)."""


@frozen(eq=False)
class Call:
    """An operation as the search orders it.

    Attributes:
        i: the number of its invocation.
        start, end: the closed interval within which it takes effect; end None: it is never forced.
        options: what it does, stage by stage.
        required: whether it must be DONE when it returns. Otherwise any number of stages is fine.

    """

    i: int
    start: int
    end: int | None
    options: Options
    required: bool = True


@frozen
class Found:
    """What the search says.

    Attributes:
        verdict: `holds`, `violated`, or `unknown` when the budget was spent.
        stuck: for a violation, the position in `calls` of the first operation that no order can place.
        tried: parts that were tried.

    """

    verdict: Literal["holds", "violated", "unknown"]
    stuck: int | None = None
    tried: int = 0


def find_order(world: World, calls: Sequence[Call], *, budget: int = DEFAULT_BUDGET) -> Found:
    """Decide whether some legal order of `calls` exists that respects their intervals."""
    search = _Search(world, calls, budget)
    try:
        return search.run()
    except _BudgetSpentError:
        return Found("unknown", tried=search.tried)


class _BudgetSpentError(Exception):
    pass


class _Table:
    """A table: the shared base and what differs from it."""

    __slots__ = ("base", "over", "prints", "sizes", "total")

    def __init__(
        self,
        base: dict[int, int],
        over: dict[int, int | None],
        sizes: dict[int, int],
        prints: dict[int, int],
        total: int,
    ) -> None:
        self.base = base
        self.over = over
        self.sizes = sizes
        self.prints = prints
        self.total = total

    def get(self, cell: int) -> int | None:
        return self.over[cell] if cell in self.over else self.base.get(cell)

    def size(self, scope: int) -> int:
        return self.sizes.get(scope, 0)

    def fingerprint(self, scope: int) -> int:
        return self.prints.get(scope, 0)

    def with_changes(self, changes: Changes, world: World) -> _Table:
        over = dict(self.over)
        sizes, prints, total = dict(self.sizes), dict(self.prints), self.total
        for cell, new in changes:
            old = over[cell] if cell in over else self.base.get(cell)
            scope = world.cells[cell][0]
            flip = 0
            if old is not None:
                flip ^= world.mark(cell, old)
            if new is not None:
                flip ^= world.mark(cell, new)
            sizes[scope] = sizes.get(scope, 0) + (new is not None) - (old is not None)
            prints[scope] = prints.get(scope, 0) ^ flip
            total ^= flip
            over[cell] = new
        return _Table(self.base, over, sizes, prints, total)


_Progress: TypeAlias = dict[int, int]
_Configuration: TypeAlias = tuple[_Table, _Progress]
_Identity: TypeAlias = tuple[int, frozenset[tuple[int, int]]]

_FOLD = 64
"""Fold what all configurations agree on into the base when they differ from it in so many cells."""


class _Search:
    def __init__(self, world: World, calls: Sequence[Call], budget: int) -> None:
        self.world = world
        self.calls = calls
        self.budget = budget
        self.tried = 0
        self.open: dict[int, Call] = {}
        self.base: dict[int, int] = {}
        self.frontier: list[_Configuration] = [(_Table(self.base, {}, {}, {}, 0), {})]

    def run(self) -> Found:
        for position, returns in self._moments():
            call = self.calls[position]
            if not returns:
                self.open[position] = call
                continue
            if call.required:
                self.frontier = self._order(position)
                if not self.frontier:
                    return Found("violated", stuck=position, tried=self.tried)
            del self.open[position]
            self.frontier = _without(self.frontier, position)
            self._fold()
        return Found("holds", tried=self.tried)

    def _moments(self) -> Iterator[tuple[int, bool]]:
        """Beginnings and ends in order of time; at one instant beginnings first: intervals are closed."""
        moments = [(call.start, False, position) for position, call in enumerate(self.calls)]
        moments += [
            (call.end, True, position) for position, call in enumerate(self.calls) if call.end is not None
        ]
        moments.sort()
        for _, returns, position in moments:
            yield position, returns

    def _order(self, target: int) -> list[_Configuration]:
        """All configurations, from those of the frontier, in which `target` is done."""
        reached: dict[_Identity, _Configuration] = {}
        seen: set[_Identity] = set()
        stack = [self._with_reads(configuration) for configuration in self.frontier]
        while stack:
            table, progress = configuration = stack.pop()
            identity = (table.total, frozenset(progress.items()))
            if identity in seen:
                continue
            seen.add(identity)
            if progress.get(target) == DONE:
                reached[identity] = configuration
                continue
            for position in self._needed(configuration, target):
                stage = progress.get(position, 0)
                for part, after in self.calls[position].options[stage]:
                    changes = self._attempt(part, table)
                    if changes is None or (not changes and not self.calls[position].required):
                        continue
                    moved = table.with_changes(changes, self.world) if changes else table
                    stack.append(self._with_reads((moved, {**progress, position: after})))
        return list(reached.values())

    def _with_reads(self, configuration: _Configuration) -> _Configuration:
        """The configuration after every open read that is legal in it."""
        table, progress = configuration
        advanced: _Progress | None = None
        for position, call in self.open.items():
            while True:
                stage = (advanced or progress).get(position, 0)
                if stage == DONE:
                    break
                options = call.options[stage]
                if len(options) > 1 or not options[0][0].pure or self._attempt(options[0][0], table) is None:
                    break
                if advanced is None:
                    advanced = dict(progress)
                advanced[position] = options[0][1]
        return configuration if advanced is None else (table, advanced)

    def _attempt(self, part: Part, table: _Table) -> Changes | None:
        self.tried += 1
        if self.tried > self.budget:
            raise _BudgetSpentError
        return part.attempt(table)

    def _needed(self, configuration: _Configuration, target: int) -> list[int]:
        """The operations that may have to come next so that `target` can be done; see the module's text."""
        table, progress = configuration
        pending: dict[int, list[Part]] = {}
        for position, call in self.open.items():
            stage = progress.get(position, 0)
            if stage != DONE:
                pending[position] = _parts_from(call, stage)
        if len(pending) == 1:
            return [target]
        touched = {position: _touched(parts) for position, parts in pending.items()}
        needed = [target]
        chosen = {target}
        for position in needed:  # grows while it is walked through
            for other in pending:
                if other not in chosen and self._may_precede(
                    other, position, pending=pending, touched=touched, table=table
                ):
                    chosen.add(other)
                    needed.append(other)
        return [position for position in needed if position == target or _writes(pending[position])]

    def _may_precede(
        self,
        other: int,
        position: int,
        *,
        pending: dict[int, list[Part]],
        touched: dict[int, frozenset[int] | None],
        table: _Table,
    ) -> bool:
        """Whether `other` may have to come before `position`, which may have to come before the target."""
        mine, theirs = pending[position], pending[other]
        if _writes(theirs):
            if _overlap(touched[other], touched[position]) and _writes(mine):
                return True
            # A read that is to come true may need whatever it does not see yet.
            cells = touched[other]
            return cells is None or any(
                part.cares(cell, table.get(cell)) for part in mine if part.pure for cell in cells
            )
        if not _writes(mine):
            return False
        # `other` only reads. It has to precede `position` if it contradicts what `position` leaves behind.
        if len(mine) == 1 and not self._contested(position, pending, touched):
            changes = mine[0].attempt(table)
            if changes is not None:
                return any(part.cares(cell, version) for part in theirs for cell, version in changes)
        return _overlap(touched[other], touched[position])

    def _contested(
        self, position: int, pending: dict[int, list[Part]], touched: dict[int, frozenset[int] | None]
    ) -> bool:
        """Whether another open write may change the cells of `position`."""
        return any(
            other != position and _writes(parts) and _overlap(touched[other], touched[position])
            for other, parts in pending.items()
        )

    def _fold(self) -> None:
        tables = [table for table, _ in self.frontier]
        first = tables[0]
        if len(tables) > 1:
            if len(first.over) < _FOLD:
                return
            agreed = {
                cell: version
                for cell, version in first.over.items()
                if all(table.over.get(cell, DONE) == version for table in tables[1:])
            }
        else:
            agreed = first.over
        for cell, version in agreed.items():
            if version is None:
                self.base.pop(cell, None)
            else:
                self.base[cell] = version
        for table in tables:
            table.over = {cell: version for cell, version in table.over.items() if cell not in agreed}


def _without(frontier: list[_Configuration], position: int) -> list[_Configuration]:
    """The configurations, no longer told apart by an operation that is over."""
    merged: dict[_Identity, _Configuration] = {}
    for table, progress in frontier:
        if position in progress:
            progress = {other: stage for other, stage in progress.items() if other != position}  # noqa: PLW2901
        merged[(table.total, frozenset(progress.items()))] = (table, progress)
    return list(merged.values())


def _parts_from(call: Call, stage: int) -> list[Part]:
    return [part for options in call.options[stage:] for part, _ in options]


def _writes(parts: list[Part]) -> bool:
    return any(not part.pure for part in parts)


def _touched(parts: list[Part]) -> frozenset[int] | None:
    touched: frozenset[int] = frozenset()
    for part in parts:
        if part.cells is None:
            return None
        touched |= part.cells
    return touched


def _overlap(some: frozenset[int] | None, others: frozenset[int] | None) -> bool:
    return some is None or others is None or not some.isdisjoint(others)

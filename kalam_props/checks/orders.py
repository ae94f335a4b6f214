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

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.checks.parts import Changes, Part, Size
from kalam_props.checks.world import World

DONE = -1
BUDGET = 400_000
"""Work that a search may do: parts tried and operations looked at. Some two seconds, plus what is linear."""
BUDGET_PER_CALL = 80

_WIDEST = 2_000
"""Configurations that are kept at most. With fewer than all of them a dead end proves nothing."""
_NARROW = 16
"""As many where the budget allows no more: one legal order is enough for `holds`."""

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

    """

    verdict: Literal["holds", "violated", "unknown"]
    stuck: int | None = None


def find_order(world: World, calls: Sequence[Call], *, budget: int = BUDGET) -> Found:
    """Decide whether some legal order of `calls` exists that respects their intervals.

    `holds` and `violated` are certain. Where too many configurations are possible, some are given up: then
    an order that is found still is one, and otherwise the answer is `unknown`.
    """
    search = _Search(world, calls, budget + BUDGET_PER_CALL * len(calls))
    try:
        return search.run()
    except _BudgetSpentError:
        return Found("unknown")


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


@frozen(eq=False)
class _Rest:
    """What an operation may still do from some stage on."""

    parts: tuple[Part, ...]
    cells: frozenset[int] | None
    writes: bool


class _Search:
    def __init__(self, world: World, calls: Sequence[Call], budget: int) -> None:
        self.world = world
        self.calls = calls
        self.budget = budget
        self.tried = 0
        self.left = len(calls) + 1
        self.gave_up = False
        self.open: dict[int, Call] = {}
        self.readers: dict[int, Call] = {}
        """Open operations that may only read in one of their stages."""
        self.writers: dict[int | None, dict[int, None]] = {}
        """Open operations that may write, by cell; under None those that may write any."""
        self.rests: dict[tuple[int, int], _Rest] = {}
        self.base: dict[int, int] = {}
        self.frontier: list[_Configuration] = [(_Table(self.base, {}, {}, {}, 0), {})]

    def run(self) -> Found:
        for position, returns in self._moments():
            if not returns:
                self._begin(position)
                continue
            self.left -= 1
            self.frontier = self._order(position)
            if not self.frontier:
                return Found("unknown") if self.gave_up else Found("violated", stuck=position)
            self._end(position)
            self._fold()
        return Found("holds")

    def _moments(self) -> Iterator[tuple[int, bool]]:
        """Beginnings and ends in order of time; at one instant beginnings first: intervals are closed."""
        moments = [(call.start, False, position) for position, call in enumerate(self.calls)]
        moments += [
            (call.end, True, position) for position, call in enumerate(self.calls) if call.end is not None
        ]
        moments.sort()
        for _, returns, position in moments:
            yield position, returns

    def _begin(self, position: int) -> None:
        call = self.calls[position]
        self.open[position] = call
        rest = self._rest(position, 0)
        if any(part.pure for part in rest.parts):
            self.readers[position] = call
        if rest.writes:
            for cell in rest.cells if rest.cells is not None else (None,):
                self.writers.setdefault(cell, {})[position] = None

    def _end(self, position: int) -> None:
        del self.open[position]
        self.readers.pop(position, None)
        rest = self.rests.pop((position, 0))
        if rest.writes:
            for cell in rest.cells if rest.cells is not None else (None,):
                del self.writers[cell][position]
                if not self.writers[cell]:
                    del self.writers[cell]
        self.frontier = _without(self.frontier, position)

    def _rest(self, position: int, stage: int) -> _Rest:
        rest = self.rests.get((position, stage))
        if rest is None:
            parts = tuple([part for options in self.calls[position].options[stage:] for part, _ in options])
            writes = any(not part.pure for part in parts)
            rest = self.rests[(position, stage)] = _Rest(parts, _touched(parts), writes)
        return rest

    def _order(self, target: int) -> list[_Configuration]:
        """The configurations, from those of the frontier, in which `target` is done.

        Where it need not be done, those in which it is not, or in part, as well.
        """
        required = self.calls[target].required
        widest = max(_NARROW, min(_WIDEST, (self.budget - self.tried) // (4 * self.left)))
        reached: dict[_Identity, _Configuration] = {}
        seen: set[_Identity] = set()
        stack = [self._with_reads(configuration) for configuration in reversed(self.frontier)]
        while stack:
            table, progress = configuration = stack.pop()
            identity = (table.total, frozenset(progress.items()))
            if identity in seen:
                continue
            seen.add(identity)
            done = progress.get(target) == DONE
            if done or not required:
                reached[identity] = configuration
                if len(reached) >= widest:
                    # One that is not done may still be done: what that leads to is given up as well.
                    self.gave_up = self.gave_up or bool(stack) or not done
                    break
            if done:
                continue
            stack.extend(self._next(configuration, target))
        return list(reached.values())

    def _next(self, configuration: _Configuration, target: int) -> list[_Configuration]:
        """The configurations one step on; the most promising last."""
        table, progress = configuration
        found: list[tuple[tuple[bool, float], _Configuration]] = []
        for position in self._needed(configuration, target):
            call = self.calls[position]
            for part, after in call.options[progress.get(position, 0)]:
                changes = self._attempt(part, table)
                if changes is None or (not changes and not call.required):
                    continue
                moved = table.with_changes(changes, self.world) if changes else table
                # What has to be over first goes first; no step away from the size that a count asks for.
                rank = (self._astray(target, table, moved), math.inf if call.end is None else call.end)
                found.append((rank, self._with_reads((moved, {**progress, position: after}))))
        found.sort(key=lambda ranked: ranked[0], reverse=True)
        return [configuration for _, configuration in found]

    def _astray(self, target: int, before: _Table, after: _Table) -> bool:
        part = self.calls[target].options[0][0][0]
        if not isinstance(part, Size):
            return False
        return abs(part.rows - after.size(part.scope)) > abs(part.rows - before.size(part.scope))

    def _with_reads(self, configuration: _Configuration) -> _Configuration:
        """The configuration after every open read that is legal in it."""
        table, progress = configuration
        advanced: _Progress | None = None
        for position, call in self.readers.items():
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
        self._spend(1)
        return part.attempt(table)

    def _spend(self, work: int) -> None:
        self.tried += work
        if self.tried > self.budget:
            raise _BudgetSpentError

    def _needed(self, configuration: _Configuration, target: int) -> list[int]:
        """The operations that may have to come next so that `target` can be done; see the module's text."""
        if len(self.open) == 1:
            return [target]
        needed = [target]
        chosen = {target}
        for position in needed:  # grows while it is walked through
            for other in self._may_precede(position, configuration):
                if other not in chosen:
                    chosen.add(other)
                    needed.append(other)
        progress = configuration[1]
        return [
            position
            for position in needed
            if position == target or self._rest(position, progress.get(position, 0)).writes
        ]

    def _may_precede(self, position: int, configuration: _Configuration) -> Iterator[int]:
        """What may have to come before `position`, which may have to come before the target."""
        table, progress = configuration
        mine = self._rest(position, progress.get(position, 0))
        if mine.writes:
            yield from self._pending_writers(mine.cells, progress, position)
            for other in self.readers:
                if other == position or progress.get(other) == DONE:
                    continue
                if self._contradicts(
                    self._rest(other, progress.get(other, 0)), position, mine, configuration
                ):
                    yield other
        for part in mine.parts:
            if part.pure:  # it may need whatever it does not see yet
                for other in self._pending_writers(part.cells, progress, position):
                    cells = self._rest(other, progress.get(other, 0)).cells
                    if cells is None or any(part.cares(cell, table.get(cell)) for cell in cells):
                        yield other

    def _contradicts(self, reads: _Rest, position: int, mine: _Rest, configuration: _Configuration) -> bool:
        """Whether a read has to precede an operation, because it contradicts what that leaves behind."""
        table, progress = configuration
        if not _overlap(reads.cells, mine.cells):
            return False
        alone = len(mine.parts) == 1 and not any(
            True for _ in self._pending_writers(mine.cells, progress, position)
        )
        changes = mine.parts[0].attempt(table) if alone else None
        if changes is None:
            return True
        return any(part.cares(cell, version) for part in reads.parts for cell, version in changes)

    def _pending_writers(
        self, cells: frozenset[int] | None, progress: _Progress, besides: int
    ) -> Iterator[int]:
        """Open operations, not done, that may write one of these cells; some perhaps twice."""
        if cells is None:
            for other in self.open:
                if other != besides and progress.get(other) != DONE:
                    self._spend(1)
                    if self._rest(other, progress.get(other, 0)).writes:
                        yield other
            return
        for cell in (*cells, None):
            for other in self.writers.get(cell, ()):
                if other != besides and progress.get(other) != DONE:
                    self._spend(1)
                    yield other

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


def _touched(parts: Sequence[Part]) -> frozenset[int] | None:
    if len(parts) == 1:
        return parts[0].cells
    touched: frozenset[int] = frozenset()
    for part in parts:
        if part.cells is None:
            return None
        touched |= part.cells
    return touched


def _overlap(some: frozenset[int] | None, others: frozenset[int] | None) -> bool:
    return some is None or others is None or not some.isdisjoint(others)

"""Inserts, scans and counts decided in n log n: where nothing is deleted, what reads show only grows.

The states that scans and counts saw are ordered by how many rows they have, for a table that only grows has
each size once. Every insert falls into one of the *slots* between these states. It is exact to ask:

1. Row by row: no scan that shows a row ended before its insert began, and no scan lacks it that began after
   the insert, or after a scan that shows it, was over.
2. Scans form a chain under inclusion, and the rows of a statement enter it together.
3. States follow each other in time, and every insert has a slot that its interval, the scans that show it,
   and the inserts that were over before it began, or began after it was over, leave it.
4. The inserts of each slot add up to the difference of the two sizes. The slots that an insert may have are
   an interval, and those of an insert that was over before another began end and begin no later than the
   other's. So the usual exchange argument holds, and filling slots by earliest deadline first finds an
   assignment if there is one. (With statements of several sizes, every choice of how many of each is tried.)

Scans and the inserts of the rows that they show alone need no step 4.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from kalam_props.checks.columns import FOREVER, REFUSED, Ints, ScopeColumns, column
from kalam_props.history.operations import Scalar

Mask: TypeAlias = npt.NDArray[np.bool_]
_EXPLAINED = 8
"""Conflicts of one kind that are shown at most."""
_ALONE = -1
"""In place of the operation of its only statement."""
_CHOICES = 2_000
"""Ways to fill slots with statements of several sizes that are kept in mind at most."""


@frozen
class Conflict:
    """Rows and reads that cannot all be right.

    Attributes:
        keys: keys of the rows; empty where counts are in conflict.
        reads: invocations of the reads.
        counts: whether the conflict is one of counts.
        expected: for a single count, the rows that must and that may have been there.
        values: texts of a row that nothing explains: who wrote them can be told.

    """

    keys: tuple[Scalar, ...]
    reads: tuple[int, ...]
    counts: bool = False
    expected: tuple[int, int] | None = None
    values: tuple[str, ...] = ()


@frozen
class ScopeVerdict:
    """What the columns of a scope say. `unknown`: they cannot decide, and why."""

    verdict: Literal["holds", "violated", "unknown"]
    conflicts: tuple[Conflict, ...] = ()
    unknown: str | None = None


@frozen(eq=False)
class _Arrays:
    """The columns as arrays, without refused statements and condemned cells."""

    call: Ints
    start: Ints
    end: Ints
    rows: Ints
    """Of each statement: its operation and interval, and how many of its rows count here."""
    statement: Ints
    """Of each cell: its statement."""
    live: Mask
    """Of each cell: whether it is judged here."""
    cell: Ints
    scan: Ints
    """Of each sighting: the cell and the scan."""
    scan_start: Ints
    scan_end: Ints
    keys: list[Scalar] = field(repr=False)


def judge_columns(scope: ScopeColumns) -> ScopeVerdict:
    """Decide one scope exactly."""
    condemned, conflicts = _suspects(scope)
    arrays = _arrays(scope, condemned)
    wrong = _rows_by_themselves(scope, arrays)
    if wrong:
        conflicts += wrong
    else:
        conflicts += _chain(scope, arrays)
    if not conflicts:
        return _slots(scope, arrays)
    conflicts += _count_bounds(scope)
    return ScopeVerdict("violated", tuple(conflicts))


def _suspects(scope: ScopeColumns) -> tuple[set[int], list[Conflict]]:
    """Cells about which reads show something unexplained, and rows of refused inserts that are shown."""
    conflicts = [
        Conflict(
            (row[scope.key_index],), (read,), values=tuple(value for value in row if isinstance(value, str))
        )
        for read, row in scope.suspects[:_EXPLAINED]
    ]
    condemned = set(scope.condemned)
    ends = column(scope.statement_end)
    if (ends == REFUSED).any():
        refused = ends[_statement_of_cell(scope)] == REFUSED
        seen = _sights(scope)
        at = np.flatnonzero(refused[seen])
        scans = _scan_of_sight(scope)
        keys = list(scope.cells)
        conflicts += [
            Conflict((keys[seen[sight]],), (scope.scan_i[scans[sight]],)) for sight in at[:_EXPLAINED]
        ]
        condemned |= {int(cell) for cell in np.flatnonzero(refused)}
    return condemned, conflicts


def _statement_of_cell(scope: ScopeColumns) -> Ints:
    sizes = np.diff(column(scope.statement_cell), append=len(scope.contents))
    return np.repeat(np.arange(len(sizes)), sizes)


def _sights(scope: ScopeColumns) -> npt.NDArray[np.int32]:
    return np.frombuffer(scope.sights, dtype=np.int32) if scope.sights else np.empty(0, dtype=np.int32)


def _scan_of_sight(scope: ScopeColumns) -> Ints:
    sizes = np.diff(column(scope.scan_sight), append=len(scope.sights))
    return np.repeat(np.arange(len(sizes)), sizes)


def _arrays(scope: ScopeColumns, condemned: set[int]) -> _Arrays:
    statement = _statement_of_cell(scope)
    live = np.ones(len(statement), dtype=bool)
    cell, scan = _sights(scope), _scan_of_sight(scope)
    if condemned:
        live[list(condemned)] = False
        shown = live[cell]
        cell, scan = cell[shown], scan[shown]
    return _Arrays(
        call=column(scope.statement_i),
        start=column(scope.statement_start),
        end=column(scope.statement_end),
        rows=np.bincount(statement[live], minlength=len(scope.statement_i)),
        statement=statement,
        live=live,
        cell=cell.astype(np.int64),
        scan=scan,
        scan_start=column(scope.scan_start),
        scan_end=column(scope.scan_end),
        keys=list(scope.cells),
    )


def _rows_by_themselves(scope: ScopeColumns, arrays: _Arrays) -> list[Conflict]:
    """Step 1. A row's insert has an instant: after it began, before any scan that shows the row ended."""
    cells = len(arrays.live)
    shown_by = np.full(cells, FOREVER)
    np.minimum.at(shown_by, arrays.cell, arrays.scan_end[arrays.scan])
    there = np.minimum(arrays.end[arrays.statement], shown_by)
    early = shown_by < arrays.start[arrays.statement]
    later_scans = len(arrays.scan_start) - np.searchsorted(np.sort(arrays.scan_start), there, side="right")
    late = arrays.scan_start[arrays.scan] > there[arrays.cell]
    later_sights = np.bincount(arrays.cell[late], minlength=cells)
    wrong = np.flatnonzero(arrays.live & (early | (later_scans != later_sights)))
    return [
        Conflict((arrays.keys[cell],), _telling_scans(scope, arrays, int(cell), int(there[cell])))
        for cell in wrong[:_EXPLAINED]
    ]


def _telling_scans(scope: ScopeColumns, arrays: _Arrays, cell: int, there: int) -> tuple[int, ...]:
    """The scans that tell what became of a row: the first and last without it, and those around them."""
    shows = np.zeros(len(arrays.scan_start), dtype=bool)
    shows[arrays.scan[arrays.cell == cell]] = True
    chosen: set[int] = set()
    if shows.any():
        chosen.add(int(np.flatnonzero(shows)[np.argmin(arrays.scan_end[shows])]))
    lacking = np.flatnonzero(~shows & (arrays.scan_start > there))
    for scan in (*lacking[:1], *lacking[-1:]):
        before = np.flatnonzero(shows & (arrays.scan_end < arrays.scan_start[scan]))
        after = np.flatnonzero(shows & (arrays.scan_start > arrays.scan_end[scan]))
        chosen |= {int(scan), *map(int, before[-1:]), *map(int, after[:1]), *map(int, after[-1:])}
    return tuple(sorted(scope.scan_i[scan] for scan in chosen))


def _chain(scope: ScopeColumns, arrays: _Arrays) -> list[Conflict]:
    """Step 2. In order of size, a row that a scan shows is shown by every larger one."""
    scans = len(arrays.scan_start)
    if not scans:
        return []
    order, first = _first_scan(arrays)
    shown = np.bincount(arrays.cell, minlength=len(arrays.live))
    outside = np.flatnonzero((shown > 0) & (shown != scans - first))
    if len(outside):
        return [
            conflict
            for cell in outside[:_EXPLAINED]
            for conflict in _crossing(scope, arrays, order, int(cell), int(first[cell]))
        ]
    lowest, highest = _levels(arrays, first)
    torn = np.flatnonzero(lowest < highest)
    return [_torn(scope, arrays, order, first, int(statement)) for statement in torn[:_EXPLAINED]]


def _first_scan(arrays: _Arrays) -> tuple[Ints, Ints]:
    """The scans in order of size, and for each cell the place of the first that shows it."""
    scans = len(arrays.scan_start)
    sizes = np.bincount(arrays.scan, minlength=scans)
    order = np.argsort(sizes, kind="stable")
    place = np.empty(scans, dtype=np.int64)
    place[order] = np.arange(scans)
    first = np.full(len(arrays.live), scans)
    np.minimum.at(first, arrays.cell, place[arrays.scan])
    return order, first


def _levels(arrays: _Arrays, first: Ints) -> tuple[Ints, Ints]:
    """For each statement the lowest and the highest of its cells' first scans."""
    lowest = np.full(len(arrays.start), FOREVER)
    highest = np.full(len(arrays.start), -1)
    live = np.flatnonzero(arrays.live)
    np.minimum.at(lowest, arrays.statement[live], first[live])
    np.maximum.at(highest, arrays.statement[live], first[live])
    return lowest, highest


def _crossing(scope: ScopeColumns, arrays: _Arrays, order: Ints, cell: int, first: int) -> Iterator[Conflict]:
    """Two scans, each with a row that the other lacks."""
    shows = set(arrays.scan[arrays.cell == cell].tolist())
    smaller = int(order[first])
    larger = next(int(scan) for scan in order[first + 1 :] if int(scan) not in shows)
    known = set(arrays.cell[arrays.scan == smaller].tolist())
    other = next(
        (one for one in arrays.cell[arrays.scan == larger].tolist() if one not in known),
        None,
    )
    if other is not None:
        keys = (arrays.keys[cell], arrays.keys[other])
        yield Conflict(keys, tuple(sorted((scope.scan_i[smaller], scope.scan_i[larger]))))


def _torn(scope: ScopeColumns, arrays: _Arrays, order: Ints, first: Ints, statement: int) -> Conflict:
    cells = np.flatnonzero((arrays.statement == statement) & arrays.live)
    shown, lacking = cells[np.argmin(first[cells])], cells[np.argmax(first[cells])]
    return Conflict((arrays.keys[shown], arrays.keys[lacking]), (scope.scan_i[int(order[first[shown]])],))


@frozen(eq=False)
class _States:
    """The states that reads saw, in order of size.

    Attributes:
        size: rows of each state.
        reads: invocations of the reads, with `state` the state of each, and their intervals.

    """

    size: Ints
    reads: Ints
    state: Ints
    start: Ints
    end: Ints


def _slots(scope: ScopeColumns, arrays: _Arrays) -> ScopeVerdict:
    """Steps 3 and 4."""
    scans = np.bincount(arrays.scan, minlength=len(arrays.scan_start))
    sizes = np.concatenate([scans, column(scope.count_rows)])
    size, state = np.unique(sizes, return_inverse=True)
    states = _States(
        size,
        np.concatenate([column(scope.scan_i), column(scope.count_i)]),
        state.reshape(-1),
        np.concatenate([arrays.scan_start, column(scope.count_start)]),
        np.concatenate([arrays.scan_end, column(scope.count_end)]),
    )
    bounds = _count_bounds(scope)
    if bounds:
        return ScopeVerdict("violated", tuple(bounds))
    latest_start = np.full(len(size), -1)
    np.maximum.at(latest_start, states.state, states.start)
    earliest_end = np.full(len(size), FOREVER)
    np.minimum.at(earliest_end, states.state, states.end)
    started = np.maximum.accumulate(latest_start)
    over = np.minimum.accumulate(earliest_end[::-1])[::-1]
    backwards = np.flatnonzero(started[:-1] > earliest_end[1:]) + 1
    if len(backwards):
        return _order_conflict(states, int(backwards[0]))
    judged = np.flatnonzero(arrays.rows > 0)
    lower, upper = _slot_ranges(arrays, judged, states, started, over)
    empty = np.flatnonzero(lower > upper)
    if len(empty):
        at = int(empty[0])
        return _slot_conflict(scope, arrays, states, int(judged[at]), (int(lower[at]), int(upper[at])))
    if not len(scope.count_i):
        return ScopeVerdict("holds")
    again = arrays.call[1:] == arrays.call[:-1]
    several = np.concatenate([again, [False]]) | np.concatenate([[False], again])
    inserts = _Inserts(
        np.where(several, arrays.call, _ALONE)[judged],
        arrays.rows[judged],
        arrays.start[judged],
        arrays.end[judged],
        lower,
        upper,
    )
    return _filled(states, inserts)


def _slot_ranges(
    arrays: _Arrays, judged: Ints, states: _States, started: Ints, over: Ints
) -> tuple[Ints, Ints]:
    """For each statement the slots that it may fall into: slot k is just before state k."""
    last = len(states.size)
    start, end = arrays.start[judged], arrays.end[judged]
    # An insert before a state began before that state's reads, and all later ones, were over.
    lower = np.searchsorted(over, start, side="left")
    # An insert after a state was not over before its reads, and all earlier ones, began.
    upper = np.searchsorted(started, end, side="right")
    scans = len(arrays.scan_start)
    if scans:
        order, first = _first_scan(arrays)
        level = np.minimum(_levels(arrays, first)[0][judged], scans)
        in_order = states.state[:scans][order]
        lower = np.maximum(lower, np.concatenate([[-1], in_order])[level] + 1)
        upper = np.minimum(upper, np.append(in_order, last)[level])
    # The statements of one operation take effect one after the other.
    call = arrays.call[judged]
    for at in np.flatnonzero(call[1:] == call[:-1]):
        lower[at + 1] = max(lower[at + 1], lower[at])
    for at in np.flatnonzero(call[1:] == call[:-1])[::-1]:
        upper[at] = min(upper[at], upper[at + 1])
    # What was over before another began has a slot that is no later.
    by_start, by_end = np.argsort(start, kind="stable"), np.argsort(end, kind="stable")
    least = np.append(np.minimum.accumulate(upper[by_start][::-1])[::-1], last)
    upper = np.minimum(upper, least[np.searchsorted(start[by_start], end, side="right")])
    most = np.concatenate([[0], np.maximum.accumulate(lower[by_end])])
    lower = np.maximum(lower, most[np.searchsorted(end[by_end], start, side="left")])
    return lower, upper


def _count_bounds(scope: ScopeColumns) -> list[Conflict]:
    """Counts below the rows that must be there, or above those that may."""
    if not len(scope.count_i):
        return []
    start, end = column(scope.statement_start), column(scope.statement_end)
    done = end != REFUSED
    rows = np.diff(column(scope.statement_cell), append=len(scope.contents))
    must = _rows_until(end[done], rows[done], column(scope.count_start), side="left")
    may = _rows_until(start[done], rows[done], column(scope.count_end), side="right")
    counted = column(scope.count_rows)
    wrong = np.flatnonzero((counted < must) | (counted > may))
    return [
        Conflict((), (scope.count_i[int(n)],), counts=True, expected=(int(must[n]), int(may[n])))
        for n in wrong[:_EXPLAINED]
    ]


def _rows_until(times: Ints, rows: Ints, limits: Ints, *, side: Literal["left", "right"]) -> Ints:
    """For each limit the rows of statements with a time before it (`right`: or at it)."""
    order = np.argsort(times, kind="stable")
    total = np.concatenate([[0], np.cumsum(rows[order])])
    return np.asarray(total[np.searchsorted(times[order], limits, side=side)], dtype=np.int64)


def _order_conflict(states: _States, later: int) -> ScopeVerdict:
    """A read of a larger table was over before one of a smaller table began."""
    larger = np.flatnonzero(states.state == later)
    first = larger[np.argmin(states.end[larger])]
    smaller = np.flatnonzero(states.state < later)
    second = smaller[np.argmax(states.start[smaller])]
    reads = (int(states.reads[first]), int(states.reads[second]))
    return ScopeVerdict("violated", (Conflict((), reads, counts=True),))


def _slot_conflict(
    scope: ScopeColumns, arrays: _Arrays, states: _States, statement: int, slots: tuple[int, int]
) -> ScopeVerdict:
    """An insert for which reads and times leave no slot."""
    lower, upper = slots
    cells = np.flatnonzero((arrays.statement == statement) & arrays.live)
    around = [
        int(states.reads[read])
        for state in {min(lower, len(states.size)) - 1, min(upper, len(states.size) - 1)}
        if state >= 0
        for read in np.flatnonzero(states.state == state)[:2]
    ]
    if len(scope.count_i):
        return ScopeVerdict("violated", (Conflict((), tuple(sorted(around)), counts=True),))
    return _inversion(scope, arrays, states, statement, int(cells[0]))


def _inversion(
    scope: ScopeColumns, arrays: _Arrays, states: _States, statement: int, cell: int
) -> ScopeVerdict:
    """Without counts: a scan shows an insert without another that was over before it began."""
    scans = len(arrays.scan_start)
    order, first = _first_scan(arrays)
    level, _ = _levels(arrays, first)
    mine = int(level[statement])
    later = np.flatnonzero((arrays.start > arrays.end[statement]) & (level < mine))
    earlier = np.flatnonzero((arrays.end < arrays.start[statement]) & (level > mine) & (arrays.rows > 0))
    for other in (*later[:1], *earlier[:1]):
        scan = int(order[min(mine, int(level[other]), scans - 1)])
        other_cell = int(np.flatnonzero((arrays.statement == other) & arrays.live)[0])
        keys = (arrays.keys[cell], arrays.keys[other_cell])
        return ScopeVerdict("violated", (Conflict(keys, (scope.scan_i[scan],)),))
    reads = tuple(sorted(int(read) for read in states.reads[:2]))
    return ScopeVerdict("violated", (Conflict((arrays.keys[cell],), reads),))


@frozen(eq=False)
class _Inserts:
    """Statements with their operation, rows and interval, and the slots that they may fall into."""

    call: Ints
    rows: Ints
    start: Ints
    end: Ints
    lower: Ints
    upper: Ints

    def only(self, chosen: Ints) -> _Inserts:
        return _Inserts(
            self.call[chosen],
            self.rows[chosen],
            self.start[chosen],
            self.end[chosen],
            self.lower[chosen],
            self.upper[chosen],
        )


def _filled(states: _States, inserts: _Inserts) -> ScopeVerdict:
    """Step 4: whether the slots before each state can be filled with just the rows that it asks for."""
    slots = len(states.size)
    settled = inserts.only(np.flatnonzero(inserts.lower == inserts.upper))
    placed = np.bincount(settled.lower, weights=settled.rows, minlength=slots + 1)[:slots]
    wanted = np.diff(states.size, prepend=0) - placed.astype(np.int64)
    over = np.flatnonzero(wanted < 0)
    if len(over):
        return _unfilled(states, int(over[0]))
    free = np.flatnonzero(inserts.lower < inserts.upper)
    free = free[np.argsort(inserts.lower[free], kind="stable")]
    if (inserts.rows[free] == 1).all():
        stuck = _fill_by_deadline(wanted, inserts.lower[free], inserts.upper[free])
        return ScopeVerdict("holds") if stuck is None else _unfilled(states, stuck)
    return _fill_by_choice(states, wanted, inserts.only(free))


def _unfilled(states: _States, slot: int) -> ScopeVerdict:
    reads = [
        int(states.reads[read])
        for state in (slot - 1, slot)
        if 0 <= state < len(states.size)
        for read in np.flatnonzero(states.state == state)[:2]
    ]
    return ScopeVerdict("violated", (Conflict((), tuple(sorted(reads)), counts=True),))


def _fill_by_deadline(wanted: Ints, lower: Ints, upper: Ints) -> int | None:
    """Earliest deadline first, for statements of one row each; the first slot that cannot be filled."""
    waiting: list[int] = []
    releases, deadlines = lower.tolist(), upper.tolist()
    at = 0
    for slot, need in enumerate(wanted.tolist()):
        while at < len(releases) and releases[at] <= slot:
            heapq.heappush(waiting, deadlines[at])
            at += 1
        if need > len(waiting):
            return slot
        for _ in range(need):
            if heapq.heappop(waiting) < slot:
                return slot
        if waiting and waiting[0] <= slot:
            return slot
    return None


_Statement: TypeAlias = tuple[int, int, int, int, int, int]
"""Start, number, end, deadline, rows; and its operation, where that has several statements."""


def _fill_by_choice(states: _States, wanted: Ints, inserts: _Inserts) -> ScopeVerdict:
    """For statements of several sizes: every choice of which of those that are open have happened.

    Where there are too many choices, some are given up; then that none is left proves nothing.
    """
    choices: list[tuple[_Statement, ...]] = [()]
    gave_up = False
    at, count = 0, len(inserts.rows)
    columns = (inserts.start, np.arange(count), inserts.end, inserts.upper, inserts.rows, inserts.call)
    statements = list(zip(*(values.tolist() for values in columns), strict=True))
    for slot, need in enumerate(wanted.tolist()):
        released = []
        while at < count and inserts.lower[at] <= slot:
            released.append(statements[at])
            at += 1
        following: dict[tuple[_Statement, ...], None] = {}
        for waiting in choices:
            for left in _fillings(sorted((*waiting, *released)), need, slot):
                following[left] = None
                if len(following) >= _CHOICES:
                    break
            gave_up = gave_up or len(following) >= _CHOICES
        if not following:
            return ScopeVerdict("unknown", unknown=_TOO_MANY) if gave_up else _unfilled(states, slot)
        choices = list(following)[:_CHOICES]
    return ScopeVerdict("holds")


_TOO_MANY = "too many inserts at once, of which counts saw a part, to try every choice of them"


def _fillings(waiting: list[_Statement], need: int, slot: int) -> Iterator[tuple[_Statement, ...]]:
    """What may be left of `waiting` (in order of start) after statements of `need` rows went into a slot.

    Nothing is left behind that was over before something taken began, or that precedes it in its operation.
    Nor one that is in nothing behind one taken of as many rows: the two could change places.
    """
    urgent_after = [False] * (len(waiting) + 1)
    for at in range(len(waiting) - 1, -1, -1):
        urgent_after[at] = urgent_after[at + 1] or waiting[at][3] <= slot
    stack: list[tuple[int, int, int, tuple[_Statement, ...]]] = [(0, need, FOREVER, ())]
    while stack:
        at, left, barrier, stay = stack.pop()
        closed = at == len(waiting) or waiting[at][0] > barrier
        if closed or left == 0:
            if left == 0 and not urgent_after[at]:
                yield (*stay, *waiting[at:])
            continue
        one = waiting[at]
        if one[3] > slot:
            stack.append((at + 1, left, min(barrier, one[2]), (*stay, one)))
        if one[4] <= left and not _comes_after(one, stay):
            stack.append((at + 1, left - one[4], barrier, stay))


def _comes_after(one: _Statement, stay: tuple[_Statement, ...]) -> bool:
    """Whether a statement cannot, or need not, be taken while those of `stay` (begun no later) are left."""
    _, _, end, deadline, rows, call = one
    for other in stay:
        if call == _ALONE == other[5]:
            if other[4] == rows and other[2] <= end and other[3] <= deadline:
                return True
        elif other[5] == call:
            return True
    return False

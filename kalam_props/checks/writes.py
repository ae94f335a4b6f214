"""Who wrote what: for every cell the writes that may have touched it, and those that were refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import field, frozen

from kalam_props.checks.acts import Act, certainly_nothing_done
from kalam_props.checks.world import Canonical, World, canonical, canonical_row
from kalam_props.history.operations import Delete, Increment, Insert, Operation, Row, Txn, Update

Kind: TypeAlias = Literal["insert", "update", "increment", "delete"]


@frozen(eq=False)
class Wrote:
    """One write of one cell.

    Attributes:
        act: the operation that it is part of.
        row: what an insert wrote.
        values: what an update set, by column; what an increment added, by column.
        statement: which statement of its operation; rows of one statement commit together.
        refused: the server said that it did nothing.

    """

    act: Act
    kind: Kind
    row: tuple[Canonical, ...] | None = None
    values: dict[int, Canonical] = field(factory=dict)
    statement: int = 0
    refused: bool = False


@frozen(eq=False)
class Writes:
    """All writes of a history, by cell."""

    world: World
    by_cell: dict[int, list[Wrote]] = field(factory=dict)
    _since: dict[tuple[int, int, bool], int | None] = field(factory=dict)

    def of(self, cell: int) -> list[Wrote]:
        """The writes of a cell that may have taken effect."""
        return [wrote for wrote in self.by_cell.get(cell, ()) if not wrote.refused]

    def refused(self, cell: int) -> list[Wrote]:
        """The writes of a cell that the server said it did not do."""
        return [wrote for wrote in self.by_cell.get(cell, ()) if wrote.refused]

    def since(self, cell: int, version: int) -> int | None:
        """From when on writes of this cell can have given it this content; None: they never can.

        A necessary condition, column by column: what it lets pass, the search over orders decides.
        """
        return self._explained(cell, version, refused_too=False)

    def since_if_done(self, cell: int, version: int) -> int | None:
        """As `since`, had the refused writes been done as well."""
        return self._explained(cell, version, refused_too=True)

    def _explained(self, cell: int, version: int, *, refused_too: bool) -> int | None:
        name = (cell, version, refused_too)
        if name not in self._since:
            wrotes = self.by_cell.get(cell, []) if refused_too else self.of(cell)
            self._since[name] = _since(wrotes, self.world.rows[version], self._key_index(cell))
        return self._since[name]

    def _key_index(self, cell: int) -> int:
        table, _ = self.world.scopes[self.world.scope_of(cell)]
        return self.world.tables[table].key_index


def index_writes(world: World, acts: Sequence[Act]) -> Writes:
    """The writes of `acts`; numbers their scopes and cells in `world`."""
    writes = Writes(world)
    for act in acts:
        for cell, wrote in _wrotes(world, act, act.op):
            writes.by_cell.setdefault(cell, []).append(wrote)
    return writes


def _wrotes(world: World, act: Act, op: Operation) -> Iterator[tuple[int, Wrote]]:
    if isinstance(op, Txn):
        for inner in op.ops:
            yield from _wrotes(world, act, inner)
        return
    if not isinstance(op, (Insert, Update, Increment, Delete)):
        return
    scope = world.scope(op.table, act.user)
    columns = world.tables[op.table].columns
    refused = certainly_nothing_done(act)
    if isinstance(op, Insert):
        key_index = world.tables[op.table].key_index
        for statement, rows in enumerate(statements_of(op)):
            for row in rows:
                whole = canonical_row(row)
                wrote = Wrote(act, "insert", row=whole, statement=statement, refused=refused)
                yield world.cell(scope, whole[key_index]), wrote
        return
    cell = world.cell(scope, canonical(op.key))
    if isinstance(op, Update):
        values = {columns.index(name): canonical(value) for name, value in op.set.items()}
        yield cell, Wrote(act, "update", values=values, refused=refused)
    elif isinstance(op, Increment):
        yield cell, Wrote(act, "increment", values={columns.index(op.column): op.by}, refused=refused)
    else:
        yield cell, Wrote(act, "delete", refused=refused)


def statements_of(op: Insert) -> list[tuple[Row, ...]]:
    """The rows of each statement of an insert: they commit together."""
    if op.statements is None:
        return [op.rows]
    pieces, at = [], 0
    for size in op.statements:
        pieces.append(op.rows[at : at + size])
        at += size
    return pieces


def _since(wrotes: Iterable[Wrote], row: tuple[Canonical, ...], key_index: int) -> int | None:
    wrotes = list(wrotes)
    inserts = [wrote for wrote in wrotes if wrote.row is not None]
    exact = min((wrote.act.start for wrote in inserts if wrote.row == row), default=None)
    if exact is not None and not any(wrote.kind in ("update", "increment") for wrote in wrotes):
        return exact
    composed = _composed_since(wrotes, inserts, row, key_index)
    return min((since for since in (exact, composed) if since is not None), default=None)


def _composed_since(
    wrotes: list[Wrote], inserts: list[Wrote], row: tuple[Canonical, ...], key_index: int
) -> int | None:
    """From when on an insert and what changed it can have given this content, column by column."""
    if not inserts:
        return None
    since = min(wrote.act.start for wrote in inserts)
    for column, value in enumerate(row):
        if column == key_index:
            continue
        starts = [
            wrote.act.start
            for wrote in wrotes
            if (wrote.row is not None and wrote.row[column] == value)
            or (wrote.kind == "update" and column in wrote.values and wrote.values[column] == value)
        ]
        if not starts and _in_reach(wrotes, column, value):
            starts = [wrote.act.start for wrote in wrotes if wrote.kind == "increment"]
        if not starts:
            return None
        since = max(since, min(starts))
    return since


def _in_reach(wrotes: Iterable[Wrote], column: int, value: Canonical) -> bool:
    """Whether increments can have led to `value` from any value written."""
    if not isinstance(value, (int, float)):
        return False
    bases, ups, downs = [], 0, 0
    for wrote in wrotes:
        if wrote.row is not None:
            bases.append(wrote.row[column])
        elif column in wrote.values:
            number = wrote.values[column]
            if wrote.kind == "update":
                bases.append(number)
            elif isinstance(number, int):
                ups += max(number, 0) * wrote.act.times
                downs += min(number, 0) * wrote.act.times
    numbers = [base for base in bases if isinstance(base, (int, float))]
    return bool(numbers) and min(numbers) + downs <= value <= max(numbers) + ups

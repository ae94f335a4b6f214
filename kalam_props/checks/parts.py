"""What one statement does to a table and what its answer claims: the model that histories are held to.

A *part* takes effect at one instant. `attempt` answers, for the table as it is at that instant, with the
cells that change (none for a read), or with None when the claims of the part's answer are false there.
`cares` answers whether a read's claims forbid (or may forbid) a cell to have a version at its instant;
the search uses it to leave out orders that cannot matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from attrs import field, frozen

from kalam_props.checks.world import World

Changes: TypeAlias = tuple[tuple[int, int | None], ...]
"""Cells and their new versions; None: no row."""


_FEW = 8
"""A scan of so few cells is cheaper to compare cell by cell."""


class State(Protocol):
    """A table at an instant, as parts see it."""

    def get(self, cell: int) -> int | None: ...

    def size(self, scope: int) -> int: ...

    def fingerprint(self, scope: int) -> int: ...


class Part(Protocol):
    """One atomic piece of an operation. `cells`: those that it may change or depends on; None: a scope."""

    @property
    def cells(self) -> frozenset[int] | None: ...

    @property
    def pure(self) -> bool: ...

    def attempt(self, state: State) -> Changes | None: ...

    def cares(self, cell: int, version: int | None) -> bool: ...

    def within(self, cells: frozenset[int]) -> Part | None:
        """What of this part's effect and claims is about `cells` alone; None: nothing."""
        ...


@frozen(eq=False)
class Put:
    """Rows that are inserted together: all of their keys are free, then all are taken."""

    pairs: tuple[tuple[int, int], ...]
    pure = False

    @property
    def cells(self) -> frozenset[int]:
        return frozenset([cell for cell, _ in self.pairs])

    def attempt(self, state: State) -> Changes | None:
        for cell, _ in self.pairs:
            if state.get(cell) is not None:
                return None
        return self.pairs

    def cares(self, cell: int, version: int | None) -> bool:  # noqa: ARG002
        return False

    def within(self, cells: frozenset[int]) -> Put | None:
        pairs = tuple([pair for pair in self.pairs if pair[0] in cells])
        return Put(pairs) if pairs else None


@frozen(eq=False)
class Change:
    """An update or an increment of one row. `affected`: 1, 0, or None where the answer does not say.

    A server may count a row that keeps its values as affected or not.
    """

    cell: int
    change: Callable[[int], int]
    affected: int | None

    @property
    def cells(self) -> frozenset[int]:
        return frozenset((self.cell,))

    @property
    def pure(self) -> bool:
        return self.affected == 0

    def attempt(self, state: State) -> Changes | None:
        old = state.get(self.cell)
        if old is None:
            return None if self.affected else ()
        new = self.change(old)
        if new == old:
            return ()
        return None if self.affected == 0 else ((self.cell, new),)

    def cares(self, cell: int, version: int | None) -> bool:  # noqa: ARG002
        return self.affected == 0 and cell == self.cell

    def within(self, cells: frozenset[int]) -> Change | None:
        return self if self.cell in cells else None


@frozen(eq=False)
class Remove:
    """A delete of one row. `affected`: 1, 0, or None where the answer does not say."""

    cell: int
    affected: int | None

    @property
    def cells(self) -> frozenset[int]:
        return frozenset((self.cell,))

    @property
    def pure(self) -> bool:
        return self.affected == 0

    def attempt(self, state: State) -> Changes | None:
        if state.get(self.cell) is None:
            return None if self.affected else ()
        return None if self.affected == 0 else ((self.cell, None),)

    def cares(self, cell: int, version: int | None) -> bool:
        return self.affected == 0 and cell == self.cell and version is not None

    def within(self, cells: frozenset[int]) -> Remove | None:
        return self if self.cell in cells else None


@frozen(eq=False)
class Taken:
    """A refusal with duplicate-key: at least one of the keys is there."""

    keys: frozenset[int]
    pure = True

    @property
    def cells(self) -> frozenset[int]:
        return self.keys

    def attempt(self, state: State) -> Changes | None:
        return () if any(state.get(cell) is not None for cell in self.keys) else None

    def cares(self, cell: int, version: int | None) -> bool:
        return version is None and cell in self.keys

    def within(self, cells: frozenset[int]) -> Taken | None:
        return self if self.keys <= cells else None  # a key left out might be the one that is there


@frozen(eq=False)
class Look:
    """What a read claims: cells with the version seen there, or None where it saw no row."""

    claims: Mapping[int, int | None]
    pure = True

    @property
    def cells(self) -> frozenset[int]:
        return frozenset(self.claims)

    def attempt(self, state: State) -> Changes | None:
        for cell, version in self.claims.items():
            if state.get(cell) != version:
                return None
        return ()

    def cares(self, cell: int, version: int | None) -> bool:
        return cell in self.claims and self.claims[cell] != version

    def within(self, cells: frozenset[int]) -> Look | None:
        if len(cells) < len(self.claims):
            claims = {cell: self.claims[cell] for cell in cells if cell in self.claims}
        else:
            claims = {cell: version for cell, version in self.claims.items() if cell in cells}
        return Look(claims) if claims else None


@frozen(eq=False)
class Scan:
    """A complete scan: its scope holds the rows of `seen` and no other.

    `besides`: cells about which the scan claims nothing, because what it says of them was already condemned.
    """

    scope: int
    seen: Mapping[int, int]
    besides: frozenset[int]
    world: World = field(repr=False)
    expected: int = field(init=False, repr=False)
    pure = True
    cells = None

    def __attrs_post_init__(self) -> None:
        expected = 0
        for cell, version in self.seen.items():
            expected ^= self.world.mark(cell, version)
        object.__setattr__(self, "expected", expected)

    def attempt(self, state: State) -> Changes | None:
        found = state.fingerprint(self.scope)
        for cell in self.besides:
            version = state.get(cell)
            if version is not None:
                found ^= self.world.mark(cell, version)
        return () if found == self.expected else None

    def cares(self, cell: int, version: int | None) -> bool:
        return (
            self.seen.get(cell) != version
            and cell not in self.besides
            and self.world.scope_of(cell) == self.scope
        )

    def within(self, cells: frozenset[int]) -> Look | Scan | None:
        if len(cells) > _FEW:  # the writes are projected too, so no other cell is in the table
            seen = {cell: version for cell, version in self.seen.items() if cell in cells}
            return Scan(self.scope, seen, self.besides, self.world)
        claims = {
            cell: self.seen.get(cell)
            for cell in cells
            if self.world.scope_of(cell) == self.scope and cell not in self.besides
        }
        return Look(claims) if claims else None


@frozen(eq=False)
class Size:
    """A count: its scope holds so many rows."""

    scope: int
    rows: int
    world: World = field(repr=False)
    pure = True
    cells = None

    def attempt(self, state: State) -> Changes | None:
        return () if state.size(self.scope) == self.rows else None

    def cares(self, cell: int, version: int | None) -> bool:  # noqa: ARG002
        return self.world.scope_of(cell) == self.scope

    def within(self, cells: frozenset[int]) -> None:  # noqa: ARG002
        return None  # the rows left out would have counted


@frozen(eq=False)
class Sequence:
    """Parts that take effect together, each after those before it: a transaction.

    As a `snapshot` it only looks: its reads see the table as it was at one instant and its own writes, and
    nothing of it is kept. Otherwise it is the commit: its writes take effect and its reads claim nothing.
    """

    parts: tuple[Part, ...]
    snapshot: bool
    world: World = field(repr=False)

    @property
    def pure(self) -> bool:
        return self.snapshot

    @property
    def cells(self) -> frozenset[int] | None:
        touched: frozenset[int] = frozenset()
        for part in self.parts:
            if part.cells is None:
                return None
            touched |= part.cells
        return touched

    def attempt(self, state: State) -> Changes | None:
        inside = _Inside(state, self.world)
        for part in self.parts:
            # Whether a key is free is decided at the commit.
            changes = part.pairs if self.snapshot and isinstance(part, Put) else part.attempt(inside)
            if changes is None:
                return None
            inside.changes.update(changes)
        if self.snapshot:
            return ()
        return tuple(
            [(cell, version) for cell, version in inside.changes.items() if state.get(cell) != version]
        )

    def cares(self, cell: int, version: int | None) -> bool:  # noqa: ARG002
        return self.snapshot

    def within(self, cells: frozenset[int]) -> Sequence | None:
        parts = tuple([part for part in (part.within(cells) for part in self.parts) if part is not None])
        return Sequence(parts, self.snapshot, self.world) if parts else None


@frozen(eq=False)
class _Inside:
    """A table as a transaction sees it: with its own writes."""

    outside: State
    world: World
    changes: dict[int, int | None] = field(factory=dict)

    def get(self, cell: int) -> int | None:
        return self.changes[cell] if cell in self.changes else self.outside.get(cell)

    def size(self, scope: int) -> int:
        return self.outside.size(scope) + sum(
            (new is not None) - (old is not None) for _, old, new in self._changed(scope)
        )

    def fingerprint(self, scope: int) -> int:
        found = self.outside.fingerprint(scope)
        for cell, old, new in self._changed(scope):
            if old is not None:
                found ^= self.world.mark(cell, old)
            if new is not None:
                found ^= self.world.mark(cell, new)
        return found

    def _changed(self, scope: int) -> list[tuple[int, int | None, int | None]]:
        return [
            (cell, self.outside.get(cell), new)
            for cell, new in self.changes.items()
            if self.world.scope_of(cell) == scope
        ]

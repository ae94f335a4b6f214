"""Numbers for what a history talks about: scopes, cells and versions.

A *scope* is what one scan sees: a user's rows of a user table, or a shared table. A *cell* is a key in a
scope; a row's identity. A *version* is the content of a row. Small integers make the search over orders fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TypeAlias

from attrs import field, frozen

from kalam_props.history.events import TableShape
from kalam_props.history.operations import Row, Scalar

Scope: TypeAlias = tuple[str, str | None]
"""Table, and user in a user table."""

Canonical: TypeAlias = object
"""A value that equals another exactly when a server may give one for the other: 1 and 1.0, not 1 and true."""

_BITS = 96
"""Two different states share a fingerprint with probability 2^-96: never in practice (Zobrist, 1970)."""


def canonical(value: Scalar) -> Canonical:
    """`value`, with booleans set apart from the integers that Python takes them for."""
    return ("bool", value) if value is True or value is False else value


def canonical_row(row: Row) -> tuple[Canonical, ...]:
    """As `canonical`, for each value of a row."""
    if True in row or False in row:
        return tuple([canonical(value) for value in row])
    return row


def plain(value: Canonical) -> Scalar:
    """What a person reads for a canonical value."""
    return value[1] if isinstance(value, tuple) else value  # type: ignore[return-value]


@frozen(eq=False)
class World:
    """The scopes, cells and versions of one history, numbered in order of appearance."""

    tables: Mapping[str, TableShape]
    scopes: list[Scope] = field(factory=list)
    cells: list[tuple[int, Canonical]] = field(factory=list)
    rows: list[tuple[Canonical, ...]] = field(factory=list)
    _scope_ids: dict[Scope, int] = field(factory=dict)
    _cell_ids: dict[tuple[int, Canonical], int] = field(factory=dict)
    _row_ids: dict[tuple[Canonical, ...], int] = field(factory=dict)
    _marks: dict[tuple[int, int], int] = field(factory=dict)
    _random: Random = field(factory=lambda: Random(0x6B70))  # repeatable

    def scope(self, table: str, user: str) -> int:
        """The scope in which `user` reads and writes `table`."""
        name = (table, user if self.tables[table].type == "user" else None)
        number = self._scope_ids.get(name)
        if number is None:
            number = self._scope_ids[name] = len(self.scopes)
            self.scopes.append(name)
        return number

    def cell(self, scope: int, key: Canonical) -> int:
        """The cell of `key`, a new one when it was not heard of before."""
        name = (scope, key)
        number = self._cell_ids.get(name)
        if number is None:
            number = self._cell_ids[name] = len(self.cells)
            self.cells.append(name)
        return number

    def known_cell(self, scope: int, key: Canonical) -> int | None:
        """The cell of `key`, or None when nothing was heard of it."""
        return self._cell_ids.get((scope, key))

    def version(self, row: tuple[Canonical, ...]) -> int:
        """The number of a row's content."""
        number = self._row_ids.get(row)
        if number is None:
            number = self._row_ids[row] = len(self.rows)
            self.rows.append(row)
        return number

    def scope_of(self, cell: int) -> int:
        return self.cells[cell][0]

    def key_of(self, cell: int) -> Scalar:
        return plain(self.cells[cell][1])

    def row_of(self, version: int) -> Row:
        """A version as a person reads it."""
        return tuple(plain(value) for value in self.rows[version])

    def mark(self, cell: int, version: int) -> int:
        """A random number for this cell at this version; a state's fingerprint is the XOR of its cells'."""
        name = (cell, version)
        mark = self._marks.get(name)
        if mark is None:
            mark = self._marks[name] = self._random.getrandbits(_BITS)
        return mark

"""A history of inserts, scans and counts as columns: a few bytes an event instead of an object.

Reading is one pass over the lines. It accepts only what is as simple as it is frequent; at anything else it
says so (`NotColumnsError`), and the history is read and judged the general way, which also finds the words
for a malformed line. So nothing is accepted here that the general reader refuses.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
from attrs import define, field, frozen

from kalam_props.history.codec import event_from_json
from kalam_props.history.events import Event, Fail, FlushRun, Info, NetFault, ServerEvent, TableShape
from kalam_props.history.operations import Scalar
from kalam_props.history.reader import HistoryReader

Ints: TypeAlias = npt.NDArray[np.int64]
FOREVER = int(np.iinfo(np.int64).max)
REFUSED = -1
"""The end of a statement that was not done."""
_SUSPECTS = 64
"""Unexplained rows that are remembered of a scope: enough to tell what they are."""


class NotColumnsError(Exception):
    """The history has something that columns do not hold."""


@define(eq=False)
class ScopeColumns:
    """The operations of one scope, numbered in order of invocation.

    `cells` numbers the keys in the order in which they were inserted; the cells of a statement are adjacent.
    A refused statement ends at `REFUSED`; one of unknown outcome ends at `FOREVER`.
    """

    table: str
    user: str
    width: int
    key_index: int
    cells: dict[Scalar, int] = field(factory=dict)
    contents: list[list[Scalar]] = field(factory=list)
    statement_i: array[int] = field(factory=lambda: array("q"))
    statement_start: array[int] = field(factory=lambda: array("q"))
    statement_end: array[int] = field(factory=lambda: array("q"))
    statement_cell: array[int] = field(factory=lambda: array("q"))
    """The first cell of each statement."""
    scan_i: array[int] = field(factory=lambda: array("q"))
    scan_start: array[int] = field(factory=lambda: array("q"))
    scan_end: array[int] = field(factory=lambda: array("q"))
    scan_sight: array[int] = field(factory=lambda: array("q"))
    """The first of each scan's `sights`."""
    sights: array[int] = field(factory=lambda: array("i"))
    count_i: array[int] = field(factory=lambda: array("q"))
    count_start: array[int] = field(factory=lambda: array("q"))
    count_end: array[int] = field(factory=lambda: array("q"))
    count_rows: array[int] = field(factory=lambda: array("q"))
    suspects: list[tuple[int, list[Scalar]]] = field(factory=list)
    """Reads, and rows that they show and that no insert of this scope explains; the first of them."""
    condemned: set[int] = field(factory=set)
    """The cells of such rows, where they are cells of this scope."""


@frozen(eq=False)
class Columns:
    """A whole history. `remarkable`: errors, restarts and network faults, as events; few."""

    scopes: list[ScopeColumns]
    remarkable: list[Event]
    operations: int


def column(values: array[int]) -> Ints:
    """The numbers of an array, without copying."""
    return np.frombuffer(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)


@contextmanager
def without_collecting() -> Iterator[None]:
    """No search for cycles: columns have none, and to look through their rows again and again takes long."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def read_columns(reader: HistoryReader) -> Columns:
    """The columns of an open history.

    Raises:
        NotColumnsError: it has operations, values or mistakes that columns do not hold.
        CorruptInputError: the file cannot be read on.

    """
    ingest = _Ingest(reader.header.tables)
    try:
        ingest.read(reader)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NotColumnsError(str(error)) from None
    scopes = list(dict.fromkeys(ingest.scopes.values()))  # a shared one is known by each of its users
    return Columns(scopes, ingest.remarkable, ingest.operations)


_Pending: TypeAlias = tuple[str, str, int, ScopeColumns | None, int, int, int, bytes]
"""Kind, process, time of invocation, scope; of an insert its first statement, how many it has, and how many
rows; and the line itself."""

_WAITS = frozenset({"flush", "await-flush", "pause"})
_SERVER = frozenset({"kill", "restart"})
_BAD_CODES = frozenset({"server", "timeout", "connection"})
_NOT_PLAIN = frozenset({list, dict, bool})
"""Not a value, or one that Python takes for another: True for 1."""


class _Ingest:
    def __init__(self, tables: Mapping[str, TableShape]) -> None:
        self.tables = tables
        self.scopes: dict[tuple[str, str | None], ScopeColumns] = {}
        self.pending: dict[int, _Pending] = {}
        self.busy: set[str] = set()
        self.remarkable: list[Event] = []
        self.operations = 0

    def read(self, reader: HistoryReader) -> None:
        """Take every line in. What is done for each of millions of lines is kept short."""
        last_t, last_i = 0, -1
        for line in reader.raw_lines():
            try:
                data = orjson.loads(line)
            except orjson.JSONDecodeError:
                if line.isspace():
                    continue
                if not line.endswith(b"\n"):
                    reader.truncated = True
                    return
                raise
            event, t, i = data["e"], data["t"], data["i"]
            if type(t) is not int or type(i) is not int or t < last_t or i <= last_i:
                raise NotColumnsError("times or numbers out of order")
            last_t, last_i = t, i
            if event == "ok":
                self.ok(t, data, line)
            elif event == "invoke":
                self.invoke(i, t, data, line)
            else:
                self.other(data, last_i)

    def invoke(self, i: int, t: int, data: dict[str, Any], line: bytes) -> None:
        p, user, op = data["p"], data["user"], data["op"]
        if type(p) is not str or type(user) is not str or p in self.busy:
            raise NotColumnsError("process")
        if "deadline" in data:
            event_from_json(data)
        self.busy.add(p)
        self.operations += 1
        scope: ScopeColumns | None = None
        first = statements = rows = 0
        if op == "insert":
            scope = self.scopes.get((data["table"], user)) or self.scope(data["table"], user)
            first, rows = len(scope.statement_i), len(data["rows"])
            statements = _insert(scope, i, t, data["rows"], data.get("statements"))
        elif op in ("select", "count"):
            if data.get("where") is not None:
                raise NotColumnsError("pages")
            scope = self.scopes.get((data["table"], user)) or self.scope(data["table"], user)
        elif op in _WAITS or op in _SERVER:
            invoked = event_from_json(data)
            if data.get("table", next(iter(self.tables), None)) not in self.tables:
                raise NotColumnsError("table")
            if op in _SERVER:
                self.remarkable.append(invoked)
        else:
            raise NotColumnsError(op)
        self.pending[i] = (op, p, t, scope, first, statements, rows, line)

    def scope(self, table: str, user: str) -> ScopeColumns:
        shape = self.tables[table]
        name = (table, user if shape.type == "user" else None)
        scope = self.scopes.get(name) or ScopeColumns(table, user, len(shape.columns), shape.key_index)
        self.scopes[name] = self.scopes[(table, user)] = scope
        return scope

    def ok(self, t: int, data: dict[str, Any], line: bytes) -> None:
        of = data["of"]
        if type(of) is not int:
            raise NotColumnsError("of")
        op, p, invoked, scope, first, statements, inserted, _ = self.pending.pop(of)
        self.busy.remove(p)
        start, end = invoked, t
        if "attempts" in data or "wire" in data:
            start, end = _wire(data, start, t)
        if op == "insert" and scope is not None:
            for statement in range(first, first + statements):
                scope.statement_end[statement] = end
                if start != invoked:
                    scope.statement_start[statement] = start
            affected = data.get("affected")
            if affected is not None and (type(affected) is not int or affected != inserted):
                raise NotColumnsError("affected")
        elif op == "count" and scope is not None:
            count = data["count"]
            if type(count) is not int or count < 0:
                raise NotColumnsError("count")
            scope.count_i.append(of)
            scope.count_start.append(start)
            scope.count_end.append(end)
            scope.count_rows.append(count)
        elif op == "select" and scope is not None:
            if data.get("complete", True) is not True:
                raise NotColumnsError("an incomplete scan")
            scope.scan_i.append(of)
            scope.scan_start.append(start)
            scope.scan_end.append(end)
            scope.scan_sight.append(len(scope.sights))
            _saw(scope, of, data["rows"], line)
        else:
            event_from_json(data)

    def other(self, data: dict[str, Any], last_i: int) -> None:
        event = event_from_json(data)
        if isinstance(event, (Fail, Info)):
            self.unanswered(event, data)
        elif isinstance(event, ServerEvent):
            self.remarkable.append(event)
        elif isinstance(event, NetFault):
            if event.of not in self.pending and event.of > last_i:
                raise NotColumnsError("net")
            self.remarkable.append(event)
        elif not isinstance(event, FlushRun) or event.table not in self.tables:
            raise NotColumnsError("event")

    def unanswered(self, event: Fail | Info, data: dict[str, Any]) -> None:
        op, p, invoked, scope, first, statements, _, line = self.pending.pop(event.of)
        self.busy.remove(p)
        start, _ = _wire(data, invoked, event.t)
        if scope is not None:
            if isinstance(event, Fail):
                _refused(scope, event, op, range(first, first + statements))
            elif op == "insert":
                for statement in range(first, first + statements):
                    scope.statement_start[statement] = start
        if event.error.code in _BAD_CODES:
            self.remarkable += [event_from_json(orjson.loads(line)), event]


def _insert(scope: ScopeColumns, i: int, t: int, rows: list[list[Scalar]], sizes: list[int] | None) -> int:
    """Number the statements and cells of an insert; how many statements it has."""
    cells, key_index, width = scope.cells, scope.key_index, scope.width
    number = first = len(scope.contents)
    if type(rows) is not list:
        raise NotColumnsError("rows")
    for row in rows:
        if (
            len(row) != width
            or cells.setdefault(row[key_index], number) != number
            or not _NOT_PLAIN.isdisjoint(map(type, row))
        ):
            raise NotColumnsError("a row that is not plain, or a key that is inserted twice")
        number += 1
    scope.contents += rows
    if sizes is None:
        scope.statement_i.append(i)
        scope.statement_start.append(t)
        scope.statement_end.append(FOREVER)
        scope.statement_cell.append(first)
        return 1
    if sum(sizes) != len(rows) or min(sizes) < 1:
        raise NotColumnsError("statements")
    for size in sizes:
        scope.statement_i.append(i)
        scope.statement_start.append(t)
        scope.statement_end.append(FOREVER)
        scope.statement_cell.append(first)
        first += size
    return len(sizes)


def _saw(scope: ScopeColumns, of: int, rows: list[list[Scalar]], line: bytes) -> None:
    """Take in what a scan shows, and set apart what no insert of its scope explains."""
    key_index, cells, contents = scope.key_index, scope.cells, scope.contents
    if type(rows) is not list:
        raise NotColumnsError("rows")
    if (b"true" in line or b"false" in line) and not all(map(_NOT_PLAIN.isdisjoint, _types(rows))):
        raise NotColumnsError("booleans")
    try:
        # Millions of rows pass here: no loop of Python's own.
        seen = list(map(cells.__getitem__, map(itemgetter(key_index), rows)))
        explained = list(map(contents.__getitem__, seen)) == rows
    except KeyError:
        explained = False
    if explained and len(set(seen)) == len(seen):
        scope.sights.extend(seen)
        return
    kept: set[int] = set()
    for row in rows:
        if len(row) != scope.width or not _NOT_PLAIN.isdisjoint(map(type, row)):
            raise NotColumnsError("a row that is not plain")
        cell = cells.get(row[key_index], -1)
        if cell == -1 or contents[cell] != row or cell in kept:
            if len(scope.suspects) < _SUSPECTS:
                scope.suspects.append((of, row))
            if cell != -1:
                scope.condemned.add(cell)
        else:
            kept.add(cell)
    scope.sights.extend(sorted(kept))


def _types(rows: list[list[Scalar]]) -> list[set[type]]:
    return [set(map(type, row)) for row in rows]


def _wire(data: dict[str, Any], invoked: int, t: int) -> tuple[int, int]:
    """The interval of an answered operation. A resent one may have taken effect twice: not for columns."""
    attempts = data.get("attempts", 1)
    if type(attempts) is not int or attempts != 1:
        raise NotColumnsError("attempts")
    wire = data.get("wire")
    if wire is None:
        return invoked, t
    first, last = wire
    end = t if last is None else last
    if type(first) is not int or type(end) is not int or not invoked <= first <= end <= t:
        raise NotColumnsError("wire")
    return first, end


def _refused(scope: ScopeColumns, event: Fail, op: str, statements: range) -> None:
    if event.error.code in ("duplicate-key", "not-found"):
        raise NotColumnsError("a refusal that claims something of the rows")
    if op == "insert":
        if len(statements) > 1:
            raise NotColumnsError("a refusal of one of several statements")
        for statement in statements:
            scope.statement_end[statement] = REFUSED

"""Read a history: whole, or event by event in bounded memory; plain or gzip.

A history is believed by its checks, so everything that could mislead them is an error with its line. The one
exception is a last line that was cut off, because a run that is killed leaves one.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self, TypeAlias

from kalam_props.errors import CorruptInputError
from kalam_props.history.codec import event_from_json, header_from_json, load
from kalam_props.history.events import (
    Completion,
    Event,
    Fail,
    FlushRun,
    Header,
    History,
    Info,
    Invoke,
    NetFault,
    Notify,
    Ok,
)
from kalam_props.history.operations import Count, Get, Insert, Operation, Select, Subscribe, Txn, Update

_Stream: TypeAlias = BinaryIO | gzip.GzipFile
_GZIP_MAGIC = b"\x1f\x8b"


class HistoryReader:
    """An open history: `header` first, then iterate over its events once.

    Attributes:
        header: the first line.
        truncated: known after the last event: whether the last line was cut off.

    """

    def __init__(self, stream: _Stream, source: str) -> None:
        self._stream = stream
        self._source = source
        self.truncated = False
        self._lines = enumerate(self._physical_lines(), 1)
        self.header = self._header()
        self._rules = _Rules(self.header)

    def __iter__(self) -> Iterator[Event]:
        for _, event in self.with_lines():
            yield event

    def with_lines(self) -> Iterator[tuple[bytes, Event]]:
        """The events, each with its line."""
        for number, line in self._lines:
            if line.isspace():
                continue
            try:
                event = event_from_json(load(line))
                self._rules.check(event)
            except ValueError as error:
                if not line.endswith(b"\n") and _is_cut(line):
                    self.truncated = True
                    return
                self._corrupt(number, str(error))
            yield line, event

    def raw_lines(self) -> Iterator[bytes]:
        """The lines after the header, for a reader that judges them itself."""
        return self._physical_lines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()

    def _header(self) -> Header:
        number, line = next((pair for pair in self._lines if not pair[1].isspace()), (None, None))
        if line is None:
            self._corrupt(None, "is empty; expected a history, with its header in the first line")
        try:
            return header_from_json(load(line))
        except ValueError as error:
            self._corrupt(number, str(error))

    def _physical_lines(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except EOFError:  # a gzip stream that was cut off: its lines so far count
            self.truncated = True
        except (gzip.BadGzipFile, zlib.error) as error:
            self._corrupt(None, f"is not readable gzip: {error}")
        except OSError as error:
            self._corrupt(None, f"cannot be read: {error.strerror or error}")

    def _corrupt(self, line: int | None, message: str) -> NoReturn:
        raise CorruptInputError(self._source, line, message) from None


def open_history(path: Path) -> HistoryReader:
    """Open a history file; gzip is recognised by its first bytes. Use it in a `with` statement.

    Raises:
        CorruptInputError: it cannot be opened, or has no header. Iterating raises it for a malformed line.

    """
    try:
        stream: _Stream = path.open("rb")
        magic = stream.read(2)
        stream.seek(0)
        if magic == _GZIP_MAGIC:
            stream.close()
            stream = gzip.GzipFile(path, "rb")  # closed by the reader that owns it
    except OSError as error:
        raise CorruptInputError(str(path), None, f"cannot be read: {error.strerror}") from None
    try:
        return HistoryReader(stream, str(path))
    except BaseException:
        stream.close()
        raise


def read_history(source: Path | str) -> History:
    """The history in a file, or in a text: a string that starts with `{` is the history itself.

    Raises:
        CorruptInputError: file, line and what was expected.

    """
    if isinstance(source, str) and source.lstrip().startswith("{"):
        text = source.encode("utf-8", "surrogatepass")
        reader = HistoryReader(io.BytesIO(text), "<text>")
    else:
        reader = open_history(Path(source))
    with reader:
        events = tuple(reader)
    return History(reader.header, events, reader.truncated)


def iter_events(path: Path) -> Iterator[Event]:
    """The events of a file, one at a time.

    Raises:
        CorruptInputError: file, line and what was expected.

    """
    with open_history(path) as reader:
        yield from reader


def _is_cut(line: bytes) -> bool:
    """Whether a line without a newline is the beginning of something rather than wrong: it is no JSON yet."""
    try:
        load(line)
    except ValueError:
        return True
    return False


class _Rules:
    """What the lines of a history owe each other. Remembers only open invocations and the numbers used."""

    def __init__(self, header: Header) -> None:
        self._tables = header.tables
        self._last_t = 0
        self._used: set[int] = set()
        self._open: dict[int, Invoke] = {}
        self._busy: dict[str, int] = {}
        self._subscriptions: dict[int, str] = {}

    def check(self, event: Event) -> None:
        if event.t < self._last_t:
            raise ValueError(f"time runs backwards: expected t of at least {self._last_t}, found {event.t}")
        self._last_t = event.t
        if isinstance(event, Invoke):
            self._invoked(event)
        elif isinstance(event, (Ok, Fail, Info)):
            self._completed(event)
        elif isinstance(event, FlushRun):
            self._known_table(event.table)
        elif isinstance(event, NetFault):
            self._known_invocation(event.of)
        elif isinstance(event, Notify):
            self._notified(event)

    def _invoked(self, event: Invoke) -> None:
        if event.i in self._used:
            raise ValueError(f"a second invocation with i {event.i}; expected each number once")
        if event.p in self._busy:
            raise ValueError(
                f"process {event.p} invokes while its invocation {self._busy[event.p]} is open; "
                "expected one operation at a time"
            )
        self._known_operation(event.op)
        self._used.add(event.i)
        self._open[event.i] = event
        self._busy[event.p] = event.i
        if isinstance(event.op, Subscribe):
            self._subscriptions[event.i] = event.op.table

    def _known_operation(self, op: Operation) -> None:
        if isinstance(op, Txn):
            for inner in op.ops:
                self._known_operation(inner)
            return
        table = getattr(op, "table", None)
        if table is None:
            return
        self._known_table(table)
        if isinstance(op, Insert):
            self._arity(table, op.rows)
            if op.statements is not None and (
                sum(op.statements) != len(op.rows) or any(n < 1 for n in op.statements)
            ):
                raise ValueError(f"statements {list(op.statements)} do not add up to {len(op.rows)} rows")
        named = set(op.set) if isinstance(op, Update) else {op.column} if hasattr(op, "column") else set()
        for column in sorted(named - set(self._tables[table].columns)):
            raise ValueError(f"unknown column {column!r} of table {table!r}")

    def _completed(self, event: Completion) -> None:
        invoke = self._open.get(event.of)
        if invoke is None:
            self._known_invocation(event.of)
            raise ValueError(f"a second answer to invocation {event.of}; expected one")
        if event.wire is not None:
            first, last = event.wire
            if first < invoke.t or first > event.t or (last is not None and last > event.t):
                raise ValueError(
                    f"wire {list(event.wire)} is outside of its operation [{invoke.t}, {event.t}]"
                )
        if isinstance(event, Ok):
            self._answered(invoke.op, event)
        del self._open[event.of]
        del self._busy[invoke.p]

    def _answered(self, op: Operation, event: Ok) -> None:
        if isinstance(op, (Select, Get)):
            if event.rows is None:
                raise ValueError(f'expected "rows" in the answer to {event.of}')
            self._arity(op.table, event.rows)
        elif isinstance(op, Count) and event.count is None:
            raise ValueError(f'expected "count" in the answer to {event.of}')

    def _notified(self, event: Notify) -> None:
        self._known_invocation(event.of)
        table = self._subscriptions.get(event.of)
        if table is None:
            raise ValueError(f"a notification to {event.of}, which is not a subscribe")
        for rows in (event.rows, event.old):
            self._arity(table, rows or ())

    def _known_table(self, table: str) -> None:
        if table not in self._tables:
            raise ValueError(f"unknown table {table!r}; the header has {', '.join(self._tables) or 'none'}")

    def _known_invocation(self, i: int) -> None:
        if i not in self._used:
            raise ValueError(f"no invocation {i} before it")

    def _arity(self, table: str, rows: Iterable[tuple[object, ...]]) -> None:
        width = len(self._tables[table].columns)
        for row in rows:
            if len(row) != width:
                raise ValueError(
                    f"a row of table {table!r} has {width} values "
                    f"({', '.join(self._tables[table].columns)}), found {len(row)}: {list(row)!r}"
                )

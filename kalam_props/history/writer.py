"""Write a history, event by event, while it happens.

A line reaches the operating system before the call returns, so a run that is killed keeps what it saw.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kalam_props.errors import StorageError
from kalam_props.history.codec import body, dump, header_to_json
from kalam_props.history.events import (
    Error,
    Event,
    Fail,
    FlushRun,
    Header,
    Info,
    Interval,
    Invoke,
    NetFault,
    Notify,
    Ok,
    Released,
    ServerEvent,
)
from kalam_props.history.operations import Operation, Row


class HistoryWriter:
    """An open history file. Safe to use from many threads: the order of lines is the order of times.

    `clock` gives nanoseconds that never run backwards; the header's moment is time 0. The first event that
    cannot be stored breaks the writer: what was written before stays readable, and every later call raises
    again, because a line after a torn one would spoil the file.
    """

    def __init__(self, path: Path, header: Header, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.path = path
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._last_i = 0
        self._last_t = 0
        self._open: dict[int, int] = {}
        self._broken: str | None = None
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"{path}: the history cannot be created: {error.strerror}") from None
        self._closed = False
        try:
            self._write(dump(header_to_json(header)) + b"\n")
        except BaseException:
            self.close()
            raise

    def now(self) -> int:
        """Nanoseconds since the history began: the clock of `t` and `wire`."""
        return self._clock() - self._start

    def at(self, moment: int) -> int:
        """The time in this history of a moment of its clock."""
        return moment - self._start

    def invoke(
        self,
        *,
        p: str,
        user: str,
        op: Operation,
        deadline: int | None = None,
        release: Released | None = None,
    ) -> int:
        """Record that process `p` invokes `op` as `user` now; the number by which its answer refers to it."""
        line = dump(body(Invoke(i=0, t=0, p=p, user=user, op=op, deadline=deadline, release=release)))
        with self._lock:
            i, t = self._append(line)
            self._open[i] = t
        return i

    def ok(
        self,
        of: int,
        *,
        affected: int | None = None,
        rows: Sequence[Row] | None = None,
        count: int | None = None,
        complete: bool = True,
        results: Sequence[dict[str, object]] | None = None,
        wire: Interval | None = None,
        attempts: int = 1,
    ) -> None:
        """Record the answer to invocation `of`."""
        self._complete(
            Ok(
                i=0,
                t=0,
                of=of,
                affected=affected,
                rows=None if rows is None else tuple(rows),
                count=count,
                complete=complete,
                results=None if results is None else tuple(results),
                wire=wire,
                attempts=attempts,
            )
        )

    def fail(self, of: int, error: Error, *, wire: Interval | None = None, attempts: int = 1) -> None:
        """Record a refusal of `of` that promises that nothing was done."""
        self._complete(Fail(i=0, t=0, of=of, error=error, wire=wire, attempts=attempts))

    def info(self, of: int, error: Error, *, wire: Interval | None = None, attempts: int = 1) -> None:
        """Record that the outcome of `of` is open."""
        self._complete(Info(i=0, t=0, of=of, error=error, wire=wire, attempts=attempts))

    def flush(
        self,
        *,
        table: str,
        job: str,
        began: Interval,
        ended: Interval,
        rows: int | None = None,
        status: str = "completed",
    ) -> None:
        """Record a flush that the server reported."""
        self._record(
            FlushRun(i=0, t=0, table=table, job=job, began=began, ended=ended, rows=rows, status=status)
        )

    def server(self, event: ServerEvent) -> None:
        """Record what became of the server; the event's own `i` and `t` are replaced."""
        self._record(event)

    def net(self, of: int, what: str) -> None:
        """Record what we did to the network for `of`."""
        self._record(NetFault(i=0, t=0, of=of, what=what))

    def notify(self, event: Notify) -> None:
        """Record a live notification; the event's own `i` and `t` are replaced."""
        self._record(event)

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _complete(self, event: Ok | Fail | Info) -> None:
        line = dump(body(event))
        with self._lock:
            invoked = self._open.get(event.of)
            if invoked is None:
                raise ValueError(f"no open invocation {event.of} to answer")
            if event.wire is not None:
                first, last = event.wire[0], event.wire[1]
                if first < invoked or (last is not None and not first <= last <= self.now()):
                    raise ValueError(f"wire {event.wire} is outside of invocation {event.of} at {invoked}")
            self._append(line)
            del self._open[event.of]

    def _record(self, event: Event) -> None:
        line = dump(body(event))
        with self._lock:
            self._append(line)

    def _append(self, line: bytes) -> tuple[int, int]:
        t = max(self._last_t, self.now())
        i = self._last_i + 1
        self._write(b'{"i":%d,"t":%d,%s\n' % (i, t, line[1:]))
        self._last_i, self._last_t = i, t
        return i, t

    def _write(self, line: bytes) -> None:
        if self._broken is not None:
            raise StorageError(self._broken)
        if self._closed:
            raise ValueError(f"{self.path}: the history is closed")
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            self._broken = (
                f"{self.path}: the history cannot be written: {error.strerror}; "
                f"its first {self._last_i} events are kept"
            )
            raise StorageError(self._broken) from None

"""What ran at the same time inside the server: the proof that it does not do one thing after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define


@define(eq=False)
class _Request:
    met_request: bool = False
    met_flush: bool = False


@define(eq=False)
class FlushProgress:
    """`rows`: filled in by the flush itself before it ends."""

    rows: int = 0


class Activity:
    """Counts requests and flushes, and which of them overlapped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_requests: set[_Request] = set()
        self._open_flushes = 0
        self._requests = 0
        self._met_request = 0
        self._met_flush = 0
        self._flushes = 0
        self._flushed_rows = 0
        self._most_open = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        mine = _Request()
        with self._lock:
            self._requests += 1
            if self._open_flushes:
                mine.met_flush = True
            for other in self._open_requests:
                other.met_request = mine.met_request = True
            self._open_requests.add(mine)
            self._most_open = max(self._most_open, len(self._open_requests))
        try:
            yield
        finally:
            with self._lock:
                self._open_requests.discard(mine)
                self._met_request += mine.met_request
                self._met_flush += mine.met_flush

    @contextmanager
    def flush(self) -> Iterator[FlushProgress]:
        progress = FlushProgress()
        with self._lock:
            self._open_flushes += 1
            for request in self._open_requests:
                request.met_flush = True
        try:
            yield progress
        finally:
            with self._lock:
                self._open_flushes -= 1
                self._flushes += 1
                self._flushed_rows += progress.rows

    def report(self) -> dict[str, int]:
        with self._lock:
            return {
                "requests": self._requests,
                "requests_overlapping_requests": self._met_request,
                "requests_overlapping_flushes": self._met_flush,
                "most_requests_at_once": self._most_open,
                "flushes": self._flushes,
                "rows_flushed": self._flushed_rows,
                "flushes_running": self._open_flushes,
            }

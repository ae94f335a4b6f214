"""The event loop of the gate's process: one selector, timers, and waits of microseconds.

Hand-written and not asyncio: a request through it costs less than half the time (two callbacks and two system
calls instead of two transports with their buffers), and held requests must leave one after the other from one
place, which an event loop that schedules tasks does not promise.
"""

from __future__ import annotations

import gc
import heapq
import select
import selectors
import socket
from collections.abc import Callable
from itertools import count
from time import monotonic_ns

SPIN_NS = 200_000
"""The kernel wakes a sleeper some 50 to 100 µs late; the last stretch before a release is spent awake."""

_IDLE_NS = 500_000_000
_GARBAGE_IDLE = 1_000
_GARBAGE_BUSY = 20_000


class Loop:
    """Owns the selector. `urgent` is served before any other socket that is ready at the same time."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._urgent: socket.socket | None = None
        self._running = True

    def watch(self, sock: socket.socket, mask: int, ready: Callable[[int], None]) -> None:
        self._selector.register(sock, mask, ready)

    def rewatch(self, sock: socket.socket, mask: int, ready: Callable[[int], None]) -> None:
        self._selector.modify(sock, mask, ready)

    def unwatch(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)

    def watch_first(self, sock: socket.socket, ready: Callable[[int], None]) -> None:
        """Serve `sock` before the others: what the tester said before a client sent must be known by then."""
        self._urgent = sock
        self.watch(sock, selectors.EVENT_READ, ready)

    def call_at(self, when_ns: int, call: Callable[[], None]) -> None:
        """Call it at that time or up to a millisecond later; releases have a precise way of their own."""
        heapq.heappush(self._timers, (when_ns, next(self._order), call))

    def stop(self) -> None:
        self._running = False

    def run(self, pump: Callable[[], int | None], alive: Callable[[], bool]) -> None:
        """Serve until `stop`, or until `alive` says no (asked when nothing happens).

        `pump` is called after each batch of events; it answers when it must be called next, in nanoseconds.
        """
        gc.collect()
        gc.freeze()
        # A collection in the middle of a release would tear it apart: it waits for a quiet moment.
        gc.disable()
        due = pump()
        while self._running:
            events = self._wait(due)
            urgent = self._urgent
            for key, mask in events:
                if key.fileobj is urgent:
                    key.data(mask)
            for key, mask in events:
                if key.fileobj is not urgent:
                    key.data(mask)
            self._run_timers()
            due = pump()
            if not events and due is None:
                if not alive():
                    return
                _collect_garbage(_GARBAGE_IDLE)
            elif due is None:
                _collect_garbage(_GARBAGE_BUSY)

    def _wait(self, due: int | None) -> list[tuple[selectors.SelectorKey, int]]:
        now = monotonic_ns()
        until = now + _IDLE_NS
        if self._timers:
            until = min(until, self._timers[0][0])
        if due is not None and due - SPIN_NS <= until:
            remaining = due - SPIN_NS - now
            if remaining > 0 and hasattr(self._selector, "fileno"):
                # epoll_wait counts in milliseconds; select, on the epoll descriptor, in microseconds.
                select.select([self._selector.fileno()], [], [], remaining / 1e9)
            return self._selector.select(0)
        return self._selector.select(max(0, until - now) / 1e9)

    def _run_timers(self) -> None:
        timers = self._timers
        if not timers:
            return
        now = monotonic_ns()
        while timers and timers[0][0] <= now:
            heapq.heappop(timers)[2]()


def _collect_garbage(threshold: int) -> None:
    """Do it if so many more objects were made than freed; connections leave cycles, requests do not."""
    if gc.get_count()[0] >= threshold:
        gc.collect()

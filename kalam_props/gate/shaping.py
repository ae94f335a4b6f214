"""Network faults that take time: what is held back, passed on in pieces, or never passed on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from kalam_props.gate.loop import Loop
from kalam_props.gate.stream import Stream

_MS = 1_000_000


class Shaper(Protocol):
    """Stands between an answer and the client. `name` is what is reported when it was at work."""

    name: str

    def feed(self, data: bytes) -> None: ...
    def end(self) -> None:
        """The server has closed its side."""
        ...

    @property
    def empty(self) -> bool:
        """Nothing is held back any more."""
        ...


class Delay:
    """Every piece of an answer, and its end, comes so much later."""

    name = "delay"

    def __init__(self, loop: Loop, client: Stream, finish: Callable[[], None], us: int) -> None:
        self._loop = loop
        self._client = client
        self._finish = finish
        self._ns = us * 1000
        self._waiting = 0

    def feed(self, data: bytes) -> None:
        self._later(lambda: self._client.send(data))

    def end(self) -> None:
        self._later(self._finish)

    @property
    def empty(self) -> bool:
        return self._waiting == 0

    def _later(self, call: Callable[[], None]) -> None:
        self._waiting += 1

        def now() -> None:
            self._waiting -= 1
            call()

        self._loop.call_at(monotonic_ns() + self._ns, now)


class Stall:
    """The answer never comes, and the connection stays open: the client has to give up."""

    name = "stall"
    empty = False

    def feed(self, data: bytes) -> None:
        """Take it and keep silent."""

    def end(self) -> None:
        """Keep silent about that too."""


class Trickle:
    """An answer in pieces of `size` bytes, a millisecond apart."""

    name = "trickle"

    def __init__(self, loop: Loop, client: Stream, finish: Callable[[], None], size: int) -> None:
        self._loop = loop
        self._client = client
        self._finish = finish
        self._size = size
        self._waiting = bytearray()
        self._ended = False
        self._ticking = False

    def feed(self, data: bytes) -> None:
        self._waiting += data
        if not self._ticking:
            self._tick()

    def end(self) -> None:
        self._ended = True
        if not self._ticking:
            self._finish()

    @property
    def empty(self) -> bool:
        return not self._waiting

    def _tick(self) -> None:
        self._ticking = False
        if self._client.closed:
            self._waiting.clear()
            return
        self._client.send(bytes(self._waiting[: self._size]))
        del self._waiting[: self._size]
        if self._waiting:
            self._ticking = True
            self._loop.call_at(monotonic_ns() + _MS, self._tick)
        elif self._ended:
            self._finish()


class Pace:
    """A request toward the server at `rate` bytes a second. `done` is called when its last byte is due."""

    def __init__(
        self, loop: Loop, upstream: Stream, request: bytes, rate: int, done: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._upstream = upstream
        self._waiting = request
        self._began = monotonic_ns()
        self._sent = 0
        self._rate = rate
        self._done = done
        self._tick()

    def _tick(self) -> None:
        if self._upstream.closed:
            return
        allowed = 1 + (monotonic_ns() - self._began) * self._rate // 1_000_000_000
        piece = self._waiting[: allowed - self._sent]
        self._waiting = self._waiting[len(piece) :]
        self._sent += len(piece)
        if not self._waiting:
            self._done(piece)
            return
        self._upstream.send(piece)
        next_byte = self._began + self._sent * 1_000_000_000 // self._rate
        self._loop.call_at(max(next_byte, monotonic_ns() + _MS), self._tick)

"""Faults between requests: what concurrent requests share, and should not."""

from __future__ import annotations

import threading
import time
from collections import deque

from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.refusals import Refusal
from kalam_props.reference.roles import Caller

_CROWD = 3


class RequestFaults:
    """State that all requests of a server share. Does nothing while its faults are off."""

    def __init__(self, faults: FaultPoints) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._current: Caller | None = None
        self._waiting: _Answer | None = None
        self._arrivals: deque[float] = deque(maxlen=_CROWD)

    def identity(self, caller: Caller) -> Caller:
        """Who is asking, by way of a variable that every request writes (`shared-identity`)."""
        if not self._faults.on("shared-identity"):
            return caller
        self._current = caller
        self._faults.hold_open("shared-identity")
        return self._current

    def answer(self, user: str, sql: str, content: bytes) -> bytes:
        """The answer of a SELECT, exchanged with that of another user to the same (`swapped-answers`)."""
        if not self._faults.on("swapped-answers"):
            return content
        mine = _Answer(user, sql, content, time.perf_counter())
        with self._lock:
            other = self._waiting
            if other is not None and other.user != user and other.sql == sql:
                self._waiting = None
                mine.content, other.content = other.content, mine.content
                self._faults.struck("swapped-answers", mine.began - other.began)
                return mine.content
            self._waiting = mine
        self._faults.hold_open("swapped-answers")
        with self._lock:
            if self._waiting is mine:
                self._waiting = None
            return mine.content

    def arrive(self, at: float) -> None:
        """Count a request that reads or writes rows (`error-under-load`).

        Raises:
            Refusal: 500, before anything was done.

        """
        if not self._faults.on("error-under-load"):
            return
        with self._lock:
            self._arrivals.append(at)
            crowded = len(self._arrivals) == _CROWD
            length = max(self._arrivals) - min(self._arrivals)  # threads may come here out of order
        if crowded and length < self._faults.seconds("error-under-load"):
            self._faults.struck("error-under-load", length)
            raise Refusal("Internal error: too many requests at once", status=500, code="INTERNAL_ERROR")


class _Answer:
    """An answer on its way out, whose it is, to what, and since when."""

    def __init__(self, user: str, sql: str, content: bytes, began: float) -> None:
        self.user = user
        self.sql = sql
        self.content = content
        self.began = began

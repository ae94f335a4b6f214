"""Where faults act: windows that are held open for a measured time, and rates.

A switch at the place of the bug asks `on`; a race then holds its window open with `hold_open`, which returns
after about the length asked for and records the length it really had. No lock that hides the race may be
held meanwhile.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable

from kalam_props.reference.faults import SwitchedFault

SPIN_S = 0.0003
"""The last part of a window is spun: a sleep among busy threads overshoots by milliseconds."""

KEPT_LENGTHS = 10_000


class FaultPoints:
    """The faults of one server, and what really came of them. Safe to use from any thread."""

    def __init__(self, switched: Iterable[SwitchedFault]) -> None:
        self._switched = {fault.name: fault for fault in switched}
        self._lock = threading.Lock()
        self._hits: dict[str, int] = defaultdict(int)
        self._lengths: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT_LENGTHS))
        self._random = random.SystemRandom()
        self._open: set[tuple[str, object]] = set()

    def on(self, name: str) -> bool:
        return name in self._switched

    def seconds(self, name: str, parameter: str = "window") -> float:
        return self._switched[name].seconds(parameter)

    def chance(self, name: str, parameter: str = "rate") -> bool:
        """Whether a fault with a rate strikes now; counted as a hit when it does. False when it is off."""
        fault = self._switched.get(name)
        if fault is None or self._random.random() >= fault.probability(parameter):
            return False
        self.hit(name)
        return True

    def hit(self, name: str) -> None:
        """The fault did its harm, or had its chance to, once more."""
        with self._lock:
            self._hits[name] += 1

    def struck(self, name: str, length: float) -> None:
        """As `hit`, for a window that was measured elsewhere: its length in seconds."""
        with self._lock:
            self._hits[name] += 1
            self._lengths[name].append(length)

    def hold_open(self, name: str, scope: object = None) -> None:
        """Wait as long as the window of a fault lasts; no time when it is off.

        `scope`: whose window it is, for `inside`.
        """
        fault = self._switched.get(name)
        if fault is None:
            return
        began = time.perf_counter()
        self._open.add((name, scope))
        _wait_until(began + fault.seconds("window"))
        self._open.discard((name, scope))
        self.struck(name, time.perf_counter() - began)

    def inside(self, name: str, scope: object) -> bool:
        """Whether a window of the fault is open for `scope`."""
        return (name, scope) in self._open

    def report(self) -> dict[str, dict[str, object]]:
        """For each switched fault its parameters, hits, and real window lengths in milliseconds."""
        with self._lock:
            return {
                name: {
                    "parameters": {key: fault.text(key) for key in fault.fault.parameters},
                    "hits": self._hits[name],
                    "window_ms": _summary(self._lengths[name]),
                }
                for name, fault in self._switched.items()
            }


def _wait_until(deadline: float) -> None:
    while (left := deadline - time.perf_counter()) > 0:
        # The rest is spun without giving the interpreter lock away: who waits for it gets it after the switch
        # interval, so a window of a tenth of that lets another thread in one time in ten. If it were given
        # away, every window would last for the turn of whoever takes it, however short it was asked to be.
        if left > SPIN_S:
            time.sleep(left - SPIN_S)


def _summary(lengths: Iterable[float]) -> dict[str, float] | None:
    in_ms = [length * 1e3 for length in lengths]
    if not in_ms:
        return None
    return {
        "min": round(min(in_ms), 3),
        "median": round(statistics.median(in_ms), 3),
        "max": round(max(in_ms), 3),
    }

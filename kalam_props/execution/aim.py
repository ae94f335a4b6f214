"""When a flush runs after its cause, and how long: learnt from histories, used to aim at the next one.

The server's clock has milliseconds, ours nanoseconds: one flush tells little, the median of many is good.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

from kalam_props.history.events import FlushRun, History, Ok

MEMORY = 200
"""Flushes that are remembered: a machine that gets busy must not be aimed at as if it were not."""

ENOUGH = 5
"""Flushes that must have been seen before they are believed."""


@frozen
class Window:
    """Microseconds from a cause until its flush begins, and how long the flush lasts."""

    begin_us: int
    length_us: int


@frozen
class Aim:
    """Where flushes are expected: after a flush command was sent, and after the write that made one due."""

    command: Window = Window(1_500, 6_000)
    policy: Window = Window(0, 60_000)


@define
class FlushTimes:
    """The flushes of past histories. `aim` is what they come to."""

    _command: deque[tuple[int, int]] = field(factory=lambda: deque(maxlen=MEMORY))

    def learn(self, history: History) -> None:
        """Remember the flushes of a history."""
        self._command.extend(_by_command(history))

    @property
    def aim(self) -> Aim:
        default = Aim()
        return Aim(command=_window(self._command) or default.command, policy=default.policy)


def _by_command(history: History) -> Iterator[tuple[int, int]]:
    """Beginning and length of each flush that a command caused, in nanoseconds.

    The answer to a command names its job: a flush that its row count made due soon after is another one.
    """
    sent = {
        str(event.results[0].get("job")): event.wire[0]
        for event in history.events
        if isinstance(event, Ok) and event.wire is not None and event.results
    }
    for flush in history.events:
        if isinstance(flush, FlushRun) and flush.job in sent and flush.status == "completed" and flush.rows:
            began, ended = _middle(flush.began), _middle(flush.ended)
            yield max(0, began - sent[flush.job]), ended - began


def _middle(interval: tuple[int, int | None]) -> int:
    first, last = interval
    return first if last is None else (first + last) // 2


def _window(seen: Iterable[tuple[int, int]]) -> Window | None:
    found = list(seen)
    if len(found) < ENOUGH:
        return None
    begin = statistics.median(begin for begin, _ in found)
    length = statistics.median(length for _, length in found)
    return Window(round(begin / 1000), max(1, round(length / 1000)))

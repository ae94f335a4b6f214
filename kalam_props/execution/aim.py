"""Where flushes are expected, and how soon a request takes effect: learnt from histories, to aim better.

The server's clock has milliseconds, ours nanoseconds: one flush tells little. What caused them was sent at
any moment of a millisecond, so the roundings of many cancel out: their median is good to some microseconds.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import define, field, frozen

from kalam_props.history.events import FlushRun, History, Invoke, Ok, ServerEvent
from kalam_props.history.operations import READS, WRITES, Operation

MEMORY = 60
"""Flushes that are remembered: a machine that gets busy must not be aimed at as if it were not."""

ENOUGH = 5
"""Flushes, or requests of a kind, that must have been seen before they are believed."""

_READ_SHARE, _WRITE_SHARE = 0.2, 0.9
"""How far into its time on the wire a request takes effect: a read looks soon after it came, a write is there
shortly before its answer. Measured inside the reference server."""

_LONGEST_GAP = 500
"""Periods without a flush after which it can't be told any more how many they were: 1 in 1,000 off its rate,
a server's timer is then half a period away from where it is expected."""

_CLEARLY_NS = 1_000_000
"""So much nearer must moments be to a period of their own: a few that are near each other say little of it,
and the one that the server was told is mostly true."""

LONGEST_PERIOD_NS = 2_000_000_000
"""A request is not held for longer, for the sake of a flush."""


@frozen
class Window:
    """Microseconds from a cause until its flush begins, and how long the flush lasts."""

    begin_us: int
    length_us: int


@frozen
class Leads:
    """Microseconds from sending a request until it takes effect.

    `kinds`: how long one takes in all, for those kinds of operations of which that is known; an increment
    takes twice as long as an insert.
    """

    read_us: int = 700
    write_us: int = 2_000
    kinds: Mapping[type[Operation], int] = field(factory=dict)

    def of(self, op: Operation) -> int:
        """That of an operation; 0 for what neither reads nor writes rows."""
        takes = self.kinds.get(type(op))
        if isinstance(op, READS):
            return self.read_us if takes is None else round(_READ_SHARE * takes)
        if isinstance(op, WRITES):
            return self.write_us if takes is None else round(_WRITE_SHARE * takes)
        return 0


@frozen
class Rhythm:
    """When the server looks for tables to flush: each `period_ns`, `phase_ns` being one such moment.

    The moment is one of the wall clock.
    """

    period_ns: int
    phase_ns: int


@frozen
class Aim:
    """Where flushes are expected: after a flush command was sent, and after the write that made one due.

    `rhythm`: where it is known, `policy` counts from the server's next look at the row counts instead.
    """

    command: Window = Window(1_500, 6_000)
    policy: Window = Window(0, 60_000)
    rhythm: Rhythm | None = None
    leads: Leads = Leads()


@define
class FlushTimes:
    """The flushes of past histories. `aim` is what they come to."""

    _command: deque[tuple[int, int]] = field(factory=lambda: deque(maxlen=MEMORY))
    _policy: deque[int] = field(factory=lambda: deque(maxlen=MEMORY))
    _policy_lengths: deque[int] = field(factory=lambda: deque(maxlen=MEMORY))
    _took: dict[type[Operation], deque[int]] = field(factory=dict)

    def learn(self, history: History) -> None:
        """Remember the flushes of a history, and how long its reads and writes took."""
        self._learn_requests(history)
        if any(isinstance(event, ServerEvent) for event in history.events):
            self._policy.clear()  # a server that was started again keeps another time
            return
        sent = _commands(history)
        epoch = _epoch_ns(history)
        for flush in _completed(history):
            began, ended = _middle(flush.began), _middle(flush.ended)
            if flush.job in sent:
                self._command.append((began - sent[flush.job], ended - sent[flush.job]))
            elif epoch is not None:
                self._policy.append(epoch + began)
                self._policy_lengths.append(ended - began)

    @property
    def enough(self) -> bool:
        """Whether so many flushes by command were seen that they are believed."""
        return len(self._command) >= ENOUGH

    def aim(self, interval_s: float | None) -> Aim:
        """Where the next flushes are expected.

        `interval_s`: how often the server looks for tables to flush; None: not known.
        """
        default = Aim()
        leads = Leads(
            self._lead(READS, _READ_SHARE) or default.leads.read_us,
            self._lead(WRITES, _WRITE_SHARE) or default.leads.write_us,
            {kind: _quick(took) for kind, took in self._took.items() if len(took) >= ENOUGH},
        )
        rhythm = None if interval_s is None else _rhythm(sorted(self._policy), interval_s)
        command = _window(self._command) or default.command
        policy = default.policy
        if rhythm is not None:
            policy = Window(0, max(1, round(_middle_half(self._policy_lengths) / 1000)))
        return Aim(command, policy, rhythm, leads)

    def _learn_requests(self, history: History) -> None:
        ops = {event.i: event.op for event in history.events if isinstance(event, Invoke)}
        for event in history.events:
            if isinstance(event, Ok) and event.wire is not None and event.wire[1] is not None:
                op = ops.get(event.of)
                if isinstance(op, (*READS, *WRITES)):
                    took = self._took.setdefault(type(op), deque(maxlen=MEMORY))
                    took.append(event.wire[1] - event.wire[0])

    def _lead(self, kinds: Sequence[type[Operation]], share: float) -> int | None:
        """That of operations of some kinds, all together; None: too few were seen."""
        times = [took for kind in kinds for took in self._took.get(kind, ())]
        return round(share * _quick(times)) if len(times) >= ENOUGH else None


def _commands(history: History) -> dict[str, int]:
    """When each flush command was sent, by the job that its answer names.

    A flush that its row count made due soon after is another job.
    """
    return {
        str(event.results[0].get("job")): event.wire[0]
        for event in history.events
        if isinstance(event, Ok) and event.wire is not None and event.results
    }


def _completed(history: History) -> Iterator[FlushRun]:
    """Flushes that moved rows."""
    for event in history.events:
        if isinstance(event, FlushRun) and event.status == "completed" and event.rows:
            yield event


def _epoch_ns(history: History) -> int | None:
    """Time 0 of a history on the wall clock."""
    started = history.header.started
    return None if started is None else round(datetime.fromisoformat(started).timestamp() * 1e6) * 1000


def _middle(interval: tuple[int, int | None]) -> int:
    first, last = interval
    return first if last is None else (first + last) // 2


def _window(seen: Collection[tuple[int, int]]) -> Window | None:
    """Beginning and end each for itself: a flush that began late need not have lasted as long as others."""
    if len(seen) < ENOUGH:
        return None
    begin = round(max(0, statistics.median(began for began, _ in seen)) / 1000)
    end = round(statistics.median(ended for _, ended in seen) / 1000)
    return Window(begin, max(1, end - begin))


def _middle_half(lengths: Collection[int]) -> float:
    """The mean without a quarter on each side.

    Not the median: looks at tables keep to one part of a millisecond, so that the roundings of what follows
    them do not cancel out, and half of the flushes may have the very same length.
    """
    ordered = sorted(lengths)
    cut = len(ordered) // 4
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def _quick(times: Collection[int]) -> int:
    """Of those of a quick one, in microseconds: what met a flush, or others, was slowed down by that."""
    return round(statistics.quantiles(times, n=10, method="inclusive")[0] / 1000)


def _rhythm(flushes: Sequence[int], interval_s: float) -> Rhythm | None:
    """The line through the moments at which flushes began, whole numbers of periods apart.

    None where there are too few, or where they do not lie on one.
    """
    nominal = interval_s * 1e9
    if not 0 < nominal <= LONGEST_PERIOD_NS:
        return None
    moments: list[int] = []
    places: list[int] = []
    for began in flushes:
        periods = round((began - moments[-1]) / nominal) if moments else 0
        if periods > _LONGEST_GAP:
            moments, places, periods = [], [], 0
        places.append(places[-1] + periods if places else 0)
        moments.append(began)
    if len(moments) < ENOUGH or places[-1] == 0:
        return None
    after_first = [moment - moments[0] for moment in moments]
    period, phase, astray = nominal, *_phase(after_first, places, nominal)
    fitted = statistics.linear_regression(places, after_first).slope
    fitted_phase, fitted_astray = _phase(after_first, places, fitted)
    if astray > _CLEARLY_NS + fitted_astray:
        period, phase, astray = fitted, fitted_phase, fitted_astray
    if astray > nominal / 16:
        return None
    return Rhythm(round(period), round(moments[0] + phase + places[-1] * period))


def _phase(moments: Sequence[int], places: Sequence[int], period: float) -> tuple[float, float]:
    """Where the moments begin if they have this period, and how far from there they are at the median."""
    residuals = [moment - place * period for moment, place in zip(moments, places, strict=True)]
    phase = statistics.median(residuals)
    return phase, statistics.median(abs(residual - phase) for residual in residuals)

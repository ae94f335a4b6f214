"""A history as bars on a time axis: a lane a process, a bar an operation, a band a flush."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from kalam_props.history.events import Fail, FlushRun, History, Info, Invoke, Ok
from kalam_props.history.operations import AwaitFlush
from kalam_props.report.lanes import answer_words
from kalam_props.report.programs import describe_operation


@frozen
class Bar:
    """One operation. `left`, `width`: per cent of the axis; `told`: all that is known of it."""

    left: float
    width: float
    text: str
    told: str
    proves: bool
    outcome: str


@frozen
class Lane:
    name: str
    bars: tuple[Bar, ...]


@frozen
class Band:
    left: float
    width: float
    told: str


@frozen
class Timeline:
    """What to draw. `ticks`: per cent and milliseconds."""

    lanes: tuple[Lane, ...]
    flushes: tuple[Band, ...]
    ticks: tuple[tuple[float, str], ...]


def timeline(history: History, witness: Collection[int]) -> Timeline:
    """The whole history, with the operations of `witness` marked."""
    answers = {e.of: e for e in history.events if isinstance(e, (Ok, Fail, Info))}
    invokes = [e for e in history.events if isinstance(e, Invoke) and not isinstance(e.op, AwaitFlush)]
    end = max((event.t for event in history.events), default=1) or 1
    start = min((invoke.t for invoke in invokes), default=0)
    span = max(1, end - start)

    def left(t: int) -> float:
        return round(100 * min(1.0, max(0.0, (t - start) / span)), 3)

    lanes: dict[str, list[Bar]] = {}
    for invoke in invokes:
        answer = answers.get(invoke.i)
        until = end if answer is None else answer.t
        text = describe_operation(invoke.op)
        came = "no answer" if answer is None else answer_words(answer)
        wire = None if answer is None or answer.wire is None else answer.wire
        on_wire = "" if wire is None else f"; on the wire {_ms(wire[0])} to {_ms(wire[1])}"
        told = f"#{invoke.i} {text} → {came}, {_ms(invoke.t)} to {_ms(until)}{on_wire}"
        bar = Bar(
            left(invoke.t),
            max(0.3, left(until) - left(invoke.t)),
            f"#{invoke.i} {text}",
            told,
            invoke.i in witness,
            "open" if answer is None else type(answer).__name__.lower(),
        )
        lanes.setdefault(invoke.p, []).append(bar)
    flushes = [e for e in history.events if isinstance(e, FlushRun)]
    bands = [
        Band(
            left(e.began[0]),
            max(0.2, left(e.ended[1] or e.ended[0]) - left(e.began[0])),
            f"flush {e.job} of {e.table}: {e.status}, {e.rows} rows, "
            f"{_ms(e.began[0])} to {_ms(e.ended[1] or e.ended[0])}",
        )
        for e in flushes
    ]
    ticks = [(10.0 * at, f"{(start + span * at / 10) / 1e6:.1f}") for at in range(11)]
    return Timeline(
        tuple(Lane(name, tuple(bars)) for name, bars in sorted(lanes.items())), tuple(bands), tuple(ticks)
    )


def _ms(ns: int | None) -> str:
    return "?" if ns is None else f"{ns / 1e6:.3f} ms"

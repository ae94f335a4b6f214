"""When a flush runs after its command, learnt from histories."""

from __future__ import annotations

from kalam_props.execution.aim import ENOUGH, Aim, FlushTimes, Window
from kalam_props.history.events import FlushRun, Header, History, Invoke, Ok, Product, TableShape
from kalam_props.history.operations import Flush

HEADER = Header(
    Product("s", "1"), Product("c", "1"), "http", True, "0" * 16, {"t": TableShape("user", ("id",), "id")}
)
MS = 1_000_000


def flushed(*, after_ms, for_ms, sent_ms=10, job="FL-1", status="completed", rows=3):
    began = (sent_ms + after_ms) * MS
    return History(
        HEADER,
        (
            Invoke(1, 0, "u0/1", "u0", Flush("t")),
            Ok(2, 20 * MS, 1, results=({"job": "FL-1"},), wire=(sent_ms * MS, 12 * MS)),
            FlushRun(
                3,
                90 * MS,
                "t",
                job,
                (began, began + 999_999),
                (began + for_ms * MS, began + for_ms * MS + 999_999),
                rows=rows,
                status=status,
            ),
        ),
    )


def learnt(*histories):
    times = FlushTimes()
    for history in histories:
        times.learn(history)
    return times.aim.command


def test_the_median_of_many_flushes_is_aimed_at():
    """A millisecond of the server's clock stands for its middle. One slow flush counts for one."""
    seen = [flushed(after_ms=4, for_ms=6)] * ENOUGH + [flushed(after_ms=400, for_ms=50)]
    assert learnt(*seen) == Window(4500, 6000)


def test_few_flushes_are_not_believed():
    """Until there are enough, the aim is the one to begin with."""
    assert learnt(*[flushed(after_ms=4, for_ms=6)] * (ENOUGH - 1)) == Aim().command


def test_what_was_no_flush_of_the_command_teaches_nothing():
    """One that failed, that moved nothing, or that was due by row count and is another job."""
    others = [
        flushed(after_ms=4, for_ms=6, status="failed"),
        flushed(after_ms=4, for_ms=6, rows=0),
        flushed(after_ms=4, for_ms=6, job="FL-2"),
    ]
    assert learnt(*others * ENOUGH) == Aim().command

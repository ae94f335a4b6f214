"""When a flush runs after its command, learnt from histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attrs import evolve

from kalam_props.execution.aim import ENOUGH, Aim, FlushTimes, Leads, Window
from kalam_props.history.events import (
    FlushRun,
    Header,
    History,
    Invoke,
    Ok,
    Product,
    ServerEvent,
    TableShape,
)
from kalam_props.history.operations import Flush, Increment, Insert, Select

HEADER = Header(
    Product("s", "1"), Product("c", "1"), "http", True, "0" * 16, {"t": TableShape("user", ("id",), "id")}
)
MS = 1_000_000


def flushed(*, after_ms, for_ms, sent_ms=10, job="FL-1", status="completed", rows=3, started=None):
    began = (sent_ms + after_ms) * MS
    return History(
        evolve(HEADER, started=started),
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
    return times.aim(None).command


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


def test_beginning_and_end_are_learnt_each_for_itself():
    """A flush that began late and was short ends when the others do: it does not move the end."""
    seen = [flushed(after_ms=4, for_ms=6)] * 2 + [flushed(after_ms=8, for_ms=2)] * 3
    assert learnt(*seen) == Window(8500, 2000)


def test_parts_of_a_millisecond_are_learnt_from_many_flushes():
    """Flushes that begin 4.2 ms after commands sent at any moment of a millisecond: roundings cancel out."""
    seen = []
    for at in range(50):
        sent = 10 * MS + at * MS // 50
        began = (sent + 4_200_000) // MS * MS
        flush = FlushRun(3, 90 * MS, "t", "FL-1", (began, began + 999_999), (began + 6 * MS,) * 2, rows=3)
        ok = Ok(2, 20 * MS, 1, results=({"job": "FL-1"},), wire=(sent, 19 * MS))
        seen.append(History(HEADER, (Invoke(1, 0, "u0/1", "u0", Flush("t")), ok, flush)))
    assert abs(learnt(*seen).begin_us - 4_200) <= 20


def test_how_soon_requests_take_effect_is_learnt_from_their_time_on_the_wire():
    """A read looks early, a write is there shortly before its answer; each kind as long as it takes."""
    times = FlushTimes()
    ops = (Select("t"), Insert("t", ((1,),)))
    for _ in range(ENOUGH):
        invoked = [Invoke(i, 0, f"u0/{i}", "u0", op) for i, op in enumerate(ops, 1)]
        answers = [Ok(i + 2, 30 * MS, i, wire=(10 * MS, 12 * MS + i * MS)) for i in (1, 2)]
        times.learn(History(HEADER, (*invoked, *answers)))
    leads = times.aim(None).leads
    assert leads == Leads(600, 3600, {Select: 3000, Insert: 4000})
    increment = Increment("t", 1, "n")
    slow = (Invoke(1, 0, "u0/1", "u0", increment), Ok(2, 30 * MS, 1, wire=(10 * MS, 20 * MS)))
    for _ in range(ENOUGH):
        times.learn(History(HEADER, slow))
    leads = times.aim(None).leads
    assert [leads.of(increment), leads.of(ops[1])] == [9000, 3600]
    assert [leads.of(ops[0]), leads.of(Flush("t"))] == [600, 0]
    assert FlushTimes().aim(None).leads == Leads()


BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def due_by_row_count(at_ms, *, for_ms=6):
    """A flush of no command, so many milliseconds after `BEGAN`; its history began 7 ms before."""
    started = (BEGAN + timedelta(milliseconds=at_ms - 7)).isoformat(timespec="microseconds")
    return flushed(after_ms=4, for_ms=for_ms, sent_ms=3, job="FL-2", started=started)


def rhythm_of(*histories, interval_s=0.05):
    times = FlushTimes()
    for history in histories:
        times.learn(history)
    return times.aim(interval_s).rhythm


def test_the_looks_of_the_server_at_its_tables_are_learnt_from_the_flushes_that_follow():
    """Period and phase, over histories that each have their own time; some looks find nothing to flush."""
    times = FlushTimes()
    for look in (0, 1, 4, 9, 30, 31, 77):
        times.learn(due_by_row_count(look * 50 + 3))
    rhythm = times.aim(0.05).rhythm
    assert rhythm is not None
    assert abs(rhythm.period_ns - 50 * MS) < 1000
    first = round(BEGAN.timestamp()) * 10**9 + 3 * MS + MS // 2
    assert abs((rhythm.phase_ns - first + 25 * MS) % (50 * MS) - 25 * MS) < 2000
    assert times.aim(0.05).policy == Window(0, 6000)


def test_the_length_of_a_flush_by_row_count_is_a_mean_of_the_middle_half():
    """Of 3, 3, 3, 4, 4, 4, 5 and 80 ms what counts is 3, 4, 4, 4."""
    times = FlushTimes()
    for look, length in enumerate((3, 80, 4, 3, 5, 4, 3, 4)):
        times.learn(due_by_row_count(look * 50, for_ms=length))
    assert times.aim(0.05).policy == Window(0, 3750)


def test_a_period_is_learnt_that_is_not_quite_what_was_asked_for():
    """A server whose looks come every 50.4 ms."""
    rhythm = rhythm_of(*[due_by_row_count(look * 50.4) for look in range(0, 120, 7)])
    assert abs(rhythm.period_ns - 50.4 * MS) < 0.02 * MS


def test_flushes_without_a_rhythm_are_not_believed():
    """At any moment; too few; of a server that was started again; of one whose interval is not known."""
    astray = [due_by_row_count(at) for at in (0, 69, 130, 162, 277, 311, 388)]
    assert rhythm_of(*astray) is None
    good = [due_by_row_count(look * 50) for look in range(ENOUGH)]
    assert rhythm_of(*good) is not None
    assert rhythm_of(*good[1:]) is None
    again = History(HEADER, (ServerEvent(1, 0, "started"),))
    assert rhythm_of(*good, again) is None
    assert rhythm_of(*good, interval_s=None) is None
    assert Aim().rhythm is None


def test_flushes_long_before_say_nothing_of_the_rhythm_now():
    """After a pause nobody knows how many looks there were: what counts is what came since."""
    before = [due_by_row_count(look * 50 + 20) for look in range(9)]
    since = [due_by_row_count(60_000 + look * 50) for look in range(ENOUGH)]
    assert rhythm_of(*before, *since).phase_ns == rhythm_of(*since).phase_ns


def test_a_rhythm_too_slow_to_wait_for_is_not_aimed_at():
    """A server that looks once a minute: nobody holds a request for so long."""
    assert rhythm_of(*[due_by_row_count(look * 60_000) for look in range(9)], interval_s=60.0) is None

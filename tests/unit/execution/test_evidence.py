"""What a history shows to have been exercised."""

from __future__ import annotations

import pytest
from attrs import evolve

from kalam_props.execution.evidence import Evidence, evidence, met_its_flush
from kalam_props.history.events import Error as HistoryError
from kalam_props.history.events import (
    Fail,
    FlushRun,
    Header,
    History,
    Info,
    Invoke,
    Ok,
    Product,
    Released,
    TableShape,
)
from kalam_props.history.operations import AwaitFlush, Count, Flush, Insert, Select

TABLES = {"t": TableShape("user", ("id",), "id")}
HEADER = Header(Product("reference", "1"), Product("client", "1"), "process", False, "0" * 16, TABLES)
INSERT = Insert("t", ((1,),))
NEVER_BY_COUNT: dict[str, int | None] = {"t": None}


def history(*events):
    return History(HEADER, events)


def test_operations_that_touch_overlap():
    """Intervals are closed: one that ends when the other begins is concurrent with it."""
    shown = evidence(
        history(
            Invoke(1, 0, "u0/1", "u0", INSERT),
            Ok(2, 10, 1, affected=1),
            Invoke(3, 10, "u0/2", "u0", Select("t")),
            Ok(4, 20, 3, rows=()),
            Invoke(5, 21, "u0/1", "u0", Count("t")),
            Ok(6, 30, 5, count=1),
        ),
        NEVER_BY_COUNT,
    )
    assert (shown.operations, shown.overlapping_pairs) == (3, 1)


def test_a_flush_counts_when_it_completed_and_meets_when_intervals_do():
    """Reads after it are cold reads; an operation that ended before it began does not meet it."""
    shown = evidence(
        history(
            Invoke(1, 0, "u0/1", "u0", INSERT),
            Ok(2, 10, 1, affected=1),
            Invoke(3, 15, "u0/1", "u0", Count("t")),
            Ok(4, 25, 3, count=1),
            Invoke(5, 60, "u0/1", "u0", Select("t")),
            Ok(6, 70, 5, rows=((1,),)),
            FlushRun(7, 80, "t", "FL-1", (20, 22), (30, 40), rows=1),
            FlushRun(8, 80, "t", "FL-2", (0, 1), (2, 3), rows=1, status="failed"),
        ),
        {"t": 1},
    )
    assert (shown.flushes, shown.rows_flushed, shown.ops_overlapping_flush, shown.cold_reads) == (1, 1, 1, 1)
    assert (shown.asked_for_flush, shown.flushed) == (1, 1)


def asked(*ops, flush_rows=None, fail=()):
    """Whether operations of a row each asked for a flush; `fail`: indices of those refused."""
    taken = HistoryError("duplicate-key", "taken")
    events = []
    for at, op in enumerate(ops):
        invoked = 2 * at + 1
        answer = (
            Fail(invoked + 1, invoked, invoked, taken) if at in fail else Ok(invoked + 1, invoked, invoked)
        )
        events += [Invoke(invoked, invoked - 1, "u0/1", "u0", op), answer]
    return bool(evidence(history(*events), {"t": flush_rows}).asked_for_flush)


def test_rows_that_reach_the_boundary_ask_for_a_flush():
    assert asked(INSERT, INSERT, flush_rows=2)
    assert not asked(INSERT, flush_rows=2)


def test_rows_that_were_refused_ask_for_none():
    """A run whose batches are refused has not failed to see the flush that nobody asked for."""
    assert not asked(INSERT, INSERT, flush_rows=2, fail=(1,))


def test_a_command_asks_for_a_flush_of_what_is_there():
    """One of nothing asks for none; what is written after it may still."""
    assert asked(INSERT, Flush("t"))
    assert not asked(Flush("t"), INSERT)
    assert asked(Flush("t"), INSERT, flush_rows=1)


@pytest.mark.parametrize(
    ("anchor", "began", "met"),
    [("check", 25, True), ("flush", 25, True), ("flush", 26, False), ("round", 26, True)],
)
def test_what_was_aimed_at_a_flush_met_it_when_their_intervals_touch(anchor, began, met):
    """Where nothing was aimed at a flush there is none to miss."""
    shown = history(
        Invoke(1, 0, "u0/1", "u0", INSERT),
        Ok(2, 10, 1, affected=1),
        Invoke(3, 15, "u0/1", "u0", Count("t"), release=Released(anchor, 5)),
        Ok(4, 99, 3, count=1, wire=(20, 25)),
        FlushRun(5, 100, "t", "FL-1", (began, began), (40, 40), rows=1),
    )
    assert met_its_flush(shown) is met


def test_waiting_is_not_an_operation():
    """`await-flush` overlaps nothing and counts as nothing."""
    shown = evidence(history(Invoke(1, 0, "u0/1", "u0", AwaitFlush("t")), Ok(2, 10, 1)), NEVER_BY_COUNT)
    assert shown.operations == 0
    assert shown.vacuous == "no operation was run"


def test_no_answer_and_no_certain_answer_are_indeterminate():
    """An `info` and an invocation without an answer at the end of the file."""
    shown = evidence(
        history(
            Invoke(1, 0, "u0/1", "u0", INSERT),
            Info(2, 10, 1, HistoryError("timeout", "no answer")),
            Invoke(3, 11, "u0/1#2", "u0", INSERT),
        ),
        NEVER_BY_COUNT,
    )
    assert shown.indeterminate == 2


def test_a_gate_that_saw_nothing_was_no_gate():
    """Wire times are counted; without any, the run was not what its header says."""
    gated = history(
        Invoke(1, 0, "u0/1", "u0", INSERT),
        Ok(2, 10, 1, affected=1, wire=(2, 8)),
        Invoke(3, 0, "u0/2", "u0", Count("t")),
        Ok(4, 11, 3, count=0),
    )
    shown = evidence(evolve(gated, header=evolve(HEADER, gate=True)), NEVER_BY_COUNT)
    assert (shown.behind_gate, shown.wire_times, shown.vacuous) == (2, 1, None)
    assert "recognised no request" in str(evolve(shown, wire_times=0).vacuous)


def test_intervals_on_the_wire_decide_what_overlaps():
    """Two clients ran at once, but the second request left after the first was answered."""
    shown = evidence(
        history(
            Invoke(1, 0, "u0/1", "u0", INSERT),
            Invoke(2, 1, "u0/2", "u0", Count("t")),
            Ok(3, 20, 1, affected=1, wire=(5, 8)),
            Ok(4, 21, 2, count=1, wire=(9, 12)),
        ),
        NEVER_BY_COUNT,
    )
    assert shown.overlapping_pairs == 0


def test_a_run_without_overlap_or_flush_is_vacuous():
    """Success that exercised nothing says so, and why."""
    assert Evidence(operations=5).vacuous == "no two operations overlapped"
    asked = Evidence(operations=5, overlapping_pairs=3, asked_for_flush=2)
    assert asked.vacuous == "programs asked for flushes and none completed"
    assert (asked + Evidence(operations=1, flushes=1)).vacuous is None

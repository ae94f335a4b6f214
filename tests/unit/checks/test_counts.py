"""Counts: against the writes, against scans and pages, and around flushes."""

from __future__ import annotations

import pytest
from recorded import MS, told

from kalam_props.checks.judge import judge, names
from kalam_props.history.events import FlushRun

OPEN = "u0/1 0-1 insert 1=a 2=b -> ok 2\nu0/1 2-3 insert 3=c -> info\n"
"""Two rows that are there, and one of which nobody knows."""


def _names(text: str, *events) -> tuple[str, ...]:
    return names(judge(told(text, *events)))


@pytest.mark.parametrize(
    ("count", "expected"), [(1, ("wrong-count",)), (2, ()), (3, ()), (4, ("wrong-count",))]
)
def test_a_count_lies_between_the_rows_that_must_and_that_may_be_there(count, expected):
    """An insert of unknown outcome makes it one more, or not."""
    assert _names(OPEN + f"u0/2 4-5 count -> {count}") == expected


@pytest.mark.parametrize(
    ("scan", "count", "expected"),
    [
        ("1=a 2=b 3=c", 3, ()),
        ("1=a 2=b 3=c", 2, ("wrong-count",)),
        ("1=a 2=b", 2, ()),
        ("1=a 2=b", 3, ()),  # it may have come in between
    ],
)
def test_what_a_scan_proved_tightens_the_counts_after_it(scan, count, expected):
    """What was there then must be counted; what was not yet may have come."""
    assert _names(OPEN + f"u0/2 4-5 select -> {scan}\nu0/2 6-7 count -> {count}") == expected


@pytest.mark.parametrize(("count", "expected"), [(3, ()), (2, ()), (4, ("wrong-count",))])
def test_what_a_later_scan_proves_tightens_the_counts_before_it(count, expected):
    """Three rows at most. A later scan without the open row says that it was not there yet."""
    assert _names(OPEN + f"u0/2 4-5 count -> {count}\nu0/2 6-7 select -> 1=a 2=b 3=c") == expected
    lacking = _names(OPEN + f"u0/2 4-5 count -> {count}\nu0/2 6-7 select -> 1=a 2=b")
    assert lacking == (() if count == 2 else ("wrong-count",))


@pytest.mark.parametrize(("count", "expected"), [(2, ()), (1, ("wrong-count",)), (3, ("wrong-count",))])
def test_in_quiescence_a_count_is_the_number_of_rows_of_the_scan_beside_it(count, expected):
    """No operation is open and none of unknown outcome."""
    text = f"u0/1 0-1 insert 1=a 2=b -> ok 2\nu0/1 2-3 select -> 1=a 2=b\nu0/1 4-5 count -> {count}"
    assert _names(text) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("1=a 2=b", ()),
        ("1=a", ("lost-row",)),
        ("1=a 2=~", ("corrupt-row",)),
        ("1=a 2=b 2=b", ("duplicate-row",)),
    ],
)
def test_the_answers_just_before_and_just_after_a_flush_are_the_same(after, expected):
    """A flush changes where rows live, never what they are."""
    flush = FlushRun(1, 8 * MS, "t", "j1", (4 * MS, 5 * MS), (6 * MS, 7 * MS), rows=2)
    text = (
        "u0/1 0-1 insert 1=a 2=b -> ok 2\nu0/1 2-3 select -> 1=a 2=b\nu0/1 4-5 flush -> ok\n"
        f"u0/1 9-10 select -> {after}"
    )
    assert _names(text, flush) == expected


@pytest.mark.parametrize(("before", "after", "expected"), [(2, 2, ()), (3, 3, ()), (3, 2, ("wrong-count",))])
def test_a_count_does_not_go_down_over_a_flush(before, after, expected):
    """Also where an insert of unknown outcome leaves either number open."""
    flush = FlushRun(1, 8 * MS, "t", "j1", (5 * MS, 5 * MS), (6 * MS, 7 * MS), rows=2)
    text = OPEN + f"u0/2 4-5 count -> {before}\nu0/2 9-10 count -> {after}"
    assert _names(text, flush) == expected


@pytest.mark.parametrize(
    ("second", "count", "expected"),
    [
        ("3=c", 3, ()),
        ("none", 2, ()),
        ("3=c", 2, ("wrong-count",)),
        ("none", 3, ()),  # it may have come in between
    ],
)
def test_pages_add_up_to_the_whole(second, count, expected):
    """A partition of a table by key holds what the table holds."""
    text = (
        OPEN + "u0/2 4-5 select after ~ limit 2 -> 1=a 2=b\n"
        f"u0/2 6-7 select after 2 limit 2 -> {second}\nu0/2 8-9 count -> {count}"
    )
    assert _names(text) == expected


@pytest.mark.parametrize(("second", "expected"), [("3=c", ()), ("none", ("lost-row",))])
def test_a_page_lacks_nothing_that_a_scan_showed(second, expected):
    """Of the rows that lie within it."""
    text = OPEN + f"u0/2 4-5 select -> 1=a 2=b 3=c\nu0/2 6-7 select after 2 limit 2 -> {second}"
    assert _names(text) == expected

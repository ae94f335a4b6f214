"""No anomaly without its pair: a history that must be called by that name, and one just inside of the line.

The two differ in as little as possible: an instant, an answer, or one row.
"""

from __future__ import annotations

import pytest
from recorded import MS, told

from kalam_props.checks.judge import judge, names
from kalam_props.checks.profiles import MOST_TELLING_FIRST
from kalam_props.history.events import Event, NetFault, Notify, ServerEvent

ANOMALIES = {
    "foreign-row",
    "lost-row",
    "stale-read",
    "flickering-row",
    "phantom-row",
    "duplicate-row",
    "resurrected-row",
    "corrupt-row",
    "torn-batch",
    "wrong-count",
    "lost-update",
    "stale-value",
    "failed-but-visible",
    "wrongly-refused",
    "wrongly-accepted",
    "wrong-affected",
    "not-atomic-scan",
    "lost-after-crash",
    "missed-notification",
    "duplicate-notification",
    "foreign-notification",
    "reordered-notification",
    "server-error",
    "server-died",
    "hung",
}
"""The names that reports, seeds and scripts rely on."""

INSERT = "u0/1 0-1 insert 1=a -> ok 1\n"
CRASH = (ServerEvent(1, 4 * MS, "killed"), ServerEvent(2, 5 * MS, "healthy"))
SUBSCRIBED = """u0/1 0-1 subscribe -> ok
u0/2 2-3 insert 1=a -> ok 1
u1/1 2-3 insert 1=b -> ok 1
u0/2 4-5 update 1=c -> ok 1
u0/2 6-7 update 1=d -> ok 1
"""


def _note(t: int, change: str, text: str) -> Notify:
    return Notify(t, t * MS, 1, change, rows=((1, text, 0),))


TOLD = (_note(10, "insert", "a"), _note(11, "update", "c"), _note(12, "update", "d"))

# name: (the history that must fail, the one that must hold); each with the events beside its operations
PAIRS: dict[str, tuple[tuple[str, tuple[Event, ...]], tuple[str, tuple[Event, ...]]]] = {
    "foreign-row": (
        ("u1/1 0-1 insert 1=b -> ok 1\nu0/1 2-3 select -> 1=b", ()),
        ("u1/1 0-1 insert@s 1=b -> ok 1\nu0/1 2-3 select@s -> 1=b", ()),
    ),
    "lost-row": (
        (INSERT + "u0/2 2-3 select -> none\nu0/2 4-5 select -> none", ()),
        (INSERT + "u0/2 1-3 select -> none\nu0/2 4-5 select -> 1=a", ()),
    ),
    "stale-read": (
        (INSERT + "u0/2 2-3 select -> none\nu0/2 4-5 select -> 1=a", ()),
        ("u0/1 0-2 insert 1=a -> ok 1\nu0/2 2-3 select -> none\nu0/2 4-5 select -> 1=a", ()),
    ),
    "flickering-row": (
        (INSERT + "u0/2 2-3 get 1 -> 1=a\nu0/2 4-5 get 1 -> none\nu0/2 6-7 get 1 -> 1=a", ()),
        (
            INSERT + "u0/2 2-3 get 1 -> 1=a\nu0/3 4-6 delete 1 -> ok 1\nu0/2 4-5 get 1 -> none\n"
            "u0/3 7-9 insert 1=a -> ok 1\nu0/2 8-9 get 1 -> 1=a",
            (),
        ),
    ),
    "phantom-row": (
        ("u0/2 0-1 select -> 1=a\nu0/1 2-3 insert 1=a -> ok 1", ()),
        ("u0/2 0-2 select -> 1=a\nu0/1 2-3 insert 1=a -> ok 1", ()),
    ),
    "duplicate-row": (
        (INSERT + "u0/1 2-5 update 1=b -> ok 1\nu0/2 2-5 select -> 1=a 1=b", ()),
        (INSERT + "u0/1 2-5 update 1=b -> ok 1\nu0/2 2-5 select -> 1=b", ()),
    ),
    "resurrected-row": (
        (INSERT + "u0/1 2-3 delete 1 -> ok 1\nu0/2 4-5 select -> 1=a", ()),
        (INSERT + "u0/1 2-4 delete 1 -> ok 1\nu0/2 4-5 select -> 1=a", ()),
    ),
    "corrupt-row": (
        (INSERT + "u0/2 2-3 get 1 -> 1=~", ()),
        ("u0/1 0-1 insert 1=~ -> ok 1\nu0/2 2-3 get 1 -> 1=~", ()),
    ),
    "torn-batch": (
        ("u0/1 0-9 insert 1=a 2=b -> ok 2\nu0/2 2-3 select -> 1=a", ()),
        ("u0/1 0-9 insert 1=a | 2=b -> ok 2\nu0/2 2-3 select -> 1=a", ()),
    ),
    "wrong-count": (
        (INSERT + "u0/1 2-3 count -> 2", ()),
        (INSERT + "u0/2 0-9 insert 2=b -> info\nu0/1 2-3 count -> 2", ()),
    ),
    "lost-update": (
        (INSERT + "u0/1 2-3 update 1=b -> ok 1\nu0/1 4-5 get 1 -> 1=a", ()),
        (INSERT + "u0/1 2-3 update 1=b -> info\nu0/2 4-5 get 1 -> 1=a", ()),
    ),
    "stale-value": (
        (INSERT + "u0/1 2-3 update 1=b -> ok 1\nu0/2 4-5 get 1 -> 1=a\nu0/2 6-7 get 1 -> 1=b", ()),
        (INSERT + "u0/1 2-4 update 1=b -> ok 1\nu0/2 4-5 get 1 -> 1=a\nu0/2 6-7 get 1 -> 1=b", ()),
    ),
    "failed-but-visible": (
        ("u0/1 0-1 insert 1=a -> fail conflict\nu0/1 2-3 select -> 1=a", ()),
        ("u0/1 0-1 insert 1=a -> info server\nu0/1 2-3 select -> 1=a", (NetFault(1, MS, 1, "cut"),)),
    ),
    "wrongly-refused": (
        (INSERT + "u0/1 2-3 delete 1 -> ok 1\nu0/2 4-5 insert 1=b -> fail duplicate-key", ()),
        (INSERT + "u0/1 2-4 delete 1 -> ok 1\nu0/2 4-5 insert 1=b -> fail duplicate-key", ()),
    ),
    "wrongly-accepted": (
        (INSERT + "u0/1 2-3 insert 1=b -> ok 1\nu0/1 4-5 delete 1 -> ok", ()),
        (INSERT + "u0/1 2-4 insert 1=b -> ok 1\nu0/2 4-5 delete 1 -> ok", ()),
    ),
    "wrong-affected": (
        (INSERT + "u0/1 2-5 delete 1 -> ok 1\nu0/2 2-5 delete 1 -> ok 1", ()),
        (INSERT + "u0/1 2-5 delete 1 -> ok 1\nu0/2 2-5 delete 1 -> ok 0", ()),
    ),
    "not-atomic-scan": (
        (INSERT + "u0/1 2-3 insert 2=b -> ok 1\nu0/2 0-9 select -> 2=b", ()),
        ("u0/1 0-2 insert 1=a -> ok 1\nu0/3 2-3 insert 2=b -> ok 1\nu0/2 0-9 select -> 2=b", ()),
    ),
    "lost-after-crash": (
        (INSERT + "u0/1 2-3 get 1 -> 1=a\nu0/1 6-7 select -> none", CRASH),
        ("u0/1 0-9 insert 1=a -> info connection\nu0/2 6-7 select -> none", CRASH),
    ),
    "missed-notification": (
        (SUBSCRIBED, (TOLD[0], TOLD[2])),
        (SUBSCRIBED.replace("4-5 update 1=c -> ok 1", "4-5 update 1=c -> info"), (TOLD[0], TOLD[2])),
    ),
    "duplicate-notification": (
        (SUBSCRIBED, (TOLD[0], _note(10, "insert", "a"), *TOLD[1:])),
        (
            SUBSCRIBED + "u0/2 8-9 delete 1 -> ok 1\nu0/2 13-14 insert 1=a -> ok 1",
            (*TOLD, Notify(13, 13 * MS, 1, "delete", old=((1, "d", 0),)), _note(15, "insert", "a")),
        ),
    ),
    "foreign-notification": ((SUBSCRIBED, (*TOLD, _note(13, "insert", "b"))), (SUBSCRIBED, TOLD)),
    "reordered-notification": (
        (SUBSCRIBED, (TOLD[0], _note(11, "update", "d"), _note(12, "update", "c"))),
        (
            SUBSCRIBED.replace("u0/2 6-7", "u0/3 4-7"),
            (TOLD[0], _note(11, "update", "d"), _note(12, "update", "c")),
        ),
    ),
    "server-error": (
        ("u0/1 0-1 select -> info server", ()),
        ("u0/1 0-1 select -> info server", (NetFault(1, MS, 1, "cut"),)),
    ),
    "server-died": (
        (INSERT + "u0/1 2-3 select -> 1=a", (ServerEvent(1, 4 * MS, "died"),)),
        (INSERT + "u0/1 2-3 select -> 1=a", (ServerEvent(1, 4 * MS, "killed"),)),
    ),
    "hung": (
        ("u0/1 0-5000 select -> info timeout", ()),
        ("u0/1 0-4999 select -> info timeout", ()),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_history_over_the_line_is_called_by_that_name_alone(name):
    """Told apart from all the others."""
    text, events = PAIRS[name][0]
    verdict = judge(told(text, *events))
    assert names(verdict) == (name,), verdict


@pytest.mark.parametrize("name", PAIRS)
def test_the_history_beside_it_holds(name):
    """A correct server may have answered that."""
    text, events = PAIRS[name][1]
    verdict = judge(told(text, *events))
    assert verdict.verdict == "holds", verdict


def test_every_anomaly_has_its_pair():
    """A name that nothing shows is a promise that nothing keeps."""
    assert set(MOST_TELLING_FIRST) == ANOMALIES
    assert set(PAIRS) == ANOMALIES

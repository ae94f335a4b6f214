"""Names of one defect: shrinking may climb from one that tells less to one that tells more, no further."""

from __future__ import annotations

import itertools

import pytest

from kalam_props.checks.judge import judge
from kalam_props.checks.profiles import MOST_TELLING_FIRST
from kalam_props.checks.verdict import Anomaly
from kalam_props.history.reader import read_history
from kalam_props.hunt.families import LADDERS, Sighting, majority, most_telling, shows, sight

HEADER = (
    '{"format":"kalam-props-history","version":1,'
    '"tables":{"t":{"type":"user","columns":["id","v"],"key":"id"}}}'
)
INSERTED = (
    '{"i":1,"t":10,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[1,"a"]]}',
    '{"i":2,"t":20,"e":"ok","of":1,"affected":1}',
)


def named(label):
    name, _, side = label.partition(" ")
    return Sighting(Anomaly(name, (), ""), side or None)


def seen_in(*events):
    """The sightings of a history of one user, judged."""
    history = read_history("\n".join([HEADER, *INSERTED, *events]) + "\n")
    return [sight(anomaly, history) for anomaly in judge(history).anomalies]


def asked(i, op, **fields):
    more = "".join(f',"{name}":{value}' for name, value in fields.items())
    return f'{{"i":{i},"t":{i * 10},"e":"invoke","p":"u0/1","user":"u0","op":"{op}","table":"t"{more}}}'


def answered(i, of, answer):
    return f'{{"i":{i},"t":{i * 10},"e":"ok","of":{of},{answer}}}'


LABELS = [label for ladder in LADDERS.values() for step in ladder for label in step]


def test_every_name_on_a_ladder_is_an_anomaly():
    """A misspelt name would never be climbed to."""
    assert {label.split(" ")[0] for label in LABELS} <= set(MOST_TELLING_FIRST)
    assert len(LABELS) == len(set(LABELS))


@pytest.mark.parametrize(
    ("discovered", "shown"),
    [
        ("wrong-affected low", "lost-row"),
        ("wrong-count low", "stale-read"),
        ("stale-read", "lost-row"),
        ("wrong-count high", "duplicate-row"),
        ("wrongly-refused high", "resurrected-row"),
        ("resurrected-row", "foreign-row"),
        ("lost-row", "foreign-row"),
        ("wrong-count low", "foreign-row"),
    ],
)
def test_a_name_that_tells_more_counts_and_not_the_other_way_round(discovered, shown):
    """Climbing only: else shrinking could go in a circle."""
    assert shows(named(shown), named(discovered))
    assert not shows(named(discovered), named(shown))


@pytest.mark.parametrize(
    ("discovered", "shown"),
    [
        ("wrong-count high", "lost-row"),
        ("wrong-affected high", "lost-row"),
        ("wrong-count", "lost-row"),
        ("resurrected-row", "duplicate-row"),
        ("corrupt-row", "lost-row"),
        ("foreign-row", "lost-row"),
        ("foreign-row", "phantom-row"),
        ("foreign-row", "stale-read"),
        ("corrupt-row", "foreign-row"),
        ("flickering-row", "stale-value"),
    ],
)
def test_another_family_or_the_same_step_never_counts(discovered, shown):
    """A different bug: following it would be slippage."""
    assert not shows(named(shown), named(discovered))


def test_climbing_never_comes_back():
    """No two names count as each other, but for the two of a row that a read misses."""
    for a, b in itertools.permutations(map(named, LABELS), 2):
        assert (shows(a, b) and shows(b, a)) == ({a.name, b.name} == {"stale-read", "flickering-row"})
        assert a.family == b.family or a.name == "foreign-row" or not shows(a, b)


def test_a_delete_of_a_row_that_is_gone_is_a_loss():
    """It answers 0 for a row that must be there."""
    (seen,) = seen_in(asked(3, "delete", key=1), answered(4, 3, '"affected":0'))
    assert (seen.label, seen.family) == ("wrong-affected low", "loss")


def test_two_deletes_of_one_row_are_a_surplus():
    """The second answers 1 for a row that cannot be there."""
    (seen,) = seen_in(
        asked(3, "delete", key=1),
        answered(4, 3, '"affected":1'),
        asked(5, "delete", key=1),
        answered(6, 5, '"affected":1'),
    )
    assert (seen.label, seen.family) == ("wrong-affected high", "surplus")


@pytest.mark.parametrize(("count", "side"), [(0, "low"), (2, "high")])
def test_a_count_is_too_low_or_too_high(count, side):
    """One row is there and nobody else writes."""
    (seen,) = seen_in(asked(3, "count"), answered(4, 3, f'"count":{count}'))
    assert (seen.name, seen.side) == ("wrong-count", side)


def test_a_refusal_as_taken_is_a_surplus():
    """The row was deleted before; its key is free."""
    (seen,) = seen_in(
        asked(3, "delete", key=1),
        answered(4, 3, '"affected":1'),
        asked(5, "insert", rows='[[1,"b"]]'),
        '{"i":6,"t":60,"e":"fail","of":5,"error":{"code":"duplicate-key","message":""}}',
    )
    assert seen.label == "wrongly-refused high"


def test_the_most_telling_of_a_run_is_the_highest():
    """A run that shows a row gone for good, and a count that lacks it, is about the row."""
    seen = [named("wrong-count low"), named("lost-row"), named("duplicate-row")]
    assert most_telling(seen, named("wrong-count low")).name == "lost-row"
    assert most_telling(seen, named("lost-row")).name == "lost-row"
    assert most_telling(seen, named("corrupt-row")) is None


def test_a_row_of_another_user_tells_more_than_a_loss():
    """Somebody reads what belongs to another, and not one's own: what mixes them up is the defect."""
    seen = [named("lost-row"), named("foreign-row"), named("stale-read")]
    assert most_telling(seen, named("stale-read")).name == "foreign-row"
    assert most_telling(seen[::2], named("stale-read")).name == "lost-row"


def test_luck_does_not_rename():
    """A name is taken when half of the failed runs go by it, not when one did."""
    wanted = named("stale-read")
    rarely = [[named("lost-row")], [wanted], [wanted]]
    mostly = [[named("lost-row")], [named("lost-row")], [wanted]]
    assert majority(rarely, wanted).name == "stale-read"
    assert majority(mostly, wanted).name == "lost-row"

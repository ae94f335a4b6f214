"""What subscribers are told, drawn at random: a correct store is never accused, a wrong notification always.

The correct store is the one of `simulation`: each statement takes effect at an instant; what it changed is
told in that order, however late.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import Done, history
from simulation import changes

from kalam_props.checks.judge import judge, names
from kalam_props.history.events import Notify
from kalam_props.history.operations import (
    Count,
    Delete,
    Increment,
    Insert,
    Select,
    Subscribe,
    Unsubscribe,
    Update,
)

SECOND = 1_000_000_000
KINDS = ("insert", "insert", "batch", "statements", "update", "update", "increment", "delete")


def notify(of: int, t: int, change: str, new, old) -> Notify:
    if change == "delete":
        return Notify(0, t, of, change, old=(old,))
    return Notify(0, t, of, change, rows=(new,), old=None if old is None else (old,))


def told_by_a_correct_store(seed: int):
    """Operations of two users with a subscription of each, and what a correct store tells them."""
    random = Random(seed)
    done, log = changes(random, operations=14, processes=4, keys=3, users=2, lost_answers=0.1, only=KINDS)
    last = max([d.end or d.start for d in done] + [entry[0] for entry in log], default=0)
    events = []
    for user in ("u0", "u1"):
        start = random.randint(0, 10)
        instant = start + random.randint(0, 6)
        live = instant + random.randint(0, 3)
        mine = [entry for entry in log if entry[1] in (user, None)]
        rows: dict = {}
        for _, _, _, new, old in (entry for entry in mine if entry[0] <= instant and entry[1] == user):
            if new is None:
                rows.pop(old[0])
            else:
                rows[new[0]] = new
        done.append(Done(f"{user}/9", Subscribe("t"), start, live))
        of = len(done)
        if rows:
            events.append(Notify(0, random.randint(instant, live), of, "initial", tuple(rows.values())))
        ends = random.choice([None, last // 2, last + 20])
        if ends is not None:
            ends = max(ends, live + 1)
            done.append(Done(f"{user}/9", Unsubscribe("t"), ends, ends + 1))
        t = live
        for at, whose, change, new, old in mine:
            if at > instant and whose == user:
                t = max(t, at) + random.randint(0, 3) * random.randint(0, 9)
                if ends is None or t <= ends:
                    events.append(notify(of, t, change, new, old))
    if random.random() < 0.5:  # so much later that nothing is on its way any more
        done.append(Done("u0/8", Count("s"), last + 9 * SECOND, last + 9 * SECOND, outcome="info"))
    return history(done, tuple(events))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_a_correct_store_is_never_accused(seed):
    """Operations that overlap, lost answers, refusals, subscriptions in the middle, late notifications."""
    recorded = told_by_a_correct_store(seed)
    verdict = judge(recorded)
    assert not [name for name in names(verdict) if "notification" in name], verdict.anomalies


@st.composite
def in_turn(draw):
    """Writes of u0 one after another, each told at once, and of u1 with the same keys; none is ambiguous."""
    done = [Done("u0/9", Subscribe("t"), 0, 1)]
    told = []
    rows: dict = {}
    t = 10
    for n in range(draw(st.integers(3, 9))):
        key = draw(st.integers(1, 3))
        new, old = (key, f"v{n}", 0), rows.get(key)
        if old is None:
            change, op, rows[key] = "insert", Insert("t", (new,)), new
        elif draw(st.booleans()):
            change, op, rows[key] = "update", Update("t", key, {"v": f"v{n}"}), new
        elif any(isinstance(d.op, Delete) and d.op.key == key for d in done):
            continue  # a second delete of a key is told in the same words
        else:
            change, op, new = "delete", Delete("t", key), None
            del rows[key]
        done.append(Done("u0/1", op, t, t + 3, affected=1))
        told.append((t + draw(st.integers(1, 5)), change, new, old))
        t += 10
    for key in (1, 2, 3):
        done.append(Done("u1/1", Insert("t", ((key, f"theirs{key}", 0),)), t, t + 1, affected=1))
        t += 10
    return done, told


def judged(done, told):
    of = next(place for place, one in enumerate(done, 1) if isinstance(one.op, Subscribe))
    events = tuple(notify(of, *one) for one in told)
    return names(judge(history(list(done), events)))


@given(in_turn())
def test_writes_in_turn_told_in_turn_hold(case):
    """The base that the wrong ones below are made of."""
    assert judged(*case) == ()


@given(in_turn(), st.data())
def test_a_write_that_is_left_out_is_missed(case, data):
    """Unless nothing is told after it: then it may be on its way."""
    done, told = case
    at = data.draw(st.integers(0, len(told) - 2))
    assert judged(done, told[:at] + told[at + 1 :]) == ("missed-notification",)


@given(in_turn())
def test_the_last_write_may_be_on_its_way(case):
    """Just inside of the line: nothing overtook it."""
    done, told = case
    assert judged(done, told[:-1]) == ()


@given(in_turn(), st.data())
def test_a_write_that_is_told_twice_is_a_duplicate(case, data):
    """At once or later, and never called out of order for it."""
    done, told = case
    at = data.draw(st.integers(0, len(told) - 1))
    later = data.draw(st.integers(at, len(told) - 1))
    again = (max(told[at][0], told[later][0]), *told[at][1:])
    assert judged(done, sorted([*told, again], key=lambda one: one[0])) == ("duplicate-notification",)


@given(in_turn(), st.data())
def test_two_writes_told_the_other_way_round_are_reordered(case, data):
    """Of one row or of two: order is promised for a user and table."""
    done, told = case
    at = data.draw(st.integers(0, len(told) - 2))
    after = told[at + 1][0] + 1
    swapped = [*told[:at], told[at + 1], (after, *told[at][1:]), *told[at + 2 :]]
    assert judged(done, swapped) == ("reordered-notification",)


@given(in_turn())
def test_a_write_told_before_it_was_invoked_is_reordered(case):
    """By one nanosecond."""
    done, told = case
    first = done[1]
    early = (first.start - 1, *told[0][1:])
    assert judged(done, [early, *told[1:]]) == ("reordered-notification",)


@given(in_turn(), st.integers(1, 3))
def test_what_another_user_did_is_foreign(case, key):
    """Told to who has the same keys."""
    done, told = case
    end = max(d.end for d in done) + 1
    assert judged(done, [*told, (end, "insert", (key, f"theirs{key}", 0), None)]) == ("foreign-notification",)


@given(in_turn())
def test_what_nobody_did_is_foreign(case):
    """A row that was never written."""
    done, told = case
    end = max(d.end for d in done) + 1
    assert judged(done, [*told, (end, "insert", (1, "nobody", 0), None)]) == ("foreign-notification",)


@pytest.mark.parametrize("change", ["initial", "insert"])
def test_a_row_that_comes_with_the_first_ones_was_told(change):
    """Also when it was written after the acknowledgement: the first rows may be read late."""
    done = [
        Done("u0/9", Subscribe("t"), 0, 1),
        Done("u0/1", Insert("t", ((1, "a", 0),)), 2, 3, affected=1),
        Done("u0/1", Insert("t", ((2, "b", 0),)), 5, 6, affected=1),
    ]
    assert judged(done, [(4, change, (1, "a", 0), None), (7, "insert", (2, "b", 0), None)]) == ()


def test_the_first_rows_of_another_user_are_foreign():
    """They are rows of the subscriber, like those of a scan."""
    done = [
        Done("u1/1", Insert("t", ((1, "theirs", 0),)), 0, 1, affected=1),
        Done("u0/9", Subscribe("t"), 2, 4),
    ]
    assert judged(done, [(3, "initial", (1, "theirs", 0), None)]) == ("foreign-notification",)


def test_the_first_rows_may_not_show_what_was_refused():
    """A refusal promises that nothing was done."""
    done = [
        Done("u0/1", Insert("t", ((1, "a", 0),)), 0, 1, outcome="fail", code="conflict"),
        Done("u0/9", Subscribe("t"), 2, 4),
    ]
    assert judged(done, [(3, "initial", (1, "a", 0), None)]) == ("failed-but-visible",)


@pytest.mark.parametrize(
    ("row", "expected"),
    [((1, "refused", 0), "failed-but-visible"), ((1, "theirs", 0), "foreign-notification")],
)
def test_a_refused_write_explains_only_what_it_would_have_written(row, expected):
    """Of the same key another user has a row as well."""
    done = [
        Done("u0/9", Subscribe("t"), 0, 1),
        Done("u0/1", Insert("t", ((1, "refused", 0),)), 2, 3, outcome="fail", code="conflict"),
        Done("u1/1", Insert("t", ((1, "theirs", 0),)), 2, 3, affected=1),
    ]
    assert judged(done, [(4, "insert", row, None)]) == (expected,)


@pytest.mark.parametrize(
    ("row", "expected"),
    [((1, "refused", 0), "failed-but-visible"), ((1, "a", 0), "foreign-notification")],
)
def test_a_refused_update_explains_only_what_it_would_have_set(row, expected):
    """That nothing was changed is told of nothing that was refused."""
    done = [
        Done("u0/9", Subscribe("t"), 0, 1),
        Done("u0/1", Insert("t", ((1, "a", 0),)), 2, 3, affected=1),
        Done("u0/1", Update("t", 1, {"v": "refused"}), 4, 5, outcome="fail", code="conflict"),
    ]
    told = [(3, "insert", (1, "a", 0), None), (6, "update", row, (1, "a", 0))]
    assert judged(done, told) == (expected,)


def test_an_increment_between_is_told_like_any_update():
    """Content after it: what updates and increments of the row can have made."""
    done = [
        Done("u0/9", Subscribe("t"), 0, 1),
        Done("u0/1", Insert("t", ((1, "a", 0),)), 2, 3, affected=1),
        Done("u0/1", Increment("t", 1, "n"), 5, 6, affected=1),
        Done("u0/1", Select("t"), 8, 9, rows=((1, "a", 1),)),
    ]
    told = [(3, "insert", (1, "a", 0), None), (6, "update", (1, "a", 1), (1, "a", 0))]
    assert judged(done, told) == ()
    assert judged(done, [told[1], (7, *told[0][1:])]) == ("reordered-notification",)

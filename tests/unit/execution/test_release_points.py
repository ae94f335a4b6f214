"""What symbolic release points come to."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from kalam_props.execution.aim import Aim, Leads, Rhythm, Window
from kalam_props.execution.releases import Hot, Placed, resolve
from kalam_props.gate.plan import GateSession, Planned, check
from kalam_props.history.events import Released
from kalam_props.history.operations import Flush, Increment, Insert, Select
from kalam_props.programs.model import Release, Step

AIM = Aim(Window(400, 2000), Window(1000, 50_000), leads=Leads(0, 0))
AT_HALF = Release("flush", fraction=0.5)
IN_WRITE = Release("write", fraction=0.8)


def select(release=None):
    return Step(Select("t"), release)


def insert(rows=1, release=None):
    return Step(Insert("t", tuple((key,) for key in range(rows))), release)


def flush(release=None):
    return Step(Flush("t"), release)


def placed(*lanes, hot=None, aim=AIM):
    return resolve(lanes, aim, hot or {"t": Hot(0, None)})


def test_without_release_points_lanes_begin_together_and_follow_their_answers():
    """The first of each lane at the round's release, each next one after the answer before."""
    assert placed([select(), select()], [select()]) == (Placed((), 0), Placed((0,), 0), Placed((), 0))


def test_an_offset_from_the_round_or_from_the_answer_before():
    """`previous` of a lane's first request is the round's release: there is no answer before."""
    found = placed(
        [select(Release("previous", 50)), select(Release("previous", 70)), select(Release("round", 900))]
    )
    assert found == (
        Placed((), 50, Released("round", 50)),
        Placed((0,), 70, Released("previous", 70)),
        Placed((), 900, Released("round", 900)),
    )


def test_a_flush_command_is_aimed_at_from_the_moment_it_is_sent():
    """Its own offset, then until the flush begins, then the fraction of its length."""
    found = placed([flush(Release("round", 100))], [select(AT_HALF)])
    assert found[1] == Placed((), 100 + 400 + 1000, Released("flush", 1500))


def test_a_flush_command_that_waits_for_an_answer_is_waited_for_in_the_same_way():
    """Both go after the insert before it."""
    found = placed([insert(), flush()], [select(AT_HALF)])
    assert found[2] == Placed((0,), 1400, Released("flush", 1400))


def test_a_flush_by_row_count_is_aimed_at_from_the_answer_of_the_insert_that_reaches_the_boundary():
    """Two rows are hot and the policy asks for four: the insert of two makes it due."""
    found = placed([insert(2)], [select(AT_HALF)], hot={"t": Hot(2, 4)})
    assert found[1] == Placed((0,), 26_000, Released("flush", 26_000))


def test_what_is_aimed_is_the_moment_at_which_a_request_takes_effect():
    """A read is sent 300 us sooner and a write 800; the flush command, and a flush of it, no sooner."""
    aim = evolve(AIM, leads=Leads(300, 800))
    found = placed([flush()], [select(AT_HALF)], [insert(1, AT_HALF)], aim=aim)
    assert [place.us for place in found] == [0, 1400 - 300, 1400 - 800]


def test_a_flush_command_waits_for_what_must_be_sent_before_it():
    """A write that is to be there when the flush begins leaves 600 us before the command."""
    aim = evolve(AIM, leads=Leads(300, 1000))
    begin = Release("flush", fraction=0.0)
    found = placed([flush(Release("round", 50))], [insert(1, begin)], [select(begin)], aim=aim)
    assert found == (
        Placed((), 600, Released("round", 600)),
        Placed((), 0, Released("flush", 0)),
        Placed((), 700, Released("flush", 700)),
    )


def test_with_a_known_rhythm_a_flush_by_row_count_is_aimed_at_from_the_next_look_at_the_tables():
    """The write that makes it due leaves shortly before the look, so that no flush comes sooner."""
    aim = Aim(policy=Window(0, 4000), rhythm=Rhythm(50_000_000, 0), leads=Leads(300, 1000))
    found = placed([insert(2)], [select(AT_HALF)], hot={"t": Hot(2, 4)}, aim=aim)
    assert found == (Placed((), 0, check_us=-4000), Placed((0,), 0, Released("check", 1700), check_us=1700))
    assert placed([insert(2)], [select()], hot={"t": Hot(2, 4)}, aim=aim)[0] == Placed((), 0)


@pytest.mark.parametrize(
    "lanes",
    [
        ([select(AT_HALF)], [insert(2)]),  # no flush is due
        ([select(AT_HALF), flush()],),  # its own lane has yet to cause it
        ([flush(AT_HALF)], [select()]),  # the cause itself
    ],
)
def test_without_a_flush_to_aim_at_it_is_the_rounds_release(lanes):
    """It leaves with the others."""
    place = next(at for at, step in enumerate(s for lane in lanes for s in lane) if step.release == AT_HALF)
    found = placed(*lanes, hot={"t": Hot(0, 5)})[place]
    assert (found.after, found.us) == ((), 0)


def test_what_is_aimed_at_a_write_is_sent_at_that_fraction_of_it():
    """A write takes 1000 us to take effect, an increment, as was learnt, 900: at 0.8 it is 800, or 720."""
    aim = evolve(AIM, leads=Leads(300, 1000, {Increment: 1000}))
    found = placed([insert(1, Release("round", 50))], [select(IN_WRITE)], [insert(1, IN_WRITE)], aim=aim)
    assert found[1] == found[2] == Placed((), 850, Released("write", 850))
    found = placed([Step(Increment("t", 1, "n"))], [select(IN_WRITE)], aim=aim)
    assert found[1] == Placed((), 720, Released("write", 720))


def test_what_is_aimed_at_an_answer_follows_it():
    """The write is over by then, also where another one is aimed at it."""
    found = placed(
        [insert()], [insert(release=Release("answer", 50))], [select(IN_WRITE), select(Release("answer"))]
    )
    assert found[1] == Placed((0,), 50, Released("answer", 50))
    assert found[3] == Placed((0,), 0, Released("answer", 0))


def test_what_causes_a_flush_that_others_are_aimed_at_stays_where_they_expect_it():
    """A command that would wait for an answer would run after what is aimed at its flush."""
    found = placed([insert()], [flush(Release("answer"))], [select(AT_HALF)])
    assert found[1] == Placed((), 0, Released("round", 0))
    assert found[2] == Placed((), 400 + 1000, Released("flush", 1400))


def test_two_lanes_do_not_wait_for_each_other():
    """Each has a write after what is aimed at an answer: only the first of them waits."""
    at_answer = select(Release("answer"))
    found = placed([at_answer, insert()], [at_answer, insert()])
    assert found == (
        Placed((3,), 0, Released("answer", 0)),
        Placed((0,), 0),
        Placed((), 0, Released("round", 0)),
        Placed((2,), 0),
    )


def test_a_write_that_waits_for_an_answer_or_a_flush_is_waited_for_in_the_same_way():
    """What looks into the second statement of a lane follows the first; into a write in a flush, that."""
    aim = evolve(AIM, leads=Leads(0, 1000))
    found = placed([flush(), insert(1)], [select(IN_WRITE)], aim=aim)
    assert found[2] == Placed((0,), 800, Released("write", 800))
    found = placed([flush()], [insert(1, AT_HALF)], [select(IN_WRITE)], aim=aim)
    assert (found[1].us, found[2].us) == (400, 1200)


@pytest.mark.parametrize(
    "lanes",
    [
        ([select(IN_WRITE)], [select()]),  # nobody writes
        ([insert(1), select(IN_WRITE)],),  # its own lane does
        ([insert(1, IN_WRITE)], [insert(1, IN_WRITE)]),  # each is aimed at the other
        ([select(IN_WRITE), insert(2)], [insert(1, AT_HALF)]),  # that waits for what this makes due
    ],
)
def test_without_a_write_to_aim_at_it_is_the_rounds_release(lanes):
    """It leaves with the others, or after the answer before it."""
    place = next(at for at, step in enumerate(s for lane in lanes for s in lane) if step.release == IN_WRITE)
    assert placed(*lanes, hot={"t": Hot(0, 3)})[place].us == 0


OPERATIONS = [op for t in "ts" for op in (Select(t), Insert(t, ((1,), (2,))), Flush(t))]
ANCHORS = [None, AT_HALF, Release("previous", 5), Release("round", 5), IN_WRITE, Release("answer", 5)]
LANES = st.lists(
    st.lists(st.builds(Step, st.sampled_from(OPERATIONS), st.sampled_from(ANCHORS)), min_size=1, max_size=4),
    min_size=1,
    max_size=3,
)


def armed(lanes):
    """What the gate is told, which must not make requests wait for each other."""
    found = resolve(lanes, AIM, {"t": Hot(1, 3), "s": Hot(0, 2)})
    sessions = [GateSession(at, at, "") for at, lane in enumerate(lanes) for _ in lane]
    return [
        Planned(own, str(at), p.after, p.us) for at, (own, p) in enumerate(zip(sessions, found, strict=True))
    ]


@settings(max_examples=1000)
@given(LANES)
def test_whatever_is_drawn_can_be_released(lanes):
    """No combination of anchors, tables and lanes makes requests wait for each other."""
    check(armed(lanes))


def test_flushes_of_two_tables_do_not_wait_for_each_other():
    """Each lane looks into the flush of one table, and then makes that of the other due: one of them only."""

    def aimed(table, due):
        return [Step(Select(table), AT_HALF), Step(Insert(due, ((1,), (2,))))]

    lanes = [aimed("t", "s"), aimed("s", "t")]
    found = resolve(lanes, AIM, {"t": Hot(0, 2), "s": Hot(0, 2)})
    assert [place.after for place in found] == [(3,), (0,), (), (2,)]


def test_a_command_waits_for_nothing_that_is_aimed_at_it():
    """What it follows in its lane looks into the flush that the other lane makes due afterwards.

    Nor does it leave later for that, whichever lane comes first.
    """
    lanes = [
        [Step(Select("s"), AT_HALF), flush()],
        [select(AT_HALF), Step(Insert("s", ((1,), (2,))))],
    ]
    hot = {"t": Hot(1, None), "s": Hot(0, 2)}
    found = resolve(lanes, AIM, hot)
    assert [place.after for place in found] == [(3,), (0,), (), (2,)]
    sooner = evolve(AIM, leads=Leads(10_000, 0))
    found = resolve(lanes[::-1], sooner, hot)
    assert [place.after for place in found] == [(), (0,), (1,), (2,)]
    assert found[3].us == 0

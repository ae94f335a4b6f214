"""Candidates with less concurrency: lanes in turn, and nothing under way while a flush is."""

from __future__ import annotations

from attrs import evolve
from raced import RACE, TABLE, insert

from kalam_props.history.operations import AwaitFlush, Count, Delete, Flush, Insert, Select, Update
from kalam_props.hunt import races
from kalam_props.hunt.flushing import meetings
from kalam_props.hunt.size import size
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Program, Release, Round, Step, TableDef


def test_sequential_keeps_every_operation():
    """Making a race sequential changes its order in time, not its operations."""
    (first, *_) = races.sequential(RACE)
    assert not any(r.concurrent for r in first.rounds)
    assert first.operations == RACE.operations


def test_lanes_in_turn_are_also_tried_with_a_boundary_that_they_reach():
    """What needed to be quick before a flush of one row need not be if the flush waits for it."""
    race = Round({"u0/1": (insert(2),), "u0/2": (Step(Delete("t", 2), release=Release("answer")),)})
    program = Program({"t": evolve(TABLE, flush_rows=1)}, (race,))
    found = list(races.sequential(program))
    assert [candidate.tables["t"].flush_rows for candidate in found] == [1, 2, 1]
    assert not any(round_.concurrent for candidate in found for round_ in candidate.rounds)


def test_lanes_in_turn_are_those_of_one_session_of_each_user_first():
    """Where nothing is concurrent there is no need for another session; if there is, it stays."""
    race = Round({"u0/1": (insert(2),), "u0/2": (Step(Delete("t", 2)),), "u1/3": (Step(Count("t")),)})
    first, other = races.sequential(Program({"t": TableDef(TABLE.columns, "id")}, (race,)))
    assert first.sessions == ("u0/1", "u1/1")
    assert [step.op for step in steps_of(first)] == [insert(2).op, Delete("t", 2), Count("t")]
    assert other.sessions == ("u0/1", "u0/2", "u1/3")


def test_a_lane_races_with_what_came_before_it():
    """A second write that was aimed at the first one meets the insert before both instead."""
    late = Step(Update("t", 1, {"v": "late"}), release=Release("write", fraction=1.4))
    insert, early = Step(Insert("t", ((1, "a", 0),))), Step(Update("t", 1, {"v": "early"}))
    program = Program({"t": TABLE}, (Round({"u0/1": (insert,)}), Round({"u0/1": (early,), "u0/2": (late,)})))
    found = list(races.race_with_the_round_before(program))
    expected = [
        Program({"t": TABLE}, (Round({"u0/1": (insert,), "u0/2": (step,)}),)) for step in (early, late)
    ]
    assert found == expected
    assert not list(races.race_with_the_round_before(found[0]))


def test_the_ends_of_racing_lanes_move_out_of_the_race():
    """What need not race is done before or after: fewer operations are concurrent, none is gone."""
    moved = list(races.move_out_of_race(RACE))
    assert moved
    for candidate in moved:
        assert candidate.operations == RACE.operations
        assert len(candidate.rounds) == len(RACE.rounds) + 1
    before = moved[0].rounds[1].lanes
    assert [type(step.op) for step in before["u0/1"]] == [Insert]


def of_one_lane(*ops, flush_rows):
    steps = tuple(op if isinstance(op, Step) else Step(op) for op in ops)
    return Program({"t": evolve(TABLE, flush_rows=flush_rows)}, (Round({"u0/1": steps}),))


def test_what_may_meet_a_flush_waits_for_it_or_asks_for_it_last():
    """A delete after the insert whose row asks for a flush; it loses its release point."""
    delete = Step(Delete("t", 1), release=Release("flush", fraction=0.5))
    racing = of_one_lane(insert(1), delete, flush_rows=1)
    last, waited = races.clear_of_flushes(racing)
    assert last == of_one_lane(insert(1), Delete("t", 1), flush_rows=2)
    assert waited == of_one_lane(insert(1), AwaitFlush("t"), Delete("t", 1), flush_rows=1)
    for candidate in (last, waited):
        assert meetings(candidate) == 0
        assert size(candidate) < size(racing)
        assert not list(races.clear_of_flushes(candidate))


def test_each_command_is_waited_for_but_the_last_step():
    commands = of_one_lane(insert(1), Flush("t"), Select("t"), insert(2), Flush("t"), flush_rows=None)
    (waited,) = races.clear_of_flushes(commands)
    expected = (insert(1).op, Flush("t"), AwaitFlush("t"), Select("t"), insert(2).op, Flush("t"))
    assert tuple(step.op for step in steps_of(waited)) == expected


def test_lanes_that_race_are_first_done_in_turn():
    assert meetings(RACE)
    assert not list(races.clear_of_flushes(RACE))

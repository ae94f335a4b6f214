"""What the shrinker tries: every candidate is a valid program and none is bigger."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kalam_props.history.operations import Count, Flush, Insert, Select
from kalam_props.hunt import reductions
from kalam_props.hunt.reductions import REDUCTIONS, keep, places, size, without
from kalam_props.programs import codec
from kalam_props.programs.machine import bind
from kalam_props.programs.machines import FlushRaces
from kalam_props.programs.model import Net, Program, Release, Round, Step, TableDef

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id", flush_rows=5)


def insert(*keys, by="u0.1"):
    return Step(Insert("t", tuple((key, f"{by}.{key}", 0) for key in keys)))


RACE = Program(
    {"t": TABLE},
    (
        Round({"u0/1": (insert(3, 4, 5, 6, 7, 8),)}),
        Round(
            {"u0/2": (Step(Flush("t")),), "u0/1": (insert(9), Step(Select("t"))), "u1/1": (Step(Count("t")),)}
        ),
    ),
)


@pytest.fixture(scope="module")
def drawn():
    programs = []
    run_state_machine_as_test(
        bind(FlushRaces, programs.append),
        settings=settings(
            max_examples=40,
            stateful_step_count=10,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return programs


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.__name__)
def test_every_candidate_is_a_program(reduction, drawn):
    """A candidate can be saved and read again: no empty lane, no insert without rows."""
    for program in (RACE, *drawn):
        for candidate in reduction(program):
            assert codec.from_json(codec.to_json(candidate)) == candidate
            assert all(lane for r in candidate.rounds for lane in r.lanes.values())


def test_each_reduction_finds_something_smaller_somewhere(drawn):
    """A reduction that never makes a program smaller is dead."""
    for reduction in REDUCTIONS:
        assert any(
            size(candidate) < size(program) for program in (RACE, *drawn) for candidate in reduction(program)
        ), reduction.__name__


def test_greedy_reduction_ends_at_the_smallest_race():
    """With an oracle that wants a flush racing an insert, what is left is exactly that."""

    def fails(program):
        return any(
            r.concurrent
            and any(isinstance(s.op, Flush) for lane in r.lanes.values() for s in lane)
            and any(isinstance(s.op, Insert) for lane in r.lanes.values() for s in lane)
            for r in program.rounds
        )

    assert fails(RACE)
    best = RACE
    progress = True
    while progress:
        progress = False
        for reduction in REDUCTIONS:
            for candidate in reduction(best):
                if size(candidate) < size(best) and fails(candidate):
                    best, progress = candidate, True
                    break
    assert best.operations == 2
    assert best.users == ("u0",)
    (only,) = best.rounds
    assert sorted(type(lane[0].op).__name__ for lane in only.lanes.values()) == ["Flush", "Insert"]


def test_release_points_and_network_faults_go_one_by_one_and_offsets_shrink():
    """What the failure needs stays, as small as it still fails with; what it does not need goes."""
    needed, other = Step(Select("t"), Release(us=3000)), Step(Count("t"), Release(us=800), Net(delay_us=5))
    best = Program({"t": TABLE}, (Round({"u0/1": (needed,), "u0/2": (other,)}),))
    for _ in range(12):
        for candidate in reductions.release_together(best):
            select = candidate.rounds[0].lanes["u0/1"][0].release
            if size(candidate) < size(best) and select is not None and select.us >= 300:
                best = candidate
                break
    lanes = best.rounds[0].lanes
    assert lanes["u0/1"][0].release == Release(us=375)
    assert lanes["u0/2"][0] == Step(Count("t"))


def test_keep_and_without_are_complements():
    """What is kept and what is dropped add up to the program."""
    everything = places(RACE)
    half = set(everything[::2])
    assert keep(RACE, half) == without(RACE, set(everything) - half)


def test_sequential_keeps_every_operation():
    """Making a race sequential changes its order in time, not its operations."""
    (first, *_) = reductions.sequential(RACE)
    assert not any(r.concurrent for r in first.rounds)
    assert first.operations == RACE.operations


def test_keys_are_renumbered_in_order_of_appearance():
    """The smallest program has keys 1, 2, 3."""
    (renumbered,) = reductions.small_keys(RACE)
    rows = renumbered.rounds[0].lanes["u0/1"][0].op.rows
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]

"""The shrinking loop against models of races: how small its results are, and how many runs they cost.

A model and a seeded random number generator stand in for a server, so a thousand executions take no time and
the figures are the same everywhere. What is drawn is drawn by the real machines.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from drawing import draw
from simulated import (
    SimulatedLab,
    gone_between,
    lost_at_kill,
    lost_on_flush,
    sighting,
    steps,
    write_history,
)

from kalam_props.history.operations import AwaitFlush, Delete, Flush, Insert, Kill, Select
from kalam_props.hunt.amplify import amplified, repetitions
from kalam_props.hunt.beginning import begin
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.measure import Rate, estimate
from kalam_props.hunt.shrink import Best, shrink
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.codec import from_json, to_json
from kalam_props.programs.machines import Crashes, FlushRaces
from kalam_props.programs.model import Program, Round, Step, TableDef

ENDLESS = 1e9
"""A budget in seconds that no test reaches: results must not depend on how fast the machine is."""

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id", flush_rows=3)


def insert(*keys):
    return Step(Insert("t", tuple((key, f"a{key}", 0) for key in keys)))


@pytest.fixture(scope="module")
def drawn():
    """Programs as a hunt draws them, the first 600."""
    return draw(FlushRaces, programs=600, steps=14)


def shrunk(lab, program, folder, wanted, *, budget_s=ENDLESS, on_better=lambda *_: None):
    """From a program that the model lets fail to what the shrinker makes of it."""
    trial = next(t for _ in range(2000) if (t := lab.trial(program)).showing(wanted) is not None)
    lab.executions = 0
    history = write_history(program, folder / "history.jsonl")
    found, rate = begin(lab, Best(program, history, trial.showing(wanted)), ENDLESS)
    return shrink(lab, found, rate, budget_s=budget_s, on_better=on_better)


def failing(drawn, model, number):
    return [program for program in drawn if any(model(program).values())][:number]


@pytest.mark.parametrize(
    ("rate", "runs"), [(1.0, 200), (0.3, 900), (0.1, 2600)], ids=["always", "1 in 3", "1 in 10"]
)
@pytest.mark.parametrize(
    ("bug", "name", "minimum"), [(lost_on_flush, "lost-row", 3), (gone_between, "stale-read", 3)]
)
def test_a_race_comes_out_as_its_smallest_program(drawn, tmp_path, bug, name, minimum, rate, runs):
    """11 of 12 are the program that one would write by hand, none has two operations more; what it costs."""
    model = bug(rate)
    programs = failing(drawn, model, 12)
    assert len(programs) == 12
    sizes, costs = [], []
    for seed, program in enumerate(programs):
        lab = SimulatedLab(model, seed)
        result = shrunk(lab, program, tmp_path, sighting(name))
        sizes.append(result.best.program.operations)
        costs.append(lab.executions)
        assert model(result.best.program)[name] > 0
    assert min(sizes) == minimum
    assert sizes.count(minimum) >= 11, sizes
    assert max(sizes) <= minimum + 2, sizes
    assert sorted(costs)[6] <= runs, costs


RACE = Program(
    {"t": TABLE},
    (
        Round({"u0/1": (insert(1),)}),
        Round({"u0/1": (insert(2), Step(Select("t"))), "u0/2": (Step(Flush("t")),)}),
        Round({"u0/1": (Step(Delete("t", 1)),)}),
    ),
)


def test_shrinking_does_not_slip_to_another_bug(drawn, tmp_path):
    """Beside the race there is a bug of another family that one insert shows always: it is not followed."""

    def model(program):
        return lost_on_flush(0.3)(program) | {"duplicate-row": 1.0}

    (program, *_) = failing(drawn, lost_on_flush(0.3), 1)
    result = shrunk(SimulatedLab(model, 1), program, tmp_path, sighting("lost-row"))
    assert result.best.sighting.name == "lost-row"
    assert result.best.program.operations == 3


def test_shrinking_climbs_to_the_name_that_tells_more(tmp_path):
    """A delete that answers 0 keeps a delete; without it the row is seen to be lost."""

    def model(program):
        deletes = any(isinstance(step.op, Delete) for step in steps_of(program))
        return {"wrong-affected": 1.0} if deletes else {"lost-row": 1.0}

    class Low(SimulatedLab):
        def trial(self, program):
            trial = super().trial(program)
            seen = tuple(
                Sighting(s.anomaly, "low") if s.name == "wrong-affected" else s for s in trial.sightings
            )
            return evolve(trial, sightings=seen)

    told = []
    wanted = Sighting(sighting("wrong-affected").anomaly, "low")
    result = shrunk(Low(model, 1), RACE, tmp_path, wanted, on_better=lambda *a: told.append(a))
    assert result.best.sighting.name == "lost-row"
    assert result.best.program.operations == 1
    assert any(isinstance(step.op, Delete) for step in steps_of(result.as_discovered))
    assert told[-1] == (result.best, result.as_discovered)


def test_a_failure_that_never_shows_again_is_given_back():
    """0 of n: there is nothing to compare a candidate with, and the finding is not lost."""
    found = Best(RACE, Path("history.jsonl"), sighting("lost-row"))
    lab = SimulatedLab(lambda _: {}, 0)
    rate = estimate(lab, RACE, found.sighting)
    result = shrink(lab, found, rate, budget_s=ENDLESS)
    assert (rate.seen, rate.runs) == (0, lab.executions)
    assert result.best is found
    assert not result.finished


def test_a_spent_budget_gives_the_best_so_far(tmp_path):
    """No second is left: the program that was found, marked as not finished."""
    result = shrunk(SimulatedLab(lost_on_flush(1.0), 1), RACE, tmp_path, sighting("lost-row"), budget_s=0)
    assert result.best.program == RACE
    assert not result.finished


def test_a_program_that_hardly_ever_fails_is_not_preferred(tmp_path):
    """One operation less that fails 1 time in 50, where the larger fails always, is not the result."""

    def model(program):
        if not races_lost(program):
            return {"lost-row": 0.0}
        has_scan = any(isinstance(step.op, Select) for step in steps_of(program))
        return {"lost-row": 1.0 if has_scan else 0.02}

    def races_lost(program):
        return lost_on_flush(1.0)(program)["lost-row"] > 0

    result = shrunk(SimulatedLab(model, 3), RACE, tmp_path, sighting("lost-row"))
    assert model(result.best.program)["lost-row"] == 1.0
    assert result.best.program.operations == 4


def test_no_candidate_is_tried_twice_in_a_phase(tmp_path):
    """Verdicts are remembered by digest: the answer never wavers while a phase lasts."""
    lab = SimulatedLab(lost_on_flush(1.0), 1)
    result = shrunk(lab, RACE, tmp_path, sighting("lost-row"))
    assert result.finished
    assert result.tried <= 2 * len({str(program) for program in lab.programs})


def test_repetition_keeps_keys_apart_and_pays_for_rare_failures_only():
    """Each copy of the rounds has keys of its own; what fails often enough is left alone."""
    three = amplified(RACE, 3)
    keys = [
        s.op.rows[0][0]
        for r in three.rounds
        for lane in r.lanes.values()
        for s in lane
        if isinstance(s.op, Insert)
    ]
    assert keys == [1, 2, 3, 4, 5, 6]
    assert three.operations == 3 * RACE.operations
    assert amplified(RACE, 1) is RACE
    assert repetitions(RACE, 1.0) == repetitions(RACE, 0.5) == 1
    assert repetitions(RACE, 0.1) == 4
    assert repetitions(RACE, 0.0) == 1


OUTAGE = Program(
    {"t": TABLE},
    (
        Round({"u0/1": (insert(1), Step(Flush("t")), Step(AwaitFlush("t")), Step(Delete("t", 1)))}),
        Round({"u0/1": (insert(2),), "u1/1": (insert(1),), "u1/2": (Step(Kill()),)}),
    ),
)


def test_a_program_with_an_outage_is_repeated_beside_itself():
    """Other users do the same at the same time; flushes and the outage are done once, after all of them."""
    two = amplified(OUTAGE, 2)
    done = [[(session, type(step.op)) for session, step in steps(round_)] for round_ in two.rounds]
    assert done == [
        [("u0/1", Insert), ("u0_1/1", Insert)],
        [("u0/1", Flush)],
        [("u0/1", AwaitFlush)],
        [("u0/1", Delete), ("u0_1/1", Delete)],
        [
            *[("u0/1", Insert), ("u1/1", Insert), ("u1/2", Kill)],
            *[("u0_1/1", Insert), ("u1_1/1", Insert)],
        ],
    ]
    assert two.tables["t"].flush_rows == 2 * TABLE.flush_rows
    assert repetitions(OUTAGE, 0.1) == 8
    assert from_json(to_json(two)) == two


def test_a_shared_table_is_not_written_by_others_too():
    """Their keys would be the same: another program."""
    shared = evolve(OUTAGE, tables={"t": evolve(TABLE, type="shared")})
    assert amplified(shared, 2) is shared
    assert repetitions(shared, 0.1) == 1


def test_a_rare_loss_at_a_kill_comes_out_as_its_smallest_program(tmp_path):
    """One user in ten loses what it wrote; an execution takes longer than any other, so that few are made."""
    model = lost_at_kill(0.1)
    sizes, costs = [], []
    for seed, program in enumerate(failing(draw(Crashes, programs=100, steps=14), model, 12)):
        lab = SimulatedLab(model, seed)
        sizes.append(shrunk(lab, program, tmp_path, sighting("lost-after-crash")).best.program.operations)
        costs.append(lab.executions)
    assert len(sizes) == 12
    assert sizes.count(2) >= 11, sizes
    assert sorted(costs)[6] <= 900, costs


def test_a_rate_says_its_interval():
    """4 of 20 leaves 7 to 40 % possible at 90 % confidence; nothing seen leaves 0 possible."""
    low, high = Rate(4, 20).interval
    assert (round(low, 2), round(high, 2)) == (0.07, 0.4)
    assert Rate(0, 20).interval[0] == 0.0
    assert str(Rate(4, 20)) == "4 of 20 (7% to 40%)"

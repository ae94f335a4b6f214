"""What shrinking begins with: guesses from the witness, at places of a flush, before the whole is run."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve
from simulated import SimulatedLab, sighting, write_history

from kalam_props.history.operations import Count, Flush, Insert, Select
from kalam_props.hunt.beginning import begin
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.shrink import Best
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

ENDLESS = 1e9


def insert(key):
    return Step(Insert("t", ((key, f"a{key}"),)))


LONG = Program(
    {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")},
    (
        Round({"u0/1": (insert(1),)}),
        Round({"u0/1": (Step(Count("t")),), "u1/1": (insert(5),)}),
        Round({"u0/1": (Step(Flush("t")),), "u0/2": (Step(Select("t")),)}),
        Round({"u0/1": (Step(Count("t")),)}),
    ),
)
"""Its history has an invocation for each step: 1, 3, 5 … in this order."""

INSERTED, SCANNED = 1, 9


@pytest.fixture
def found(tmp_path):
    """A scan that missed the first row, which the witness says."""
    anomaly = evolve(sighting("stale-read").anomaly, witness=(INSERTED, SCANNED))
    return Best(LONG, write_history(LONG, tmp_path / "history.jsonl"), Sighting(anomaly))


def has(program, kind):
    return any(isinstance(step.op, kind) for step in steps_of(program))


def test_the_smallest_guess_that_fails_is_where_it_begins(found):
    """The insert, the flush and the scan: without the flush nothing fails, and the rest is not needed."""
    lab = SimulatedLab(lambda p: {"stale-read": float(has(p, Flush) and has(p, Select))}, 1)
    best, rate = begin(lab, found, ENDLESS)
    assert best.program.operations == 3
    assert rate.seen == rate.runs == 4


def test_a_shape_that_fails_only_when_it_is_repeated_is_not_taken(found):
    """Four times in a run is for finding out soon; what is begun with failed alone."""

    def model(program):
        return {"stale-read": float(len([s for s in steps_of(program) if isinstance(s.op, Select)]) > 2)}

    lab = SimulatedLab(lambda p: model(p) | {"lost-row": 0.0}, 1)
    best, _ = begin(lab, found, ENDLESS)
    assert best is found
    assert any(model(program)["stale-read"] for program in lab.programs)


def test_a_rare_failure_is_found_by_repeating_a_shape(found):
    """One in ten: repeated it fails in a third of runs, and is begun with at its own rate."""

    def model(program):
        scans = sum(isinstance(step.op, Select) for step in steps_of(program))
        return {"stale-read": (1 - 0.9**scans) * has(program, Flush)}

    best, rate = begin(SimulatedLab(model, 1), found, ENDLESS)
    assert best.program.operations in (3, 4)  # which of the shapes shows it first is luck
    assert rate.likely < 0.3


def test_a_shape_that_hangs_is_not_repeated_in_a_run(found):
    """Each time it fails costs seconds."""
    anomaly = evolve(found.sighting.anomaly, name="hung")
    hung = evolve(found, sighting=Sighting(anomaly))
    lab = SimulatedLab(lambda p: {"hung": 0.3 * has(p, Flush) * has(p, Select)}, 1)
    best, _ = begin(lab, hung, ENDLESS)
    assert best.program.operations == 3
    assert max(program.operations for program in lab.programs) <= 4


def test_a_shape_that_does_not_fail_any_more_gives_way_to_another(found):
    """The insert alone fails in the first ten runs that there are, and never again."""
    lab = SimulatedLab(lambda _: {}, 1)

    def model(program):
        scans = has(program, Flush) and has(program, Select)
        return {"stale-read": 0.5 if scans else float(lab.executions <= 10)}

    lab.model = model
    best, rate = begin(lab, found, ENDLESS)
    assert has(best.program, Flush)
    assert has(best.program, Select)
    assert rate.likely > 0.2


def test_a_shape_that_does_not_fail_any_more_is_tried_at_other_places_first(found):
    """Without a place in its first four runs; then in the middle of its flush, as larger ones do."""
    middle = Release("flush", fraction=0.5)
    runs = Counter()

    def model(program):
        runs[digest(program)] += 1
        places = {step.release for step in steps_of(program)}
        lucky = program.operations > 3 or (places == {None} and runs[digest(program)] <= 4)
        scans = has(program, Flush) and isinstance(steps_of(program)[-1].op, Select)
        return {"stale-read": float(scans and (lucky or middle in places))}

    best, rate = begin(SimulatedLab(model, 1), found, ENDLESS)
    assert best.program.operations == 3
    assert any(step.release == middle for step in steps_of(best.program))
    assert rate.likely == 1.0


def test_a_guess_is_tried_at_places_of_its_flush(found):
    """A scan in the middle of the flush fails, anywhere else it does not: the guess is not given up."""
    middle = Release("flush", fraction=0.5)

    def model(program):
        return {"stale-read": float(any(step.release == middle for step in steps_of(program)))}

    best, rate = begin(SimulatedLab(model, 1), found, ENDLESS)
    assert best.program.operations == 3
    assert rate.likely == 1.0


def test_where_no_guess_fails_it_begins_with_the_whole(found):
    """All four rounds are needed: the guesses are given up, and the rate is that of the program."""
    whole = LONG.operations
    lab = SimulatedLab(lambda p: {"stale-read": 0.5 * (p.operations == whole)}, 1)
    best, rate = begin(lab, found, ENDLESS)
    assert best is found
    assert rate.seen == 4


def test_one_failure_of_a_guess_may_be_luck(found):
    """Once in all its runs: not enough to begin with."""
    failures = iter([True])
    lab = SimulatedLab(
        lambda p: {"stale-read": float(p.operations < LONG.operations and next(failures, 0))}, 1
    )
    best, rate = begin(lab, found, ENDLESS)
    assert best is found
    assert not rate.seen


def test_nothing_is_run_after_the_deadline(found):
    """No second is left: the program as it was found, at a rate of 0 of 0."""
    lab = SimulatedLab(lambda _: {"stale-read": 1.0}, 1)
    best, rate = begin(lab, found, 0.0)
    assert (best, rate.runs, lab.executions) == (found, 0, 0)

"""What was made small over HTTP goes on with the hunt's own driver; which of two programs is the result."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import evolve
from simulated import SimulatedLab, sighting

from kalam_props.history.operations import Flush, Insert, Select
from kalam_props.hunt.choose import settled
from kalam_props.hunt.handover import failing_here, steadied
from kalam_props.hunt.measure import Rate
from kalam_props.hunt.shrink import Best, Shrunk
from kalam_props.hunt.structure import steps_of, with_table
from kalam_props.programs.keys import with_key_type
from kalam_props.programs.model import Program, Release, Round, Step, TableDef


def program(operations):
    lane = tuple(Step(Insert("t", ((key, f"a{key}"),))) for key in range(operations))
    return Program({"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")}, (Round({"u0/1": lane}),))


def best(operations, seen, runs):
    return Best(program(operations), Path("no-history.jsonl"), sighting("lost-row"), Rate(seen, runs))


def goes_on_with(rates, *chain, seed=1):
    """Operations of the program that goes on, where one with so many fails at `rates`; None: none does."""
    lab = SimulatedLab(lambda p: {"lost-row": rates[p.operations]}, seed)
    start = failing_here(lab, chain, float("inf"))
    return None if start is None else start[0].program.operations


def test_the_smallest_that_fails_as_often_as_before_goes_on():
    """And what never fails with this driver does not."""
    assert goes_on_with({1: 1.0, 2: 1.0}, best(1, 20, 20), best(2, 20, 20)) == 1
    assert goes_on_with({1: 0.0, 2: 1.0}, best(1, 20, 20), best(2, 20, 20)) == 2
    assert goes_on_with({1: 0.0, 2: 0.0}, best(1, 20, 20), best(2, 20, 20)) is None


def test_nothing_is_run_when_the_time_is_over():
    """However many programs there are to try: the seconds for shrinking are a promise."""
    lab = SimulatedLab(lambda _: {"lost-row": 1.0}, 1)
    assert failing_here(lab, (best(1, 20, 20), best(2, 20, 20)), 0.0) is None
    assert lab.executions == 0


def test_a_rate_that_was_luck_over_http_is_no_reason_to_drop_a_program():
    """4 of 11, and really one in ten: it is given as many runs as that needs."""
    taken = [goes_on_with({2: 0.1}, best(2, 4, 11), seed=seed) for seed in range(40)]
    assert taken.count(2) >= 34


def test_what_failed_at_all_goes_on_where_nothing_fails_as_often():
    """It is small, and the program that was found is not."""
    taken = [
        goes_on_with({1: 0.0, 2: 0.03}, best(1, 20, 20), best(2, 20, 20), seed=seed) for seed in range(40)
    ]
    assert set(taken) == {None, 2}


def test_of_one_size_the_last_goes_on_unless_it_was_luck():
    """It is the plainest: with the keys of the one before, shrinking would have to be done again."""
    for seen, first in ((4, True), (1, False)):
        last, before = best(2, seen, 8), evolve(best(2, 7, 8), program=with_keys(program(2), 7))
        lab = SimulatedLab(lambda _: {"lost-row": 1.0}, 1)
        start = failing_here(lab, (last, before), float("inf"))
        assert start is not None
        assert (start[0].program == last.program) is first


def with_keys(one, by):
    return with_key_type(one, "t", "BIGINT", lambda key: key + by)


TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=1)
LANE = {"u0/1": tuple(Step(Insert("t", ((key, f"a{key}"),))) for key in (1, 2))}
TOGETHER = Program({"t": TABLE}, (Round(LANE),))


def goes_on_where(model):
    """What goes on of `TOGETHER`, on a bench where it fails as a model says."""
    return handed_over(TOGETHER, model)


def handed_over(small, model, seed=1):
    lab = SimulatedLab(lambda p: {"lost-row": model(p)}, seed)
    chain = [Best(small, Path("no-history.jsonl"), sighting("lost-row"), Rate(20, 20))]
    start = failing_here(lab, chain, float("inf"))
    return None if start is None else start[0].program


def test_a_flush_that_would_come_between_waits_for_all_that_is_written():
    """Over HTTP both rows are there when the server looks; of slow clients it flushes one at a time."""
    taken = goes_on_where(lambda p: 0.3 if p.tables["t"].flush_rows == 2 else 0.0)
    assert taken == with_table(TOGETHER, "t", evolve(TABLE, flush_rows=2))
    assert goes_on_where(lambda p: 1.0 if p.tables["t"].flush_rows == 3 else 0.0) is None


RACING = Program(
    {"t": evolve(TABLE, flush_rows=None)},
    (Round({"u0/1": (Step(Insert("t", ((1, "a"),))),), "u0/2": (Step(Select("t")),)}),),
)


def placed_where(model, *, small=RACING, deadline=float("inf"), seed=1):
    """Where the last step of a program is in the end that was taken for two failures; None: where it was."""
    lab = SimulatedLab(lambda p: {"stale-read": model(steps_of(p)[-1].release)}, seed)
    kept = Best(small, Path("no-history.jsonl"), sighting("stale-read"), Rate(2, 2))
    placed = steadied(lab, kept, deadline)
    assert placed is None or placed.program.operations == small.operations
    return None if placed is None else steps_of(placed.program)[-1].release


def test_what_is_to_be_the_result_is_placed_where_it_fails_most_often_with_this_driver():
    """Which moment that is may be another one than over HTTP."""
    answer = Release("answer")
    assert placed_where(lambda release: 0.9 if release == answer else 0.15) == answer
    assert placed_where(lambda release: 1.0 if release in (answer, None) else 0.15) is None


def test_it_stays_where_it_is_unless_another_place_is_better():
    """And where it fails nowhere any more, or the time is over."""
    assert not any(placed_where(lambda release: 0.15 if release else 0.7, seed=seed) for seed in range(20))
    assert placed_where(lambda _: 0.0) is None
    assert placed_where(lambda _: 0.5, deadline=0.0) is None


def test_only_what_races_is_placed():
    one_after_the_other = RACING.with_rounds((Round({"u0/1": (Step(Insert("t", ((1, "a"),))),)}),))
    assert placed_where(lambda _: 0.5, small=one_after_the_other) is None


def test_what_has_to_meet_a_flush_is_placed_anew():
    """Where it met one over HTTP says nothing of where a client that starts anew does."""

    def model(p):
        return 0.5 if any(step.release == Release("flush", fraction=0.85) for step in steps_of(p)) else 0.0

    assert model(goes_on_where(model)) == 0.5


def test_what_follows_a_flush_command_over_http_is_placed_beside_it():
    """In the lane of the command its client would start when the flush is over."""
    insert, late = (
        Step(Insert("t", ((1, "a"),))),
        Step(Insert("t", ((2, "b"),)), Release("flush", fraction=0.7)),
    )
    lane = Program(
        {"t": evolve(TABLE, flush_rows=None)}, (Round({"u0/1": (insert, Step(Flush("t")), late)}),)
    )
    beside = (Round({"u0/1": (insert,)}), Round({"u0/1": (Step(Flush("t")),), "u0/2": (late,)}))
    assert handed_over(lane, lambda p: 0.5 if p.rounds == beside else 0.0).rounds == beside


def test_what_follows_an_answer_over_http_is_released_by_it():
    """Its client waits for the answer, and does not start with it."""
    first, second = (Step(Insert("t", ((key, "a"),))) for key in (1, 2))
    in_turn = Program({"t": evolve(TABLE, flush_rows=None)}, (Round({"u0/1": (first, second)}),))
    at_its_answer = (Round({"u0/1": (first,), "u0/2": (evolve(second, release=Release("answer")),)}),)
    assert handed_over(in_turn, lambda p: 0.5 if p.rounds == at_its_answer else 0.0).rounds == at_its_answer


def results(rates, seeds, *others):
    """Operations of the result, where the smallest has two and one with three was accepted before it.

    The time for shrinking is over, as it mostly is.
    """
    taken = []
    for seed in range(seeds):
        lab = SimulatedLab(lambda p: {"lost-row": rates[p.operations]}, seed)
        small, larger = best(2, 4, 34), best(3, 4, 8)
        shrunk = Shrunk(small, small.program, 0, 0, 0.0, finished=False, larger=(larger, *others))
        taken.append(settled(lab, shrunk, time.monotonic(), 60.0)[0].program.operations)
    return taken


def test_the_smallest_is_the_result_although_a_larger_one_fails_somewhat_more_often():
    """Twice as often is no reason for an operation more, nor is luck."""
    assert results({2: 0.1, 3: 0.2}, 100).count(3) <= 8


def test_a_larger_one_is_the_result_where_the_smallest_hardly_ever_fails():
    """One operation more, for a program that one can work with."""
    assert results({2: 0.03, 3: 0.8}, 100).count(3) >= 95


def test_what_is_not_seen_to_fail_any_more_gives_way_to_the_last_one_that_is():
    """It was accepted by luck, or on a machine that was busier; a larger one that fails is worth more."""
    rates = {2: 0.0, 3: 0.0, 7: 0.6}
    assert results(rates, 40, best(7, 3, 8), best(8, 8, 8)).count(7) >= 39
    assert results({**rates, 2: 0.5}, 40, best(7, 3, 8)).count(2) == 40


def lone_read_settled(alone, at_once, seed):
    """What a lone read comes to that fails at the one rate, and three times beside itself at the other."""
    read = Program({"t": TABLE}, (Round({"u1/2": (Step(Select("t")),)}),))
    small = Best(read, Path("no-history.jsonl"), sighting("server-error"), Rate(4, 20))
    lab = SimulatedLab(lambda p: {"server-error": at_once if p.operations == 3 else alone}, seed)
    shrunk = Shrunk(small, read, 0, 0, 0.0, finished=True)
    return settled(lab, shrunk, time.monotonic(), 60.0)[0].program


def test_a_lone_read_that_hardly_ever_fails_is_three_at_once_where_these_do():
    """Under load only: alone it failed beside the closing reads."""
    taken = [lone_read_settled(0.05, 0.95, seed) for seed in range(40)]
    crowds = [program for program in taken if program.operations == 3]
    assert len(crowds) >= 38
    assert crowds[0].rounds == (Round({f"u1/{number}": (Step(Select("t")),) for number in (1, 2, 3)}),)


def test_a_lone_read_stays_alone_where_three_at_once_fail_little_more_often():
    """Three chances are three times as many failures, and no load."""
    taken = [lone_read_settled(0.1, 0.27, seed) for seed in range(40)]
    assert sum(program.operations == 3 for program in taken) <= 2
    assert all(lone_read_settled(0.9, 1.0, seed).operations == 1 for seed in range(20))


def test_one_that_was_lucky_does_not_take_the_time_of_one_that_is_steady(monkeypatch):
    """Another program of the smallest size is as rare: it is not run until it has failed ten times."""
    ran = []
    until = SimulatedLab.until
    monkeypatch.setattr(SimulatedLab, "until", lambda lab, p, *rest: ran.append(p) or until(lab, p, *rest))
    rare = evolve(best(2, 3, 35), program=with_table(program(2), "t", TABLE))
    assert results({2: 0.03, 3: 0.8}, 20, rare).count(3) >= 19
    assert rare.program not in ran


def test_a_steadier_one_is_told_of_where_the_smallest_stays_the_result():
    """Three times as often is no reason to give it up, but to say so."""
    small, larger = best(2, 8, 24), best(3, 38, 40)
    lab = SimulatedLab(lambda p: {"lost-row": {2: 0.3, 3: 0.95}[p.operations]}, 1)
    shrunk = Shrunk(small, small.program, 0, 0, 0.0, finished=False, larger=(larger,))
    best_one, steadier = settled(lab, shrunk, time.monotonic(), 60.0)
    assert best_one == small
    assert steadier.program == larger.program
    assert steadier.rate.seen == 10  # measured here, and not what it was accepted for


def test_a_steadier_one_is_not_told_of_for_what_it_did_with_another_driver():
    """Over HTTP it failed always; with processes it does not fail more often than the smallest."""
    small, larger = best(2, 8, 24), best(3, 40, 40)
    lab = SimulatedLab(lambda p: {"lost-row": {2: 0.35, 3: 0.35}[p.operations]}, 1)
    shrunk = Shrunk(small, small.program, 0, 0, 0.0, finished=False, larger=(larger,))
    assert settled(lab, shrunk, time.monotonic(), 60.0) == (small, None)


def test_of_as_many_operations_one_that_fails_twice_as_often_is_the_result():
    """Three times in ten against nearly always: mostly clear after four failures of the one."""
    small = best(2, 6, 20)
    steady = evolve(best(2, 20, 20), program=with_table(program(2), "t", TABLE))

    def model(p):
        return {"lost-row": 0.3 if p == small.program else 0.95}

    taken = []
    for seed in range(40):
        shrunk = Shrunk(small, small.program, 0, 0, 0.0, finished=False, larger=(steady,))
        taken.append(settled(SimulatedLab(model, seed), shrunk, time.monotonic(), 60.0)[0])
    assert taken.count(steady) >= 22

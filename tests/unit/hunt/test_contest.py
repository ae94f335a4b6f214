"""Which shape shrinking begins with: of few operations, and of those the one that fails most often."""

from __future__ import annotations

from attrs import evolve
from simulated import SimulatedLab, sighting

from kalam_props.history.operations import AwaitFlush, Delete, Flush, Insert, Kill, Select
from kalam_props.hunt.amplify import amplified
from kalam_props.hunt.contest import TIMES, shape_that_fails
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Program, Round, Step, TableDef

ENDLESS = 1e9
LOST = sighting("lost-row")


def program(*rounds):
    steps = tuple(Round({name: tuple(map(Step, lane)) for name, lane in r.items()}) for r in rounds)
    return Program({"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=1)}, steps)


INSERT, DELETE, WAIT, SCAN = Insert("t", ((1, "a"),)), Delete("t", 1), AwaitFlush("t"), Select("t")
ALONE = program({"u0/1": (INSERT,)})
RACE = program({"u0/1": (INSERT,), "u0/2": (DELETE,)})
FLUSHED = program({"u0/1": (INSERT, WAIT, DELETE)})
LONG = program({"u0/1": (INSERT, WAIT, DELETE, SCAN)})


def has(what, kind):
    return any(isinstance(step.op, kind) for step in steps_of(what))


def number(what, kind):
    return sum(isinstance(step.op, kind) for step in steps_of(what))


def contest(model, *known, deadline=ENDLESS, seed=1):
    lab = SimulatedLab(lambda p: {"lost-row": model(p)}, seed)
    return lab, shape_that_fails(lab, list(known), LOST, deadline)


def test_of_two_with_as_many_operations_the_more_frequent_is_taken():
    """A delete beside its insert at times meets the flush; one that waits for it always does."""
    _, trials = contest(lambda p: 0.9 if has(p, AwaitFlush) else 0.3 * has(p, Delete), ALONE, RACE, FLUSHED)
    assert trials[0].program == FLUSHED


def test_of_two_that_fail_about_as_often_the_plainer_is_taken():
    """No concurrency, where it makes no difference."""
    taken = [
        contest(lambda p: 1 - 0.1 ** number(p, Delete), RACE, FLUSHED, seed=seed)[1][0].program
        for seed in range(20)
    ]
    assert taken.count(FLUSHED) >= 17


def test_a_shape_that_fails_one_time_in_ten_alone_is_hardly_ever_missed():
    """Its eight runs alone in the first turn show nothing in two cases of five; the next turn has more."""

    def rare(p):
        return (1 - 0.9 ** number(p, Delete)) * has(p, AwaitFlush)

    taken = [contest(rare, RACE, FLUSHED, LONG, seed=seed)[1] for seed in range(40)]
    assert sum(map(bool, taken)) >= 37


def test_fewer_operations_come_before_frequency():
    """What is smaller and fails clearly is where it begins; larger ones are not even run."""
    lab, trials = contest(lambda p: 1.0 if has(p, Select) else 0.5, ALONE, LONG)
    assert trials[0].program == ALONE
    assert not any(has(p, Select) for p in lab.programs)


def test_what_never_fails_is_given_up_after_three_turns():
    """Two runs each."""
    lab, trials = contest(lambda _: 0.0, ALONE, RACE, FLUSHED)
    assert trials == []
    runs = [str(p) for p in lab.programs]
    assert {runs.count(one) for one in runs} == {2, 3}  # places in a flush are tried from the second turn on
    assert runs.count(str(amplified(ALONE, TIMES))) == 3


def test_what_was_seen_to_fail_until_the_deadline_is_taken(monkeypatch):
    """Time ended among the shapes of one size: the best of those that were run."""
    clock = iter([0.0, 2.0])  # the second shape is not run any more
    monkeypatch.setattr("kalam_props.hunt.contest.time.monotonic", lambda: next(clock, 2.0))
    _, trials = contest(lambda _: 1.0, RACE, FLUSHED, deadline=1.0)
    assert trials[0].program == RACE


def test_a_kill_is_not_repeated_in_a_run():
    """It takes as long as all the rest; its runs are those alone."""
    killed = program({"u0/1": (INSERT, Kill())})
    lab, trials = contest(lambda _: 1.0, killed)
    assert trials[0].program == killed
    assert all(number(p, Kill) == 1 for p in lab.programs)


def test_nothing_is_run_after_the_deadline():
    """Not even once."""
    lab, trials = contest(lambda _: 1.0, ALONE, deadline=0.0)
    assert (trials, lab.executions) == ([], 0)


def test_the_plainest_has_its_runs_alone_although_more_failed_as_often_when_repeated():
    """Four times in a run hardly tells one in three from three in three: seven races are not to hide it."""
    races = [program({"u0/1": (INSERT,), f"u0/{n}": (DELETE,)}) for n in range(2, 9)]
    known = (*races, FLUSHED)
    found = [contest(lambda p: 1 - 0.55 ** number(p, Delete), *known, seed=seed) for seed in range(20)]
    assert all(FLUSHED in lab.programs for lab, _ in found)
    assert sum(trials[0].program == FLUSHED for _, trials in found) >= 12


def test_few_failures_are_no_reason_to_take_one_that_is_not_as_plain():
    """Of eight runs, one in three fails two, three or four times."""

    def one_in_three(p):
        return 1 - 0.65 ** number(p, Delete)

    taken = [contest(one_in_three, RACE, FLUSHED, seed=seed)[1][0].program for seed in range(40)]
    assert taken.count(FLUSHED) >= 28


def test_what_was_lucky_is_no_beginning_where_something_larger_fails_clearly():
    """A read after the program meets a window at times; the one that is aimed at it does nearly always."""

    def model(p):
        return 0.9 if has(p, Select) else 1 - 0.96 ** number(p, Delete)

    taken = [contest(model, RACE, FLUSHED, LONG, seed=seed)[1][0].program for seed in range(40)]
    assert taken.count(LONG) >= 34


def test_what_is_rare_is_a_beginning_where_nothing_fails_more_often():
    """After a turn in which the larger ones were tried as well."""
    lab, trials = contest(lambda p: (1 - 0.9 ** number(p, Delete)) * (not has(p, Select)), RACE, LONG, seed=2)
    assert trials[0].program.operations == RACE.operations
    assert any(has(p, Select) for p in lab.programs)


def test_what_waits_for_no_policy_comes_first():
    """A run that waits for the server to look at its tables takes ten times as long."""
    by_command = program({"u0/1": (INSERT, Flush("t"), SCAN)})
    by_command = evolve(by_command, tables={"t": evolve(by_command.tables["t"], flush_rows=None)})
    lab, trials = contest(lambda p: 1.0 if has(p, Flush) else 0.0, ALONE, RACE, by_command)
    assert trials[0].program == by_command
    assert ALONE not in lab.programs


def test_a_plain_one_that_was_lucky_does_not_take_the_place_of_a_clear_one():
    """Two of eight were luck; of as many operations another fails every second time."""

    def model(p):
        return 0.55 if not has(p, AwaitFlush) else 1 - 0.96 ** number(p, Delete)

    taken = [contest(model, RACE, FLUSHED, LONG, seed=seed)[1][0].program for seed in range(40)]
    assert sum(p.operations == RACE.operations and not has(p, AwaitFlush) for p in taken) >= 38


def test_what_failed_once_alone_and_always_repeated_is_taken_at_the_end():
    """Nobody knows a better one; what fails as often alone and is not seen to when it is repeated is luck."""
    for repeated, taken in ((1.0, True), (0.0, False)):
        failures = iter([1.0])
        _, trials = contest(
            lambda p, rate=repeated, once=failures: rate if number(p, Delete) > 1 else next(once, 0.0),
            FLUSHED,
        )
        assert bool(trials) is taken


def test_one_turn_is_all_there_is_where_no_more_are_asked_for():
    lab = SimulatedLab(lambda _: {"lost-row": 0.0}, 1)
    assert shape_that_fails(lab, [FLUSHED], LOST, ENDLESS, turns=1) == []
    assert lab.executions == 2

"""Where requests are placed so that a race shows most often: what is tried, and what is chosen."""

from __future__ import annotations

import pytest
from attrs import evolve
from simulated import SimulatedLab, sighting

from kalam_props.history.operations import AwaitFlush, Count, Flush, Insert, Recreate, Select, Update
from kalam_props.hunt.sharpen import FIRST_RUNS, FRACTIONS, placed_together, placements, sharpen
from kalam_props.hunt.structure import map_steps, steps_of
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Release, Round, Step, TableDef
from kalam_props.programs.tables import misplaced

COLUMNS = (("id", "BIGINT"), ("v", "TEXT"))
NEVER = float("inf")
WANTED = sighting("stale-read")


def insert(*keys):
    return Step(Insert("t", tuple((key, f"a{key}") for key in keys)))


def program(*rounds, flush_rows=None):
    return Program({"t": TableDef(COLUMNS, "id", flush_rows=flush_rows)}, tuple(map(Round, rounds)))


def racing(release=None):
    """A row, then a scan beside a flush."""
    return program(
        {"u0/1": (insert(1),)}, {"u0/1": (Step(Flush("t")),), "u0/2": (Step(Select("t"), release),)}
    )


def releases(one):
    return [step.release for step in steps_of(one)]


def scan_at(one):
    (release,) = [step.release for step in steps_of(one) if isinstance(step.op, Select)]
    return release


def at(fraction):
    return Release("flush", fraction=fraction)


def test_what_can_meet_a_flush_is_placed_inside_of_it():
    """Without any release point first, at places of the flush, and last as the program is."""
    own = racing(at(0.3))
    plain, *placed, last = placements(own)
    assert releases(plain) == [None, None, None]
    assert [scan_at(other) for other in placed] == [at(fraction) for fraction in FRACTIONS]
    assert last == own


def test_what_is_done_to_a_table_that_is_made_again_stays_before_or_after_that():
    """Rounds of one session are put together, but not across a table that takes the place of another."""
    again = Program(
        {"t": TableDef(COLUMNS, "id"), "t_2": TableDef(COLUMNS, "id", name="t")},
        (
            Round({"u0/1": (insert(1),)}),
            Round({"u0/1": (Step(Recreate("t_2")),)}),
            Round({"u0/1": (Step(Select("t_2"), at(0.5)),)}),
        ),
    )
    assert misplaced(again) is None
    assert [one for one in (*placements(again), *placed_together(again)) if misplaced(one)] == []


def lanes(one):
    """Of each lane its operations by name, with the places in a flush."""
    return [
        {
            session: [(type(step.op).__name__, step.release and step.release.fraction) for step in lane]
            for session, lane in round_.lanes.items()
        }
        for round_ in one.rounds
    ]


def test_what_follows_the_cause_of_a_flush_meets_it_from_a_lane_of_its_own():
    """There its client runs in time; what came before the cause stays before it."""
    own = program({"u0/1": (Step(Count("t")), insert(1), Step(Select("t")))}, flush_rows=1)
    beside = {"u0/1": [("Count", None), ("Insert", None)], "u0/2": [("Select", 0.5)]}
    assert [beside] in map(lanes, placements(own))


def test_what_one_session_does_in_rounds_of_its_own_is_one_round():
    """The flush that one round causes is met by the next only where they are one."""
    own = program({"u0/1": (insert(1),)}, {"u0/1": (Step(Select("t")),)}, flush_rows=1)
    placed = placements(own)
    assert [{"u0/1": [("Insert", None)], "u0/2": [("Select", 0.5)]}] in map(lanes, placed)
    assert all(len(other.rounds) == 1 for other in placed[:-1])


def test_a_second_write_meets_the_flush_of_the_first():
    """The first is its cause, the second may be lost in it."""
    own = program({"u0/1": (insert(1), insert(2))}, flush_rows=1)
    assert any(
        round_["u0/2"] == [("Insert", 0.85)]
        for other in placements(own)
        for round_ in lanes(other)
        if "u0/2" in round_
    )


def test_what_waits_for_the_flush_is_not_placed_inside_of_it():
    """After an await-flush there is no flush left to meet: one choice, the program itself."""
    own = program({"u0/1": (insert(1), Step(AwaitFlush("t")), Step(Select("t")))}, flush_rows=1)
    assert placements(own) == [own]


@pytest.mark.parametrize(
    "lanes",
    [
        {"u0/1": (insert(1), Step(Flush("t")), Step(Select("t")))},
        {"u0/1": (insert(1), Step(Flush("t"))), "u0/2": (Step(Select("t")),)},
    ],
)
def test_a_command_that_is_to_be_met_begins_its_lane(lanes):
    """Behind an insert its client starts when what is aimed at the flush has left: nothing meets it then."""
    placed = {"u0/1": (Step(Flush("t")),), "u0/2": (Step(Select("t"), Release("flush", fraction=0.7)),)}
    assert program({"u0/1": (insert(1),)}, placed) in placements(program(lanes))


def test_what_follows_a_write_is_tried_at_its_answer():
    """In a lane of its own, whose client runs by then; what comes before the two is done before."""
    scan, update = Step(Select("t")), Step(Update("t", 1, {"v": "new"}))
    at_answer = evolve(scan, release=Release("answer"))
    own = program({"u0/1": (insert(1), scan)})
    assert program({"u0/1": (insert(1),), "u0/2": (at_answer,)}) in placements(own)
    assert program({"u0/1": (insert(1),), "u0/2": (at_answer,)}) in placed_together(own)
    longer = program({"u0/1": (insert(1), update, scan)})
    assert program({"u0/1": (insert(1),)}, {"u0/1": (update,), "u0/2": (at_answer,)}) in placements(longer)


@pytest.mark.parametrize(
    "lane",
    [
        (Step(Select("t")), Step(Count("t"))),  # no write
        (insert(1), Step(Flush("t"))),  # is answered before anything of it is done
        (insert(1), Step(AwaitFlush("t"))),  # no request
        (insert(1),),
    ],
)
def test_what_follows_no_write_stays_in_its_lane(lane):
    """There is no answer that promised anything."""
    assert all(len(other.rounds[0].lanes) == 1 for other in placements(program({"u0/1": lane})))


def test_a_write_that_is_not_sent_with_the_round_is_no_place_to_meet():
    """After an await-flush a lane begins anew: what races with it now is what stands before that."""
    late = (Step(Count("t")), Step(AwaitFlush("t")), insert(1))
    tried = [releases(other) for other in placements(program({"u0/1": late, "u0/2": (Step(Select("t")),)}))]
    assert [None, None, None, Release(us=1000)] in tried
    assert all(release is None or release.anchor == "round" for steps in tried for release in steps)


def test_a_race_without_a_flush_is_tried_with_one_lane_later():
    """An insert beside a scan: the scan in the insert, the insert later; no flush that is not there."""
    own = program({"u0/1": (insert(1, 2),), "u0/2": (Step(Select("t")),)})
    tried = [releases(other) for other in placements(own)]
    assert [None, Release("write", fraction=0.7)] in tried
    assert [None, Release("answer")] in tried
    assert [Release(us=1000), None] in tried
    assert [None, Release(us=1000)] not in tried
    assert all(release is None or release.anchor != "flush" for pair in tried for release in pair)


def test_placements_are_told_apart():
    """None is tried twice."""
    for own in (racing(), racing(at(0.5)), racing(Release(us=300))):
        digests = [digest(other) for other in placements(own)]
        assert len(set(digests)) == len(digests)


def chosen(model, own, seed, deadline=NEVER):
    lab = SimulatedLab(model, seed)
    return sharpen(lab, own, WANTED, deadline=deadline), lab


@pytest.mark.parametrize("own", [racing(), racing(at(1.0))], ids=["plain", "at its end"])
def test_the_place_that_fails_most_often_is_found(own):
    """Nine times in ten in the middle of the flush, else one time in ten: found in 19 of 20 searches."""

    def model(tried):
        return {"stale-read": 0.9 if scan_at(tried) == at(0.5) else 0.1}

    places = [scan_at(chosen(model, own, seed)[0][0].program) for seed in range(20)]
    assert places.count(at(0.5)) >= 19


def test_release_points_that_change_nothing_go():
    """Three times in ten wherever the scan is: mostly the program without release points, or one as plain."""
    results = [chosen(lambda _: {"stale-read": 0.5}, racing(Release(us=7)), seed)[0] for seed in range(20)]
    kept = [trials[0].program for trials in results]
    assert sum(scan_at(other) == Release(us=7) for other in kept) <= 4


def test_an_awkward_release_point_that_matters_stays():
    """Only as the program has it does it fail."""
    own = racing(Release(us=1234))
    trials, _ = chosen(lambda p: {"stale-read": 0.8 if scan_at(p) == Release(us=1234) else 0.0}, own, 1)
    assert trials[0].program == own


def test_what_fails_always_without_release_points_is_not_looked_into():
    """A few runs, and they are gone."""
    trials, lab = chosen(lambda _: {"stale-read": 1.0}, racing(at(0.5)), 1)
    assert trials[0].program == map_steps(racing(at(0.5)), lambda step: Step(step.op))
    assert lab.executions == FIRST_RUNS


def test_nothing_is_chosen_where_nothing_fails():
    """No trial showed it: the program is as good as any other."""
    assert chosen(lambda _: {}, racing(at(0.5)), 1)[0] == []


def test_nothing_is_tried_after_the_deadline():
    """The budget is spent."""
    trials, lab = chosen(lambda _: {"stale-read": 1.0}, racing(at(0.5)), 1, deadline=0.0)
    assert trials == []
    assert lab.executions == 0


@pytest.mark.parametrize(("elsewhere", "place"), [(0.0, at(0.5)), (0.9, None)])
def test_what_was_seen_until_the_deadline_is_made_use_of(monkeypatch, elsewhere, place):
    """Each place was run once: one that always fails is taken, unless the others hardly fail less often."""
    own = racing(at(1.0))
    clock = iter([0.0] * len(placements(own)))
    monkeypatch.setattr("kalam_props.hunt.sharpen.time.monotonic", lambda: next(clock, 2.0))

    def model(tried):
        always = {at(0.5): 1.0, None: 0.0}
        return {"stale-read": always.get(scan_at(tried), elsewhere)}

    trials, _ = chosen(model, own, 1, deadline=1.0)
    assert [scan_at(trial.program) for trial in trials[:1]] == ([place] if place else [])

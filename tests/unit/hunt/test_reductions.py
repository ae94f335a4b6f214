"""What the shrinker tries: every candidate is a valid program and none is bigger."""

from __future__ import annotations

import pytest
from attrs import evolve
from drawing import draw
from raced import RACE, TABLE, insert

from kalam_props.history.operations import (
    AwaitFlush,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Pause,
    Select,
    Txn,
    Update,
)
from kalam_props.hunt import plainer, reductions
from kalam_props.hunt.reductions import REDUCTIONS
from kalam_props.hunt.size import size
from kalam_props.hunt.structure import keep, lanes_in_turn, places, steps_of, without
from kalam_props.programs import codec
from kalam_props.programs.machines import FlushRaces, Tables
from kalam_props.programs.model import Net, Program, Release, Round, Step, TableDef
from kalam_props.programs.tables import misplaced

TIMED = Program(
    {"t": TableDef(TABLE.columns, "id", type="shared", flush_rows=2)},
    (
        Round({"u1/2": (Step(Txn((Insert("t", ((5, "it's", 0),)), Increment("t", 5, "n", 3)))),)}),
        Round(
            {
                "u1/2": (
                    Step(Flush("t")),
                    Step(Select("t"), net=Net(delay_us=500)),
                    Step(Pause(100)),
                    Step(AwaitFlush("t")),
                ),
                "u2/1": (
                    Step(Delete("t", 5), release=Release("flush", fraction=0.4)),
                    Step(Get("t", 5), release=Release("previous", us=300)),
                ),
            }
        ),
    ),
)
"""With all that machines may draw one day: a transaction, release points, network faults, waits."""

COMMANDED = Program(
    {"t": TableDef(TABLE.columns, "id")},
    (
        Round({"u0/1": (Step(Insert("t", ((1, "a", 0), (2, "b", 0)))), Step(Delete("t", 1)))}),
        Round({"u0/1": (Step(Flush("t")),), "u0/2": (Step(Select("t")),)}),
    ),
)
"""A flush by command beside a scan, of a table without a policy."""


IN_TURN = Program({"t": evolve(TABLE, flush_rows=1)}, (Round({"u0/1": (insert(1), Step(Delete("t", 1)))}),))
"""A delete that may meet the flush of its row."""


@pytest.fixture(scope="module")
def drawn():
    return draw(FlushRaces, programs=40, steps=10) + draw(Tables, programs=20, steps=10)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.__name__)
def test_every_candidate_is_a_program(reduction, drawn):
    """A candidate can be saved and read again: no empty lane, no insert without rows."""
    for program in (RACE, TIMED, COMMANDED, IN_TURN, *drawn):
        for candidate in filter(lambda one: misplaced(one) is None, reduction(program)):
            assert codec.from_json(codec.to_json(candidate)) == candidate
            assert all(lane for r in candidate.rounds for lane in r.lanes.values())


def test_each_reduction_finds_something_smaller_somewhere(drawn):
    """A reduction that never makes a program smaller is dead."""
    for reduction in REDUCTIONS:
        assert any(
            size(candidate) < size(program)
            for program in (RACE, TIMED, COMMANDED, IN_TURN, *drawn)
            for candidate in reduction(program)
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


def test_keep_and_without_are_complements():
    """What is kept and what is dropped add up to the program."""
    everything = places(RACE)
    half = set(everything[::2])
    assert keep(RACE, half) == without(RACE, set(everything) - half)


def test_keys_are_renumbered_in_order_of_appearance():
    """The smallest program has keys 1, 2, 3."""
    (renumbered,) = plainer.small_keys(RACE)
    rows = renumbered.rounds[0].lanes["u0/1"][0].op.rows
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]


def candidates(reduction, program):
    return [c for c in reduction(program) if size(c) < size(program)]


def steps_with(program, what):
    return [s for r in program.rounds for lane in r.lanes.values() for s in lane if what(s)]


def test_a_scan_takes_the_place_of_a_request_that_only_has_to_be_there():
    """Another user's change of a row that is not there is a puzzle to whoever reads it; a scan is none."""
    change = Step(Increment("t", 2, "n"), release=Release("write", fraction=0.9))
    program = Program({"t": TABLE}, (Round({"u0/1": (insert(1),), "u1/1": (change,)}),))
    scan = Step(Select("t"), release=change.release)
    assert [found.rounds[0].lanes for found in candidates(plainer.scans, program)] == [
        {"u0/1": (Step(Select("t")),), "u1/1": (change,)},
        {"u0/1": (insert(1),), "u1/1": (scan,)},
    ]


def test_two_reads_that_must_be_the_same_are_both_a_scan():
    """Answers are mixed up of equal requests only: with one scan of two nothing is shown."""
    both = {"u0/1": (Step(Get("t", 1)),), "u1/1": (Step(Get("t", 1)),)}
    first = next(iter(candidates(plainer.scans, Program({"t": TABLE}, (Round(both),)))))
    assert first.rounds[0].lanes == {"u0/1": (Step(Select("t")),), "u1/1": (Step(Select("t")),)}


@pytest.mark.parametrize("op", [Select("t"), Flush("t"), AwaitFlush("t"), Txn((Delete("t", 1),))])
def test_what_is_a_scan_or_no_single_request_of_a_row_is_left_alone(op):
    assert not list(plainer.scans(Program({"t": TABLE}, (Round({"u0/1": (Step(op),)}),))))


def test_the_boundary_goes_down_with_what_reaches_it():
    """Three rows and an update with a boundary of 4: without the update 3, with one row 2."""
    batch = insert(1, 2, 3)
    both = Program(
        {"t": evolve(TABLE, flush_rows=4)}, (Round({"u0/1": (batch, Step(Update("t", 1, {"v": "x"})))}),)
    )
    found = {
        (tuple(type(s.op).__name__ for s in steps_of(c)), c.tables["t"].flush_rows)
        for c in candidates(reductions.less_to_flush, both)
    }
    assert found == {(("Insert",), 3), (("Insert", "Update"), 2), (("Update",), 1)}


def test_a_flush_by_command_becomes_one_by_row_count():
    """The policy takes its place, with as many rows as were written; a table that has one keeps it."""
    found = candidates(reductions.flush_by_rows, COMMANDED)
    for by_rows in found:
        assert by_rows.tables["t"].flush_rows == 3
        assert not steps_with(by_rows, lambda s: isinstance(s.op, Flush))
        assert by_rows.operations == COMMANDED.operations - 1
    assert candidates(reductions.flush_by_rows, TIMED) == []


def test_in_a_race_the_last_write_takes_the_place_of_the_command():
    """What was aimed at the flush is beside what asks for it still; after it, nothing could be aimed."""
    beside, after = candidates(reductions.flush_by_rows, COMMANDED)
    assert [[step.op for step in lane] for lane in beside.rounds[1].lanes.values()] == [
        [Delete("t", 1)],
        [Select("t")],
    ]
    assert [len(round_.lanes) for round_ in after.rounds] == [1, 1]
    (alone,) = candidates(reductions.flush_by_rows, lanes_in_turn(COMMANDED, {1}))
    assert alone == after


def test_several_flushes_by_command_become_those_of_a_policy_that_are_waited_for():
    """What is written after the first flush is flushed by itself again."""
    table = TableDef(TABLE.columns, "id")
    flush = Step(Flush("t"), release=Release("flush", fraction=0.7))
    rounds = (Round({"u0/1": (insert(1),)}), Round({"u0/1": (flush,), "u0/2": (Step(Delete("t", 1)), flush)}))
    first, *_ = candidates(reductions.flush_by_rows, Program({"t": table}, rounds))
    assert first.tables["t"].flush_rows == 1
    wait = AwaitFlush("t")
    assert [step.op for step in steps_of(first)] == [insert(1).op, wait, Delete("t", 1), wait]
    assert not any(round_.concurrent for round_ in first.rounds)


def test_flushes_of_another_table_stay_as_they_are():
    """One table's commands at a time: what the other one is flushed by may be what matters."""
    tables = {name: TableDef(TABLE.columns, "id", name=None if name == "t" else name) for name in ("t", "s")}
    lane = (insert(1), Step(Flush("t")), Step(Flush("s")), Step(Delete("t", 1)), Step(Flush("t")))
    first, *_ = candidates(reductions.flush_by_rows, Program(tables, (Round({"u0/1": lane}),)))
    assert (first.tables["t"].flush_rows, first.tables["s"].flush_rows) == (1, None)
    assert [step.op for step in steps_of(first)][1:3] == [AwaitFlush("t"), Flush("s")]


def test_network_faults_go():
    """A failure that needs no cut connection must not show one."""
    (quiet, *_) = candidates(plainer.quiet_network, TIMED)
    assert not steps_with(quiet, lambda s: s.net)
    assert quiet.operations == TIMED.operations


def test_waits_go():
    """Pauses and waits for flushes, together and singly."""
    (none, *singly) = candidates(plainer.no_waits, TIMED)
    assert not steps_with(none, lambda s: isinstance(s.op, (Pause, AwaitFlush)))
    assert len(singly) == 2


def test_a_transaction_loses_operations_and_then_itself():
    """Of two operations either goes; one of one operation is that operation."""
    first, second = candidates(plainer.smaller_transactions, TIMED)
    kinds = {type(steps_with(c, lambda s: isinstance(s.op, Txn))[0].op.ops[0]) for c in (first, second)}
    assert kinds == {Insert, Increment}
    (alone,) = candidates(plainer.smaller_transactions, first)
    assert not steps_with(alone, lambda s: isinstance(s.op, Txn))


def test_a_transaction_that_is_rolled_back_stays_one():
    """Plainer values, other keys, fewer operations: none makes it one that commits."""
    inside = (Insert("t", ((5, "it's", None),)), Increment("t", 5, "n", 3))
    own = Program({"t": TABLE}, (Round({"u0/1": (Step(Txn(inside, rollback=True)),)}),))
    for reduction in (plainer.plain_values, plainer.small_keys, plainer.smaller_transactions):
        found = list(reduction(own))
        assert found
        assert all(s.op.rollback for c in found for s in steps_of(c)), reduction.__name__


def test_tables_become_plain():
    """Of each user rather than shared; without a column that nothing names; one text stays."""
    (of_users,) = candidates(plainer.plain_tables, TIMED)
    assert of_users.tables["t"].type == "user"
    (without_n,) = candidates(plainer.plain_tables, RACE)
    assert without_n.tables["t"].column_names == ("id", "v")
    assert without_n.rounds[0].lanes["u0/1"][0].op.rows[0] == (3, "u0.1.3")


def test_users_and_sessions_are_numbered_from_the_start():
    """The smallest program has u0/1, whoever was drawn."""
    (renamed,) = candidates(plainer.small_names, TIMED)
    assert renamed.sessions == ("u0/1", "u1/1")


def test_batches_go_to_one_row_and_to_the_boundary():
    """Of six rows at a boundary of five: 1, 3, 4, 5, the first ones and the last ones."""
    sizes = [len(c.rounds[0].lanes["u0/1"][0].op.rows) for c in candidates(reductions.smaller_batches, RACE)]
    assert sizes == [1, 1, 3, 3, 4, 4, 5, 5]


def test_each_row_of_a_small_batch_is_tried_to_be_left_out():
    """One of them may be the key that makes the server refuse it."""
    batch = Program(
        {"t": TABLE}, (Round({"u0/1": (Step(Insert("t", ((1, "a", 0), (2, "b", 0), (3, "c", 0)))),)}),)
    )
    kept = [
        [row[0] for row in c.rounds[0].lanes["u0/1"][0].op.rows]
        for c in candidates(reductions.smaller_batches, batch)
    ]
    assert {(1, 3), (2, 3), (1, 2), (1,)} <= set(map(tuple, kept))


def test_inserts_of_one_session_become_one_of_all_their_rows():
    """Those that follow each other, of the same table."""
    one, other = Insert("t", ((1, "a", 0),)), Insert("t", ((2, "b", 0), (3, "c", 0)))
    in_turn = Program({"t": TABLE}, (Round({"u0/1": (Step(one),)}), Round({"u0/1": (Step(other),)})))
    (merged,) = candidates(reductions.merge_inserts, in_turn)
    assert merged.rounds == (Round({"u0/1": (Step(Insert("t", one.rows + other.rows)),)}),)
    beside = Program({"t": TABLE}, (Round({"u0/1": (Step(one),), "u0/2": (Step(other),)}),))
    assert not list(reductions.merge_inserts(beside))


def test_a_row_is_inserted_where_it_was_changed():
    """What overtakes need not be a delete: the insert that it needed takes its place, and its timing."""
    late = Step(Delete("t", 2), release=Release("answer"))
    race = Round({"u0/1": (insert(1),), "u0/2": (late,)})
    program = Program({"t": TABLE}, (Round({"u0/1": (insert(2),)}), race))
    (found,) = candidates(reductions.insert_late, program)
    second = Step(insert(2).op, release=Release("answer"))
    assert found.rounds == (Round({"u0/1": (insert(1),), "u0/2": (second,)}),)


@pytest.mark.parametrize("made", [insert(3), insert(2, 3)], ids=["another row", "two rows"])
def test_an_insert_of_other_rows_stays_where_it_is(made):
    """What else it inserted would be gone with it."""
    program = Program({"t": TABLE}, (Round({"u0/1": (made, Step(Delete("t", 2)))}),))
    assert not list(reductions.insert_late(program))


def test_the_boundary_goes_down_with_the_batches_that_reach_it():
    """A failure at the boundary stays at the boundary when that is lower."""
    found = [
        (c.tables["t"].flush_rows, len(c.rounds[0].lanes["u0/1"][0].op.rows))
        for c in candidates(plainer.lower_boundary, RACE)
    ]
    assert (None, 6) in found
    assert (1, 2) in found

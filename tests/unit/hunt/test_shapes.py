"""The shapes in which a handful of steps is tried: what an expert would write is among them."""

from __future__ import annotations

import pytest
from simulated import sighting, write_history

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Kill,
    Recreate,
    Restart,
    Select,
    Txn,
    Update,
)
from kalam_props.history.reader import read_history
from kalam_props.hunt.cuts import core, cut_to_witness
from kalam_props.hunt.shapes import MOST_STEPS, shapes
from kalam_props.hunt.structure import operation_at, places
from kalam_props.measure.shape import same_up_to_names
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

COLUMNS = (("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT"))
FLUSH, SCAN, COUNT, GET = Flush("t"), Select("t"), Count("t"), Get("t", 2)
UPDATE, DELETE, INCREMENT = Update("t", 2, {"v": "new"}), Delete("t", 2), Increment("t", 2, "n")


def insert(*keys):
    return Insert("t", tuple((key, f"row {key}", 0) for key in keys))


def program(*rounds, flush_rows=None):
    steps = tuple(Round({f"u{name}": tuple(map(Step, lane)) for name, lane in r.items()}) for r in rounds)
    return Program({"t": TableDef(COLUMNS, "id", flush_rows=flush_rows)}, steps)


def core_of(whole, folder, *witness):
    """The core of a program for an anomaly whose witness are the steps with these numbers, from 0."""
    history = read_history(write_history(whole, folder / "history.jsonl"))
    anomaly = sighting("lost-row", tuple(2 * number + 1 for number in witness)).anomaly
    return core(whole, history, anomaly)


def operations(whole, kept):
    return [operation_at(whole, place) for place in kept]


def test_the_insert_of_a_row_that_the_witness_names_is_part_of_the_core(tmp_path):
    """The last one that began before; not that of another key or user, nor one that began later."""
    whole = program(
        {"0/1": (insert(1), insert(2, 3))},
        {"1/1": (insert(2),)},
        {"0/1": (UPDATE,), "0/2": (insert(2),)},
    )
    assert operations(whole, core_of(whole, tmp_path, 3)) == [insert(2, 3), UPDATE]
    again = program({"0/1": (insert(1, 2),)}, {"0/1": (insert(2),), "0/2": (DELETE,)})
    assert operations(again, core_of(again, tmp_path, 2)) == [insert(1, 2), insert(2), DELETE]
    beside = program({"0/2": (insert(1), insert(2, 3)), "0/1": (UPDATE,)})
    assert operations(beside, core_of(beside, tmp_path, 2)) == [insert(2, 3), UPDATE]


def test_where_no_row_of_the_witness_was_inserted_the_last_insert_before_is_part_of_the_core(tmp_path):
    """An update of no row hangs in a flush, which needs something to do; not what another user wrote."""
    update = Update("t", 9, {"v": "new"})
    whole = program(
        {"0/1": (insert(2), insert(3))}, {"1/1": (insert(4),)}, {"0/1": (update,)}, {"0/1": (insert(5),)}
    )
    assert operations(whole, core_of(whole, tmp_path, 3)) == [insert(3), update]
    assert operations(whole, core_of(whole, tmp_path, 0, 3)) == [insert(2), update]


def test_flushes_and_waits_are_no_part_of_the_core(tmp_path):
    """They are put where they matter; a kill after the first step of the witness stays."""
    whole = program({"0/1": (Kill(), insert(2), AwaitFlush("t"), FLUSH, Kill(), SCAN, Kill())})
    assert operations(whole, core_of(whole, tmp_path, 1, 3, 5)) == [insert(2), Kill(), SCAN]


def test_without_a_witness_there_is_no_core(tmp_path):
    """Nor a shape."""
    whole = program({"0/1": (insert(1), SCAN)})
    assert core_of(whole, tmp_path) == []
    assert shapes(whole, []) == []


NOISE = {"0/1": (insert(90, 91), COUNT), "1/1": (insert(92),)}
FOUND = {
    "boundary-row-dropped": (program(NOISE, {"0/1": (insert(1, 2, 3),)}, flush_rows=3), (3,)),
    "lost-on-flush": (program(NOISE, {"0/2": (FLUSH,), "0/1": (insert(2),)}), (4,)),
    "seen-twice": (program(NOISE, {"0/1": (insert(2),)}, {"0/1": (FLUSH,), "0/2": (SCAN,)}), (3, 5)),
    "hot-only-count": (program(NOISE, {"0/1": (insert(2, 3),), "0/2": (COUNT,)}, flush_rows=2), (3, 4)),
    "foreign-flush": (program(NOISE, {"0/1": (insert(2),)}, flush_rows=5), (3,)),
    "tombstone-dropped": (program(NOISE, {"0/1": (insert(2), AwaitFlush("t"), DELETE)}, flush_rows=2), (5,)),
    "old-version-flushed": (program(NOISE, {"0/1": (insert(2), INCREMENT, FLUSH)}), (4,)),
    "shifted-column": (program(NOISE, {"0/1": (insert(2, 3, 4),)}, flush_rows=3), (3,)),
    "stale-count": (program(NOISE, {"0/1": (insert(2), COUNT)}), (3, 4)),
    "stale-index": (program(NOISE, {"0/1": (insert(2), UPDATE, GET)}), (4, 5)),
    "split-scan": (program(NOISE, {"0/1": (insert(2), insert(3)), "0/2": (SCAN,)}), (3, 4, 5)),
    "torn-batch": (program(NOISE, {"0/1": (insert(2, 3, 4),), "0/2": (SCAN,)}), (3, 4)),
    "update-race": (program(NOISE, {"0/1": (insert(2),)}, {"0/1": (UPDATE,), "0/2": (DELETE,)}), (4, 5)),
    "keys-not-per-user": (program(NOISE, {"0/1": (insert(2),), "1/1": (insert(2),)}), (3, 4)),
    "sequence-collision": (program(NOISE, {"0/1": (insert(2),), "0/2": (insert(3),)}), (3,)),
    "refused-batch-seen": (
        program(NOISE, {"0/1": (insert(1, 2, 3),)}, {"0/1": (insert(4, 5, 2),), "0/2": (SCAN,)}),
        (4, 5),
    ),
    "swapped-answers": (
        program(NOISE, {"0/1": (insert(2),)}, {"0/1": (SCAN, insert(3)), "1/1": (SCAN,)}),
        (3, 6),
    ),
    "hot-not-replayed": (program(NOISE, {"0/1": (insert(2), Restart(), Kill())}), (3,)),
    "flush-replayed": (
        program(NOISE, {"0/1": (insert(2, 3), AwaitFlush("t"), DELETE, Restart())}, flush_rows=2),
        (5,),
    ),
    "not-durable": (program(NOISE, {"0/1": (insert(2),)}, {"1/1": (Kill(),)}), (3,)),
}
"""Programs as they are found: by the number of their witness' steps, what a fault leaves of them."""


@pytest.mark.parametrize("fault", FOUND)
def test_what_an_expert_would_write_is_among_the_shapes(fault, tmp_path):
    """Up to names."""
    whole, witness = FOUND[fault]
    known = shapes(whole, core_of(whole, tmp_path, *witness))
    minima = YARDSTICKS[fault].minima
    assert any(same_up_to_names(shape, minimum) for shape in known for minimum in minima), known


def test_what_an_outage_may_bring_back_is_flushed_by_command_where_the_program_does_so(tmp_path):
    """Before it is changed, and waited for: else the change would be flushed as well."""
    whole = program(NOISE, {"0/1": (insert(2), FLUSH, AwaitFlush("t"), DELETE, Restart())})
    minima = YARDSTICKS["flush-replayed"].minima
    known = shapes(whole, core_of(whole, tmp_path, 6))
    assert any(same_up_to_names(shape, minimum) for shape in known for minimum in minima), known
    staying_up = program(NOISE, {"0/1": (insert(2), FLUSH, AwaitFlush("t"), DELETE)})
    ops = [operations(shape, places(shape)) for shape in shapes(staying_up, core_of(staying_up, tmp_path, 6))]
    assert not any(AwaitFlush("t") in some for some in ops)


def test_versions_of_a_row_are_tried_as_what_makes_a_flush_due(tmp_path):
    """Such a flush finds them together, however slowly they came."""
    whole = program(NOISE, {"0/1": (insert(2),)}, {"0/1": (SCAN,), "0/2": (DELETE,)}, flush_rows=4)
    known = shapes(whole, core_of(whole, tmp_path, 5))
    due = [shape for shape in known if shape.tables["t"].flush_rows == 2]
    minima = YARDSTICKS["old-version-flushed"].minima
    assert any(same_up_to_names(shape, minimum) for shape in due for minimum in minima), known


def test_smaller_shapes_come_first_and_none_twice(tmp_path):
    """By operations."""
    whole, witness = FOUND["tombstone-dropped"]
    known = shapes(whole, core_of(whole, tmp_path, *witness))
    sizes = [shape.operations for shape in known]
    assert sizes == sorted(sizes)
    assert all(known.count(shape) == 1 for shape in known)


def test_rows_are_cut_to_those_that_other_steps_or_the_anomaly_name(tmp_path):
    """An update of row 3 is not tried after an insert of row 1 alone; an anomaly may name one as well."""
    update = Update("t", 3, {"v": "new"})
    whole = program({"0/1": (insert(1, 2, 3), update)}, {"0/1": (insert(4, 5, 6),)})
    line = core_of(whole, tmp_path, 1)
    assert line == places(whole)[:2]
    for shape in shapes(whole, line):
        inserts = [op for op in operations(shape, places(shape)) if isinstance(op, Insert)]
        assert any(op.rows[0][0] == 3 for op in inserts)
    alone = core_of(whole, tmp_path, 2)
    assert {shape.rounds[0].lanes["u0/1"][0].op.rows[0][0] for shape in shapes(whole, alone, 5)} >= {5}


def test_of_many_steps_the_last_write_and_what_shows_it_are_taken(tmp_path):
    """A count's witness has every insert."""
    many = [insert(key) for key in range(1, MOST_STEPS + 2)]
    whole = program({"0/1": (*many, COUNT)})
    known = shapes(whole, core_of(whole, tmp_path, *range(len(many) + 1)))
    assert known
    assert {shape.operations for shape in known} == {1, 2, 3}
    assert all(many[-1] in operations(shape, places(shape)) for shape in known)


def test_of_many_steps_those_that_write_the_row_in_question_are_taken_with_what_brings_the_server_down(
    tmp_path,
):
    """A row that was deleted and is back after a restart, in a witness with much else."""
    whole = program(
        {"0/1": (insert(1), insert(2, 3), SCAN, DELETE, insert(4), SCAN, Restart())}, flush_rows=2
    )
    line = core_of(whole, tmp_path, 0, 1, 2, 3, 4, 5)
    assert len(line) > MOST_STEPS
    kept = [operations(shape, places(shape)) for shape in shapes(whole, line, 2)]
    assert [insert(2), DELETE, Restart()] in kept
    assert [insert(2, 3), AwaitFlush("t"), DELETE, Restart()] in kept


def test_what_brings_the_server_down_may_have_no_part_in_it(tmp_path):
    """A row lost in a flush by a program with a kill: smaller without it, and a run takes a fraction."""
    whole = program(NOISE, {"0/1": (insert(2, 3), DELETE, Kill())}, flush_rows=2)
    kept = [operations(shape, places(shape)) for shape in shapes(whole, core_of(whole, tmp_path, 4), 2)]
    assert [insert(2), DELETE] in kept
    assert [insert(2), DELETE, Kill()] in kept
    history = read_history(write_history(whole, tmp_path / "history.jsonl"))
    cuts = [
        [type(operation_at(cut, place)) for place in places(cut)]
        for cut in cut_to_witness(whole, history, sighting("lost-row", (9,)).anomaly)
    ]
    assert cuts.index([Delete]) < cuts.index([Delete, Kill])
    assert cuts[-1] == [type(operation_at(whole, place)) for place in places(whole)]


def test_what_is_back_after_its_delete_is_tried_beside_what_was_written_meanwhile(tmp_path):
    """The witness names the delete and a scan; what brought the row back ran beside the delete."""
    whole = program(
        {"1/1": (insert(2),), "1/2": (insert(1),)},
        {
            "1/1": (DELETE,),
            "1/2": (INCREMENT, UPDATE),
            "1/3": (Increment("t", 1, "n"), Update("t", 2, {"v": "newer"}), GET),
            "0/1": (insert(2),),
        },
        {"1/1": (SCAN,)},
    )
    deleted = next(n for n, place in enumerate(places(whole)) if operation_at(whole, place) == DELETE)
    races = [
        [[step.op for step in lane] for lane in shape.rounds[-1].lanes.values()]
        for shape in shapes(whole, core_of(whole, tmp_path, deleted), 2)
        if len(shape.rounds[-1].lanes) > 1 and shape.operations == 3
    ]
    assert [[DELETE], [INCREMENT]] in races
    assert [[DELETE], [UPDATE]] in races
    assert not any(other in race for race in races for other in ([GET], [Increment("t", 1, "n")]))


def test_a_write_is_tried_beside_what_other_users_asked_for_meanwhile(tmp_path):
    """Where the server goes down, the witness names the insert and the kill, not whose request it met."""
    whole = program(
        {"2/1": (insert(7),)},
        {"0/1": (insert(1),), "0/2": (SCAN,), "1/1": (insert(4, 5), SCAN, insert(6))},
        {"1/1": (GET,)},
        {"0/1": (Kill(),)},
    )
    inserted = next(n for n, place in enumerate(places(whole)) if operation_at(whole, place) == insert(1))
    races = [
        [[step.op for step in lane] for lane in shape.rounds[-1].lanes.values()]
        for shape in shapes(whole, core_of(whole, tmp_path, inserted), None)
        if len(shape.rounds[-1].lanes) > 1 and shape.operations == 2
    ]
    assert [[insert(1)], [insert(4)]] in races
    assert [[insert(1)], [SCAN]] in races
    assert not any([other] in race for race in races for other in (insert(6), GET))


def test_of_several_reads_each_is_tried_alone():
    """The witness of a stale read also names the later one that shows the row again."""
    whole = program({"1/1": (insert(2),)}, {"0/1": (FLUSH,), "1/1": (SCAN,)}, {"1/1": (GET,)})
    core = [places(whole)[0], places(whole)[2], places(whole)[3]]
    kept = [operations(shape, places(shape)) for shape in shapes(whole, core, 2)]
    assert [insert(2), FLUSH, SCAN] in kept
    assert [insert(2), FLUSH, GET] in kept


def test_a_cut_to_what_the_witness_ran_beside_has_the_row_that_they_write(tmp_path):
    """Without its insert there is nothing to race for."""
    whole = program({"1/1": (insert(1), insert(2))}, {"1/1": (DELETE,), "1/2": (INCREMENT,)}, {"1/1": (GET,)})
    history = read_history(write_history(whole, tmp_path / "history.jsonl"))
    cuts = cut_to_witness(whole, history, sighting("lost-row", (5,)).anomaly)
    assert [insert(2), DELETE, INCREMENT] in [operations(cut, places(cut)) for cut in cuts]


def test_a_deleted_row_is_tried_after_that_of_another_user(tmp_path):
    """A flush that mixes up users brings back what one of them deleted, from the other's row."""
    whole = program({"1/1": (insert(2),)}, {"0/1": (insert(2), DELETE, FLUSH)})
    kept = [operations(shape, places(shape)) for shape in shapes(whole, core_of(whole, tmp_path, 2), 2)]
    assert [insert(2), insert(2), DELETE, FLUSH] in kept


def test_of_other_users_inserts_the_one_of_the_same_key_is_tried(tmp_path):
    """Keys that meet though they should not are the same key; not the first that another user inserts."""
    whole = program({"1/1": (insert(4),), "2/1": (insert(5, 2),), "0/1": (insert(2, 3),)})
    last = len(places(whole)) - 1
    assert operation_at(whole, places(whole)[last]) == insert(2, 3)
    kept = [operations(shape, places(shape)) for shape in shapes(whole, core_of(whole, tmp_path, last), 2)]
    assert [insert(2), insert(2)] in kept
    assert [insert(4), insert(2)] not in kept


def test_flushes_are_asked_for_only_as_the_program_asks(tmp_path):
    """A server may have no command for it, or look at its policies once in a minute."""
    for whole, kinds in (
        (program({"0/1": (insert(1, 2), SCAN)}), (False, False)),
        (program({"0/1": (insert(1, 2), SCAN)}, flush_rows=2), (True, False)),
        (program({"0/1": (insert(1, 2), FLUSH, SCAN)}), (False, True)),
    ):
        known = shapes(whole, core_of(whole, tmp_path, 0, len(places(whole)) - 1))
        by_policy = any(shape.tables["t"].flush_rows is not None for shape in known)
        by_command = any(FLUSH in operations(shape, places(shape)) for shape in known)
        assert (by_policy, by_command) == kinds


def test_release_points_stay_with_their_steps(tmp_path):
    """The place in a flush at which it failed is the first to try."""
    whole, witness = FOUND["seen-twice"]
    aimed = Release("flush", fraction=0.8)
    rounds = (*whole.rounds[:-1], Round({"u0/1": (Step(FLUSH),), "u0/2": (Step(SCAN, aimed),)}))
    whole = whole.with_rounds(rounds)
    known = shapes(whole, core_of(whole, tmp_path, *witness))
    assert any(
        Step(SCAN, aimed) in lane for shape in known for r in shape.rounds for lane in r.lanes.values()
    )


def test_a_read_is_tried_beside_one_of_another_user_that_it_ran_beside(tmp_path):
    """Of the same kind, and with few of its writes: its answer may be that of the other one."""
    minima = YARDSTICKS["swapped-answers"].minima
    for read in (SCAN, COUNT, GET):
        whole = program(
            {"0/1": tuple(insert(key) for key in range(2, 8))},
            {"0/1": (read,), "1/1": (insert(9), read), "2/1": (read,)},
        )
        known = shapes(whole, core_of(whole, tmp_path, *range(7)), 2)
        assert any(same_up_to_names(shape, minimum) for shape in known for minimum in minima)
    other = program({"0/1": (insert(2),)}, {"0/1": (SCAN,), "1/1": (COUNT,)})
    assert all("u1/1" not in shape.sessions for shape in shapes(other, core_of(other, tmp_path, 0, 1)))


AGAIN = {name: TableDef(COLUMNS, "id", name=None if name == "t" else "t") for name in ("t", "t_2", "t_3")}


def made_again(*rounds):
    """A program in which a table is created three times, one after another, under one name."""
    whole = program(NOISE, *rounds)
    return Program({**AGAIN, "s": TableDef(COLUMNS, "id", flush_rows=3)}, whole.rounds)


def test_what_came_back_in_a_table_that_was_created_again_takes_one_insert_and_that(tmp_path):
    """Of the tables that had its name, that of the insert and the last: none before them or between."""
    minimum = YARDSTICKS["dropped-rows-return"].minima[0]
    for first in ("t", "t_2"):
        whole = made_again(
            {"0/1": (Insert(first, ((1, "row 1", 0),)),)} if first == "t" else {"0/1": (SCAN,)},
            {"0/1": (Recreate("t_2"),)},
            {"0/1": (Insert(first, ((1, "row 1", 0),)),)} if first == "t_2" else {"1/1": (Select("t_2"),)},
            {"0/1": (Recreate("t_3"),)},
            {"0/1": (Select("t_3"),), "1/1": (Insert("s", ((1, "row 1", 0),)),)},
        )
        written = 3 if first == "t" else 5
        known = shapes(whole, core_of(whole, tmp_path, written, 7))
        assert any(same_up_to_names(shape, minimum) for shape in known)
        assert all(shape.tables.keys() <= {first, "t_3", "s"} for shape in known)


@pytest.mark.parametrize("filled", [False, True])
def test_a_table_that_was_created_again_is_tried_without_that_too(filled, tmp_path):
    """It may have no part in what went wrong; where it may have, the one before it is created first."""
    whole = made_again(
        {"0/1": (Recreate("t_2"),)},
        {"0/1": (Insert("t_2" if filled else "s", ((1, "row 1", 0),)),)},
        {"0/1": (Recreate("t_3"),)},
        {"0/1": (Insert("t_3", ((1, "row 1", 0),)), Select("t_3"))},
    )
    known = shapes(whole, core_of(whole, tmp_path, 6, 7))
    assert {tuple(shape.tables) for shape in known} == {("t_3", "s"), ("t_2", "t_3", "s")}
    for shape in known:
        assert (Recreate("t_3") in operations(shape, places(shape))) == ("t_2" in shape.tables)
    alone = [operations(shape, places(shape)) for shape in known if "t_2" not in shape.tables]
    assert {len(ops) for ops in alone} >= {1, 2}


def test_other_tables_are_there_in_every_shape(tmp_path):
    """Also those to which nothing is done: rows may be shown, or lost, in the wrong one."""
    far = TableDef(COLUMNS, "id", name="t", namespace=1)
    whole = program({"0/1": (insert(1), SCAN)})
    whole = Program({**whole.tables, "t_far": far}, whole.rounds)
    known = shapes(whole, core_of(whole, tmp_path, 0, 1))
    assert known
    assert all(set(shape.tables) == {"t", "t_far"} for shape in known)


def test_what_a_transaction_does_to_a_table_counts_as_done(tmp_path):
    """Where it inserts, its rows are flushed; where its table was created again, that is part of the core."""
    batch = Txn((insert(1), insert(2)))
    whole = program({"0/1": (batch, SCAN)}, flush_rows=2)
    known = shapes(whole, core_of(whole, tmp_path, 0, 1))
    assert any(shape.tables["t"].flush_rows is not None for shape in known)
    again = made_again(
        {"0/1": (Recreate("t_2"),)}, {"0/1": (Txn((Insert("t_2", ((1, "row 1", 0),)),)), Select("t_2"))}
    )
    assert Recreate("t_2") in operations(again, core_of(again, tmp_path, 4, 5))


def test_of_the_table_before_one_that_was_created_again_the_last_insert_is_part_of_the_core(tmp_path):
    """Of the same row, where the witness names one: it is in the way of an insert that is refused for it."""
    old, new = Insert("t_2", ((1, "old", 0),)), Insert("t_3", ((1, "new", 0),))
    whole = made_again(
        {"0/1": (Recreate("t_2"),)},
        {"0/1": (old, Insert("t_2", ((5, "old", 0),))), "1/1": (Insert("t_2", ((1, "other", 0),)),)},
        {"0/1": (Recreate("t_3"),)},
        {"0/1": (new,)},
    )
    kept = core_of(whole, tmp_path, 8)
    assert operations(whole, kept) == [old, Recreate("t_3"), new]
    assert any(
        operations(shape, places(shape)) == operations(whole, kept) for shape in shapes(whole, kept, 1)
    )

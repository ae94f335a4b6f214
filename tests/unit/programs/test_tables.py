"""Several tables in a program: which is there when, drawn, read and made smaller."""

from __future__ import annotations

import pytest
from attrs import evolve

from kalam_props.errors import CorruptInputError
from kalam_props.execution.closing import closing
from kalam_props.history.operations import AwaitFlush, Count, Delete, Flush, Insert, Recreate, Select, Txn
from kalam_props.hunt.amplify import amplified, repetitions
from kalam_props.hunt.explore import draw
from kalam_props.hunt.plainer import fewer_tables
from kalam_props.hunt.size import size
from kalam_props.programs.codec import digest, from_json, to_json
from kalam_props.programs.machines import Tables
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.programs.tables import before, last, misplaced

T = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")
AGAIN = evolve(T, name="t")
FAR = evolve(T, name="t", namespace=1)
ROW = Insert("t", ((1, "a"),))


def program(tables, *rounds):
    """Each round a list of lanes' operations."""
    sessions = ("u0/1", "u0/2", "u0/3")
    return Program(
        tables,
        tuple(
            Round({s: tuple(map(Step, lane)) for s, lane in zip(sessions, lanes, strict=False)})
            for lanes in rounds
        ),
    )


TABLES = {"t": T, "t_2": AGAIN, "t_far": FAR}
GOOD = program(
    TABLES,
    [[ROW], [Insert("t_far", ((1, "b"),))]],
    [[Flush("t"), Recreate("t_2")], [Select("t_far")], [Flush("t", "namespace")]],
    [[Insert("t_2", ((1, "c"),))], [Count("t_2"), AwaitFlush("t_2")]],
)


def test_a_table_that_takes_a_name_follows_the_one_that_had_it():
    """Of the same namespace; what is in another has nothing to do with it."""
    assert (before(GOOD, "t"), before(GOOD, "t_2"), before(GOOD, "t_far")) == (None, "t", None)
    assert last(GOOD) == ["t_2", "t_far"]
    assert misplaced(GOOD) is None


@pytest.mark.parametrize(
    "rounds",
    [
        [[[ROW]]],
        [[[ROW]], [[Recreate("t_2")], [Select("t")]]],
        [[[Recreate("t_2")]], [[ROW]]],
        [[[Recreate("t_2")]], [[Flush("t")]]],
        [[[Recreate("t_2"), Insert("t_2", ((1, "a"),))]]],
        [[[Insert("t_2", ((1, "a"),))]], [[Recreate("t_2")]]],
        [[[Recreate("t_2")]], [[Recreate("t_2")]]],
        [[[Recreate("t")]]],
        [[[Recreate("t_2")]], [[Txn((Delete("t", 1),))]]],
    ],
    ids=[
        *("never made", "read while it goes", "written when gone", "flushed when gone", "at once"),
        *("too early", "made twice", "the first", "in a transaction"),
    ],
)
def test_what_could_reach_another_table_of_the_name_is_no_program(rounds):
    """A seed that says so is refused; nothing could be judged."""
    wrong = program({"t": T, "t_2": AGAIN}, *rounds)
    assert misplaced(wrong) is not None
    with pytest.raises(CorruptInputError, match="table t"):
        from_json(to_json(wrong))


def test_programs_from_before_keep_their_digests():
    """What a table does not say is not in its JSON."""
    assert set(to_json(program({"t": T}, [[ROW]]))["tables"]["t"]) == {"columns", "key", "type", "flush_rows"}
    assert from_json(to_json(GOOD)) == GOOD
    assert digest(GOOD) != digest(program({**TABLES, "t_far": AGAIN}, *[[[ROW]]]))


def test_only_tables_that_are_there_at_the_end_are_read_then():
    """The name of the others leads to another table."""
    read = {step.op.table for r in closing(GOOD) for lane in r.lanes.values() for step in lane}
    assert read == {"t_2", "t_far"}


def test_the_machine_draws_whole_programs_with_every_kind_of_neighbour():
    """Also where a hunt leaves out the kind that made a finding."""
    drawn = draw(Tables, programs=60, random_seed=5)
    for one in drawn:
        assert misplaced(one) is None
        assert from_json(to_json(one)) == one
    assert all(any(before(one, name) for name in one.tables) for one in drawn)
    assert any(table.namespace for one in drawn for table in one.tables.values())
    assert any(len(last(one)) > 1 for one in drawn)
    for left_out in ("insert", "recreate", "flush"):
        machine = type("Without", (Tables,), {"without": frozenset({left_out})})
        assert all(misplaced(one) is None for one in draw(machine, programs=20, random_seed=6))


def test_shrinking_tries_fewer_tables():
    """Without one; two as one; and a lone one under its own name. Each is smaller."""
    smaller = [one for one in fewer_tables(GOOD) if misplaced(one) is None]
    assert all(size(one) < size(GOOD) for one in smaller)
    sets = [set(one.tables) for one in smaller]
    assert {"t", "t_2"} in sets
    assert {"t_far"} not in sets
    merged = next(one for one in smaller if set(one.tables) == {"t", "t_far"} and one.operations == 7)
    assert Insert("t", ((1, "c"),)) in [
        s.op for r in merged.rounds for lane in r.lanes.values() for s in lane
    ]


def test_a_table_is_created_once_a_run():
    """A rare failure with one is not repeated within a run."""
    assert repetitions(GOOD, 0.05) == 1
    assert amplified(GOOD, 3) == GOOD

"""Keys of several types: different numbers are different keys, in every operation that names one."""

from __future__ import annotations

import uuid

import pytest
from attrs import evolve

from kalam_props.history.operations import After, Delete, Flush, Get, Increment, Insert, Select, Txn, Update
from kalam_props.hunt.explore import draw
from kalam_props.hunt.plainer import plain_tables, small_keys
from kalam_props.hunt.size import size
from kalam_props.programs.codec import from_json, to_json
from kalam_props.programs.keys import KEY_TYPES, key_of, rekeyed, with_key_type
from kalam_props.programs.machines import Keys, UuidKeys
from kalam_props.programs.model import Program, Round, Step, TableDef

TABLE = TableDef((("v", "TEXT"), ("id", "BIGINT")), "id")


@pytest.mark.parametrize("type_", [*KEY_TYPES, "BIGINT"])
def test_different_numbers_are_different_keys(type_):
    """Also where they look alike to people: that is what they are for."""
    assert len({key_of(number, type_) for number in range(200)}) == 200


def test_texts_differ_in_little():
    """In case only, by a blank at the end, and one begins another; the other case is three later."""
    texts = [key_of(number, "TEXT") for number in range(70)]
    assert texts[3].swapcase() == texts[0]
    assert any(a != b and a.lower() == b.lower() for a in texts for b in texts)
    assert any(a != b and a.strip() == b.strip() for a in texts for b in texts)
    assert "k1" in texts
    assert "k10" in texts


def test_a_uuid_is_written_as_a_server_prints_it():
    """Else a row that comes back would not be the row that was sent."""
    assert str(uuid.UUID(key_of(7, "UUID"))) == key_of(7, "UUID")


def test_every_key_of_the_table_is_changed_and_nothing_else():
    """In rows, conditions, pages and transactions; another table keeps its own."""
    ops = (
        Insert("t", (("a", 1),)),
        Update("t", 2, {"v": "b"}),
        Increment("t", 3, "n"),
        Delete("t", 4),
        Get("t", 5),
        Select("t", After(6, 10)),
        Select("t"),
        Flush("t"),
        Txn((Delete("t", 7),)),
        Delete("s", 8),
    )
    changed = [rekeyed(op, "t", TABLE, lambda key: f"k{key}") for op in ops]
    assert changed == [
        Insert("t", (("a", "k1"),)),
        Update("t", "k2", {"v": "b"}),
        Increment("t", "k3", "n"),
        Delete("t", "k4"),
        Get("t", "k5"),
        Select("t", After("k6", 10)),
        Select("t"),
        Flush("t"),
        Txn((Delete("t", "k7"),)),
        Delete("s", 8),
    ]


def test_the_machine_draws_each_type_and_its_programs_are_whole():
    """Every key fits its table's type, and a program survives its file."""
    drawn = [p for seed in (1, 2) for p in draw(Keys, programs=20, random_seed=seed)]
    drawn += draw(UuidKeys, programs=10, random_seed=3)
    assert {program.tables["t"].key_type for program in drawn} == set(KEY_TYPES)
    for program in drawn:
        assert from_json(to_json(program)) == program


def test_shrinking_numbers_keys_within_their_type_and_tries_plain_ones():
    """A failure that needs texts keeps them, small; one that does not comes down to numbers."""
    ops = (Insert("t", (("a", "k9'"), ("b", "K3"))), Delete("t", "K3"))
    typed = Program(
        {"t": evolve(TABLE, columns=(("v", "TEXT"), ("id", "TEXT")))},
        tuple(Round({"u0/1": (Step(op),)}) for op in ops),
    )
    (small,) = small_keys(typed)
    first, second = key_of(1, "TEXT"), key_of(2, "TEXT")
    assert small.rounds[0].lanes["u0/1"][0].op.rows == (("a", first), ("b", second))
    assert small.rounds[1].lanes["u0/1"][0].op.key == second
    plain = with_key_type(typed, "t", "BIGINT", {"k9'": 1, "K3": 2}.__getitem__)
    assert plain in list(plain_tables(typed))
    assert size(plain) < size(typed)

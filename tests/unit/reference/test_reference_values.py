"""Column types: what is stored, and how it is written in an answer."""

from __future__ import annotations

import pytest
from server_process import Refused, flush

CASES = [
    ("BIGINT", "9223372036854775807", "BigInt", "9223372036854775807"),
    ("BIGINT", "1.5", "BigInt", "1"),
    ("BIGINT", "'12'", "BigInt", "12"),
    ("INT", "-5", "Int", -5),
    ("SMALLINT", "7", "SmallInt", 7),
    ("TEXT", "123", "Text", "123"),
    ("VARCHAR(2)", "'longer'", "Text", "longer"),
    ("BOOLEAN", "true", "Boolean", True),
    ("BOOLEAN", "0", "Boolean", False),
    ("DOUBLE", "1e308", "Double", 1e308),
    ("DOUBLE", "-0.0", "Double", 0.0),
    ("FLOAT", "0.1", "Float", 0.10000000149011612),
    ("DECIMAL(10,2)", "1.555", {"Decimal": {"precision": 10, "scale": 2}}, "1.56"),
    ("DECIMAL(10,2)", "1.5", {"Decimal": {"precision": 10, "scale": 2}}, "1.50"),
    ("TIMESTAMP", "'2026-01-02T03:04:05.000006+01:00'", "Timestamp", 1767319445000006),
    ("TIMESTAMP", "17", "Timestamp", 17),
    ("DATE", "'1970-01-11'", "Date", 10),
    ("TIME", "'00:00:01.5'", "Time", 1_500_000),
    ("UUID", "'123E4567-e89b-12d3-a456-426614174000'", "Uuid", "123e4567-e89b-12d3-a456-426614174000"),
    ("JSON", "'{not checked'", "Json", "{not checked"),
    ("BYTES", "'ab'", "Bytes", [97, 98]),
    ("EMBEDDING(3)", "'[1, 2, 3]'", {"Embedding": 3}, [1.0, 2.0, 3.0]),
]


@pytest.mark.parametrize(("sql_type", "literal", "data_type", "answer"), CASES)
def test_value_is_the_same_hot_and_cold(root, sql_type, literal, data_type, answer):
    """A value is answered in its JSON form, and NULL as null, before and after a flush."""
    root.run("DROP TABLE IF EXISTS ns.typed")
    root.run(f"CREATE USER TABLE ns.typed (id BIGINT PRIMARY KEY, c {sql_type})")
    root.run(f"INSERT INTO ns.typed (id, c) VALUES (1, {literal}), (2, NULL)")
    for _ in range(2):
        result = root.run("SELECT c FROM ns.typed ORDER BY id")
        assert result["schema"] == [{"name": "c", "data_type": data_type, "index": 0}]
        assert result["rows"] == [[answer], [None]]
        flush(root, "ns.typed")


@pytest.mark.parametrize(
    ("sql_type", "literal"),
    [
        ("INT", "2147483648"),
        ("SMALLINT", "32768"),
        ("UUID", "'no'"),
        ("DECIMAL(4,2)", "100"),
        ("BIGINT", "'x'"),
    ],
)
def test_value_that_does_not_fit_is_refused(root, sql_type, literal):
    """Overflow and nonsense are refused with the name of the type; nothing is stored."""
    root.run("DROP TABLE IF EXISTS ns.typed")
    root.run(f"CREATE USER TABLE ns.typed (id BIGINT PRIMARY KEY, c {sql_type})")
    with pytest.raises(Refused, match="Unable to cast value"):
        root.run(f"INSERT INTO ns.typed (id, c) VALUES (1, {literal})")
    assert root.rows("SELECT COUNT(*) FROM ns.typed") == [["0"]]


def test_omitted_columns_get_defaults_or_zero(root):
    """A default function or literal fills an omitted column; NOT NULL without one is 0 or empty."""
    root.run("DROP TABLE IF EXISTS ns.typed")
    root.run(
        "CREATE USER TABLE ns.typed (id BIGINT PRIMARY KEY DEFAULT SNOWFLAKE_ID(), "
        "at TIMESTAMP DEFAULT NOW(), who TEXT DEFAULT CURRENT_USER(), u TEXT DEFAULT UUID_V7(), "
        "ul TEXT DEFAULT ULID(), lit TEXT DEFAULT 'it''s', num INT DEFAULT -3, "
        "must INT NOT NULL, text TEXT NOT NULL, free TEXT)"
    )
    root.run("INSERT INTO ns.typed (free) VALUES ('a'), ('b')")
    rows = root.rows("SELECT id, at, who, u, ul, lit, num, must, text, free FROM ns.typed ORDER BY free")
    (first, second) = rows
    assert int(first[0]) < int(second[0])
    assert first[1] > 1_700_000_000_000_000
    assert first[2] == "root"
    assert (len(first[3]), len(first[4])) == (36, 26)
    assert first[5:] == ["it's", -3, 0, "", "a"]


def test_omitted_primary_key_without_default_is_zero_once(root, table):
    """The second row without a key is a duplicate of 0."""
    root.run(f"INSERT INTO {table} (v) VALUES ('a')")
    with pytest.raises(Refused, match="value '0' already exists"):
        root.run(f"INSERT INTO {table} (v) VALUES ('b')")


@pytest.mark.parametrize(
    "key_type", ["TEXT", "INT", "UUID", "DOUBLE", "DECIMAL(10,2)", "TIMESTAMP", "BOOLEAN"]
)
def test_primary_key_of_any_type(root, key_type):
    """Uniqueness, point reads and deletes work for every kind of key, hot and cold."""
    literals = {
        "TEXT": ("'k'", "'l'"),
        "UUID": ("'123e4567-e89b-12d3-a456-426614174000'", "'123e4567-e89b-12d3-a456-426614174001'"),
        "TIMESTAMP": ("'2026-01-01T00:00:00Z'", "'2026-01-02T00:00:00Z'"),
        "BOOLEAN": ("true", "false"),
    }
    one, two = literals.get(key_type, ("1", "2"))
    root.run("DROP TABLE IF EXISTS ns.keyed")
    root.run(f"CREATE USER TABLE ns.keyed (k {key_type} PRIMARY KEY, v TEXT)")
    root.run(f"INSERT INTO ns.keyed (k, v) VALUES ({one}, 'one'), ({two}, 'two')")
    for tier in ("hot", "cold"):
        with pytest.raises(Refused, match="Primary key violation"):
            root.run(f"INSERT INTO ns.keyed (k, v) VALUES ({one}, 'again')")
        assert root.rows(f"SELECT v FROM ns.keyed WHERE k = {two}") == [["two"]], tier
        flush(root, "ns.keyed")
    assert root.affected(f"UPDATE ns.keyed SET v = 'new' WHERE k = {one}") == 1
    assert root.affected(f"DELETE FROM ns.keyed WHERE k = {two}") == 1
    assert root.rows("SELECT v FROM ns.keyed") == [["new"]]

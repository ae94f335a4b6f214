"""Literals: what a server reads is the value, and `kalam`'s own scanner stays in step."""

from __future__ import annotations

import re

import pytest
import sqlglot
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kalam_props.drivers.literals import carriable, literal, one_line, pieces, statements, text_literal

awkward = st.text(st.sampled_from("'\"\\;\n\r\t -/*aé😀\u2028\x85\x07fileE()")) | st.text(
    st.characters(exclude_categories=["Cs"])
)

KALAM_READS = re.compile(
    r"""(?: [^'"] | '(?:[^'\\]|\\.|'')*'(?!') | "(?:[^"\\]|\\.|"")*"(?!") )*""", re.DOTALL | re.VERBOSE
)
"""What `kalam` 0.4.3-rc.4 accepts: quotes closed, a backslash escaping any character, no comments."""


def read_back(sql: str) -> object:
    """The value of the only expression, as a SQL parser sees it."""
    (expression,) = sqlglot.parse_one(f"SELECT {sql}", read="postgres").expressions
    return expression.this


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (-5, "-5"),
        (2**63 - 1, "9223372036854775807"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        ("", "''"),
        ("it's", "'it''s'"),
        ('a"b', "'a\"b'"),
        ("back\\slash", "'back\\slash'"),
        ("a\\", "'a\\'/*'*/"),
        ("a\\'b", "'a\\''b'/*'*/"),
    ],
)
def test_a_value_is_written_as_sql(value, sql):
    """Doubled quotes; a comment after a literal whose end `kalam` would miss."""
    assert literal(value) == sql


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_no_column_holds_infinity(value):
    """It is an error of the caller, not of the server."""
    with pytest.raises(ValueError, match="no SQL literal"):
        literal(value)
    assert not carriable(value, "http")


@given(awkward)
@example("\\")
@example("'\\")
def test_a_server_reads_the_text_that_was_meant(text):
    """Whatever quotes, comments and backslashes are in it."""
    assume("\0" not in text)
    assert read_back(text_literal(text)) == text


@given(st.lists(awkward, min_size=1, max_size=4))
@example(["a\\", '\\"', "\\'"])
def test_kalams_scanner_is_in_step_after_each_literal(texts):
    """Else it refuses the statement as an unterminated string."""
    sql = f"INSERT INTO t VALUES ({', '.join(map(text_literal, texts))})"
    assert KALAM_READS.fullmatch(sql)


@given(awkward)
@example("a\n\\")
@example(";\n")
@example("\n\n'\r\\")
def test_a_statement_for_a_session_is_one_line_and_says_the_same(text):
    """A session trims lines, and ends statements at the ends of lines."""
    assume("\0" not in text)
    line = one_line(f"SELECT {text_literal(text)} AS v")
    assert "\n" not in line
    assert KALAM_READS.fullmatch(line)
    (column,) = sqlglot.parse_one(line, read="postgres").expressions
    assert column.this.this == text


def test_one_line_leaves_other_statements_as_they_are():
    """Line breaks outside of literals are blanks; a comment to the end of its line is left out."""
    assert one_line("SELECT 'a\\b' AS v") == "SELECT 'a\\b' AS v"
    assert one_line("SELECT 1, -- one\n 2") == "SELECT 1,  2"


@pytest.mark.parametrize(
    ("value", "carried_by"),
    [
        ("plain", {"process", "session", "http"}),
        ("line\n\n break;\n", {"process", "session", "http"}),
        ("-- comment", {"process", "session", "http"}),
        ("zero\0byte", {"http"}),
        ("x" * 100_000, {"session", "http"}),
        ("\ud800", set()),
        ("File (x)", set()),
        ("profile", {"process", "session", "http"}),
        (5, {"process", "session", "http"}),
        (None, {"process", "session", "http"}),
    ],
)
def test_it_is_known_when_drawing_which_driver_carries_a_value(value, carried_by):
    """An argument ends at a zero byte and has a size; half a character is not UTF-8; `file(` is an upload."""
    assert {name for name in ("process", "session", "http") if carriable(value, name)} == carried_by


@given(st.lists(awkward.map(text_literal) | st.sampled_from(["; ", " a ", "/* ; */", "-- ;\n", '"n;"'])))
def test_pieces_put_together_are_the_statement(parts):
    """Nothing is lost and nothing added."""
    assert "".join(pieces("".join(parts))) == "".join(parts)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a; b;", ["a", "b"]),
        (";;", []),
        ("x 'a;''b;' ; y", ["x 'a;''b;'", "y"]),
        ("x 'a\\'/*'*/; y", ["x 'a\\'/*'*/", "y"]),
    ],
)
def test_statements_are_cut_at_semicolons_outside_of_literals(sql, expected):
    """A comment that brings `kalam` back in step is a comment."""
    assert statements(sql) == expected

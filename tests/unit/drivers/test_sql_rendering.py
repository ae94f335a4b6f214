"""Each operation as SQL, and each answer as what the operation asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalam_props.drivers.protocol import Reply, Result
from kalam_props.drivers.sql import (
    SCAN_LIMIT,
    Answer,
    MalformedAnswerError,
    execute_as,
    interpret,
    render,
    render_over,
)
from kalam_props.history.events import TableShape
from kalam_props.history.operations import (
    AddColumn,
    After,
    AwaitFlush,
    Compact,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Pause,
    Select,
    Subscribe,
    Txn,
    Update,
)
from kalam_props.programs.model import TableDef

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id")
SHAPE = TableShape("user", TABLE.column_names, "id")


@pytest.mark.parametrize(
    ("op", "sql"),
    [
        (Insert("t", ((1, "a", 0),)), "INSERT INTO ns.t (id, v, n) VALUES (1, 'a', 0)"),
        (
            Insert("t", ((1, "a", 0), (2, None, True))),
            "INSERT INTO ns.t (id, v, n) VALUES (1, 'a', 0), (2, NULL, TRUE)",
        ),
        (
            Insert("t", ((1, "a;", 0), (2, "b", 0), (3, "c", 0)), (1, 2)),
            (
                "INSERT INTO ns.t (id, v, n) VALUES (1, 'a;', 0); "
                "INSERT INTO ns.t (id, v, n) VALUES (2, 'b', 0), (3, 'c', 0)"
            ),
        ),
        (Update("t", 1, {"v": "it's", "n": -2}), "UPDATE ns.t SET v = 'it''s', n = -2 WHERE id = 1"),
        (Increment("t", 1, "n", 3), "UPDATE ns.t SET n = n + 3 WHERE id = 1"),
        (Increment("t", 1, "n", -3), "UPDATE ns.t SET n = n - 3 WHERE id = 1"),
        (Delete("t", 1), "DELETE FROM ns.t WHERE id = 1"),
        (Select("t"), "SELECT id, v, n FROM ns.t LIMIT 1000"),
        (Select("t", After(7, 20)), "SELECT id, v, n FROM ns.t WHERE id > 7 ORDER BY id LIMIT 20"),
        (Select("t", After(7, 9999)), "SELECT id, v, n FROM ns.t WHERE id > 7 ORDER BY id LIMIT 1000"),
        (Get("t", 1), "SELECT id, v, n FROM ns.t WHERE id = 1 LIMIT 1000"),
        (Count("t"), "SELECT COUNT(*) FROM ns.t"),
        (Flush("t"), "STORAGE FLUSH TABLE ns.t"),
        (Flush("t", "namespace"), "STORAGE FLUSH ALL IN ns"),
        (Compact("t"), "STORAGE COMPACT TABLE ns.t"),
        (AddColumn("t", "x1"), "ALTER TABLE ns.t ADD COLUMN x1 TEXT"),
        (Txn((Delete("t", 1),), rollback=True), "BEGIN; DELETE FROM ns.t WHERE id = 1; ROLLBACK"),
        (
            Txn((Delete("t", 1), Increment("t", 2, "n"))),
            "BEGIN; DELETE FROM ns.t WHERE id = 1; UPDATE ns.t SET n = n + 1 WHERE id = 2; COMMIT",
        ),
    ],
)
def test_an_operation_is_one_request(op, sql):
    """Columns by name, and a scan never without its limit: a server silently gives 50 rows."""
    assert render(op, "ns.t", TABLE) == sql


@pytest.mark.parametrize("op", [AwaitFlush("t"), Pause(5), Subscribe("t")])
def test_what_is_no_request_is_not_rendered(op):
    """Waiting and subscribing are not SQL."""
    with pytest.raises(ValueError, match=r"not a request|no table"):
        render(op, "ns.t", TABLE)


def test_rows_of_statements_must_add_up():
    """A program that says otherwise is wrong, and is not sent."""
    with pytest.raises(ValueError, match="cannot be cut"):
        render(Insert("t", ((1, "a", 0),), (1, 1)), "ns.t", TABLE)


def test_a_transaction_may_go_over_several_tables():
    """Each operation with the name and columns of its own table."""
    other = TableDef((("k", "BIGINT"),), "k")
    tables = {"t": ("ns.t", TABLE), "u": ("ns.u", other)}
    assert render_over(Txn((Count("t"), Select("u"))), tables) == (
        "BEGIN; SELECT COUNT(*) FROM ns.t; SELECT k FROM ns.u LIMIT 1000; COMMIT"
    )


def test_each_statement_is_wrapped_to_run_as_another_user():
    """The bounds of a transaction are the caller's own."""
    text = render(Txn((Insert("t", ((1, "a;b", 0),)), Count("t"))), "ns.t", TABLE)
    assert execute_as(text, "ann") == (
        "BEGIN; EXECUTE AS USER 'ann' (INSERT INTO ns.t (id, v, n) VALUES (1, 'a;b', 0)); "
        "EXECUTE AS USER 'ann' (SELECT COUNT(*) FROM ns.t); COMMIT"
    )
    assert execute_as("SELECT 1", "ann", "EXECUTE AS") == "EXECUTE AS 'ann' (SELECT 1)"


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_first_80_bytes_are_ascii(first, second):
    """KalamDB's client dies of a statement whose 80th byte is inside a character, and sends nothing."""
    for op in (
        Insert("t", ((1, first, 0), (2, second, 0)), (1, 1)),
        Update("t", 1, {"v": first}),
        Get("t", first),
    ):
        text = render(op, "t", TABLE)
        assert text.encode()[:80].isascii()
        assert execute_as(text, "u").encode()[:80].isascii()


def test_blanks_for_the_80_bytes_stand_between_values():
    """The literal itself stays as it is."""
    text = render(Insert("t", ((1, "a'é", 0),)), "t", TABLE)
    assert text.split() == ["INSERT", "INTO", "t", "(id,", "v,", "n)", "VALUES", "(1,", "'a''é',", "0)"]
    assert text.index("'a''é'") == 80


def reply(*results: Result) -> Reply:
    return Reply(results=results)


def wrote(message: str, count: int) -> Result:
    return Result(row_count=count, message=message)


def test_rows_come_in_the_order_of_the_tables_columns():
    """Whatever order, and whatever more, the server gives."""
    result = Result(columns=("_seq", "n", "id", "v"), rows=((9, 3, 1, "a"),))
    assert interpret(Select("t"), reply(result), SHAPE) == Answer(rows=((1, "a", 3),), complete=True)


def test_as_many_rows_as_the_limit_are_not_all_rows():
    """What is absent from them proves nothing."""
    rows = tuple((i, "", 0) for i in range(SCAN_LIMIT))
    full = Result(columns=SHAPE.columns, rows=rows)
    assert not interpret(Select("t"), reply(full), SHAPE).complete
    page = Result(columns=SHAPE.columns, rows=rows[:2])
    assert not interpret(Select("t", After(0, 2)), reply(page), SHAPE).complete
    assert interpret(Select("t", After(0, 3)), reply(page), SHAPE).complete


def test_a_count_is_a_number():
    """Named as the server likes."""
    result = Result(columns=("count(*)",), rows=((7,),))
    assert interpret(Count("t"), reply(result), SHAPE) == Answer(count=7)
    as_text = Result(columns=("count(*)",), rows=(("7",),))
    assert interpret(Count("t"), reply(as_text), SHAPE) == Answer(count=7)


@pytest.mark.parametrize(
    "results",
    [(), (Result(columns=("id", "v"), rows=()),), (wrote("Inserted 1 row(s)", 1),)],
)
def test_an_answer_without_the_columns_asked_for_is_none(results):
    """To take it for an empty table would accuse the server of losing every row."""
    with pytest.raises(MalformedAnswerError):
        interpret(Select("t"), reply(*results), SHAPE)


@pytest.mark.parametrize("rows", [(), ((),), ((None,),), (("many",),), ((True,),), ((1,), (2,)), ((1, 2),)])
def test_a_count_that_is_no_number_is_no_answer(rows):
    """No row, no value, more than one of either."""
    with pytest.raises(MalformedAnswerError, match="no number"):
        interpret(Count("t"), reply(Result(columns=("count(*)",), rows=rows)), SHAPE)


def test_counts_of_an_insert_in_several_statements_are_summed():
    """One server sums them itself, another answers each."""
    op = Insert("t", ((1, "", 0), (2, "", 0), (3, "", 0)), (1, 2))
    assert interpret(op, reply(wrote("Inserted 3 row(s)", 3)), SHAPE) == Answer(affected=3)
    apart = reply(wrote("Inserted 1 row(s)", 1), wrote("Inserted 2 row(s)", 2))
    assert interpret(op, apart, SHAPE) == Answer(affected=3)


def test_a_transactions_answers_are_told_apart_as_far_as_they_can_be():
    """Reads come in order; writes summed by kind, so two of a kind have no counts of their own."""
    op = Txn(
        (Insert("t", ((1, "", 0),)), Count("t"), Update("t", 1, {"n": 1}), Delete("t", 2), Delete("t", 3))
    )
    answer = reply(
        Result(row_count=0, message="Transaction started (x)"),
        Result(columns=("count(*)",), rows=((4,),)),
        Result(row_count=0, message="Transaction committed (x)"),
        wrote("Inserted 1 row(s)", 1),
        wrote("Updated 0 row(s)", 0),
        wrote("Deleted 1 row(s)", 1),
    )
    assert interpret(op, answer, SHAPE).results == ({"affected": 1}, {"count": 4}, {"affected": 0}, {}, {})


def test_a_flush_answers_nothing_that_is_judged():
    """That a job was queued says neither that it runs nor that it ended."""
    assert interpret(Flush("t"), reply(wrote("Storage flush started", 0)), SHAPE) == Answer()

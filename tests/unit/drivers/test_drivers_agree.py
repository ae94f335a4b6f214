"""Every driver says the same of the same answer, so that a finding of one can be confirmed with another."""

from __future__ import annotations

import pytest
from scripted_server import ScriptedServer, answer, refusal, rows, success, written

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.process import process_driver
from kalam_props.drivers.protocol import Credential, Driver, Result
from kalam_props.drivers.session import session_driver
from kalam_props.history.events import MALFORMED
from kalam_props.reference.client import client_command


@pytest.fixture(params=["process", "session", "http"])
def driver(request, tmp_path) -> Driver:
    if request.param == "http":
        return HttpDriver()
    make = process_driver if request.param == "process" else session_driver
    return make(client_command(), tmp_path)


def reply_to(driver: Driver, script, sql: str = "SELECT 1"):
    with ScriptedServer(script) as server:
        connection = driver.connect(Credential("root", token="T"), url=server.url)
        try:
            return connection.execute(sql, deadline_s=20)
        finally:
            connection.close()


def test_integers_are_numbers_and_other_values_stay_as_they_are(driver):
    """KalamDB prints BIGINT as text; values with parts become JSON text."""
    columns = [
        ("b", "BigInt"),
        ("i", "Int"),
        ("t", "Text"),
        ("d", "Double"),
        ("o", "Boolean"),
        ("y", "Bytes"),
    ]
    columns.append(("m", {"Decimal": {"precision": 10, "scale": 2}}))
    values = ["-9223372036854775808", 5, "12", 1.5, True, [1, 2], "1.50"]
    nulls = [None] * len(columns)
    reply = reply_to(driver, answer(rows(columns, [values, nulls])))
    assert reply.results == (
        Result(
            columns=("b", "i", "t", "d", "o", "y", "m"),
            rows=((-(2**63), 5, "12", 1.5, True, "[1,2]", "1.50"), (None,) * 7),
            row_count=2,
            as_user="root",
        ),
    )


@pytest.mark.parametrize(
    "document",
    [
        rows([("id", "BigInt")], [["1", "2"]]),
        rows([("id", "BigInt")], [["one"]]),
        success({"columns": ["id"], "rows": [{"other": 1}]}),
        success({"schema": [{"name": "id", "data_type": "BigInt"}], "rows": [{"id": 1}]}),
    ],
)
def test_rows_that_do_not_fit_their_schema_are_a_wrong_answer(driver, document):
    """To guess would accuse the server of losing rows; what was done is open, and its words are kept."""
    reply = reply_to(driver, answer(document))
    assert (reply.results, reply.done) == ((), None)
    assert (reply.error.code, reply.error.server_code) == ("server", MALFORMED)
    assert '"rows"' in reply.error.message


def test_text_of_any_kind_comes_back(driver):
    """What JSON escapes and what a terminal would mangle."""
    text = "é😀\u2028 \\ \" ' \n\r\t\x00\x1b[31m {\n}\n"
    assert reply_to(driver, answer(rows([("v", "Text")], [[text]]))).results[0].rows == ((text,),)


def test_a_thousand_rows_come_whole(driver):
    """More than one read, and more than a pipe holds."""
    values = [[str(i), "x" * 200] for i in range(1000)]
    reply = reply_to(driver, answer(rows([("id", "BigInt"), ("v", "Text")], values)))
    assert reply.results[0].rows == tuple((i, "x" * 200) for i in range(1000))


def test_every_result_of_a_request_is_there(driver):
    """Reads and writes, in the server's order."""
    document = success({"row_count": 0, "message": "Transaction started"}, written("Inserted 2 row(s)", 2))
    reply = reply_to(driver, answer(document), "BEGIN; x; COMMIT")
    assert [result.message for result in reply.results] == ["Transaction started", "Inserted 2 row(s)"]
    assert [result.row_count for result in reply.results] == [0, 2]


@pytest.mark.parametrize(
    ("status", "message", "code", "done", "before"),
    [
        (
            400,
            "Statement 1 failed: Primary key violation: value '1' already exists",
            "duplicate-key",
            False,
            0,
        ),
        (
            400,
            "Statement 3 failed: Primary key violation: value '1' already exists",
            "duplicate-key",
            None,
            2,
        ),
        (403, "Statement 1 failed: Permission denied: no", "permission", False, 0),
        (429, "Too many queries per second. Please slow down.", "rate-limit", False, None),
        (500, "Internal error", "server", None, None),
    ],
)
def test_a_refusal_means_the_same(driver, status, message, code, done, before):
    """Whether it was read from HTTP or from what the client printed."""
    reply = reply_to(driver, refusal(status, message, "SQL_EXECUTION_ERROR"), "INSERT; INSERT; INSERT")
    assert (reply.error.code, reply.error.message) == (code, message)
    assert (reply.done, reply.done_statements) == (done, before)

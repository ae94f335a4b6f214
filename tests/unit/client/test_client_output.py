"""What the compatible client prints: byte for byte what KalamDB's 0.4.3-rc.4 printed for these documents."""

from __future__ import annotations

import pytest
from client_run import ask
from scripted_server import ScriptedServer, answer, refusal, rows, success, written

PK = {"name": "id", "data_type": "BigInt", "index": 0, "flags": ["pk", "nn", "uq"]}
V = {"name": "v", "data_type": "Text", "index": 1}
TWO_COLUMNS = {"schema": [PK, V], "rows": [["1", "one"], ["2", 'two, "q"'], ["3", None]], "row_count": 3}


def printed(document: object, *flags: str) -> str:
    with ScriptedServer(answer(document)) as server:
        run = ask(server.url, "SELECT 1", *flags)
    assert (run.code, run.err) == (0, "")
    return run.out


def test_json_is_indented_by_two_and_keeps_numbers_as_they_were_written():
    """Keys in their order, no `error` key on success, unknown keys left out."""
    document = (
        b'{"error":null,"took":6.135,"status":"success","results":[{"as_user":"root","rows":[["1",1e+308,1.50,'
        b'null,true,"\\u00e9\\u0001\\n"]],"schema":[],"row_count":1,"extra":1}]}'
    )
    assert printed(document, "--json") == (
        '{\n  "status": "success",\n  "results": [\n    {\n      "rows": [\n        [\n          "1",\n'
        '          1e+308,\n          1.50,\n          null,\n          true,\n          "é\\u0001\\n"\n'
        '        ]\n      ],\n      "row_count": 1,\n      "as_user": "root"\n    }\n  ],\n  "took": 6.135\n'
        "}\n"
    )


def test_json_shows_every_result_and_an_empty_list_of_rows():
    """`rows: []` is an answer; a missing `rows` is none."""
    empty = {"schema": [V], "rows": [], "row_count": 0}
    out = printed(success(empty, written("Inserted 2 row(s)", 2)), "--format=json")
    assert '"rows": [],' in out
    assert '"message": "Inserted 2 row(s)"' in out


def test_csv_quotes_what_needs_it_and_ends_with_an_empty_line():
    """SQL NULL and the text NULL look alike in CSV."""
    assert printed(success(TWO_COLUMNS), "--csv") == 'id,v\n1,one\n2,"two, ""q"""\n3,NULL\n\n'


def test_csv_of_no_rows_and_of_a_write_is_an_empty_line():
    """Not even a header."""
    assert printed(success({**TWO_COLUMNS, "rows": [], "row_count": 0}), "--csv") == "\n"
    assert printed(success(written("Updated 1 row(s)", 1)), "--csv") == "\n"


def test_a_table_is_drawn_with_a_count_and_a_footer():
    """Table and CSV show the first result only."""
    first = {**TWO_COLUMNS, "as_user": "root"}
    assert printed(success(first, written("Inserted 1 row(s)", 1))) == (
        "┌────┬──────────┐\n"
        "│ id │ v        │\n"
        "├────┼──────────┤\n"
        "│ 1  │ one      │\n"
        '│ 2  │ two, "q" │\n'
        "│ 3  │ NULL     │\n"
        "└────┴──────────┘\n"
        "(3 rows)\n\nAs: root\nTook: 1.500 ms\n"
    )


def test_a_table_cuts_long_cells_only_when_it_would_not_fit():
    """At most 32 wide when the line is longer than 80."""
    long = rows([("a", "Text"), ("b", "Text")], [["x" * 100, "y"]])
    line = printed(long).splitlines()[3]
    assert line == "│ " + "x" * 29 + "... │ y │"
    assert "x" * 60 in printed(rows([("a", "Text")], [["x" * 60]]))


def test_a_write_shows_its_message_and_count():
    """In table format."""
    assert printed(success(written("Inserted 1 row(s)", 1))) == (
        "Inserted 1 row(s)\nQuery OK, 1 rows affected\n\nAs: root\nTook: 1.500 ms\n"
    )


def test_times_are_shown_as_iso_8601():
    """Microseconds since the epoch for TIMESTAMP, days for DATE."""
    document = rows([("t", "Timestamp"), ("d", "Date")], [[1735726272345000, 19782]])
    assert printed(document, "--csv") == "t,d\n2025-01-01T10:11:12.345Z,2024-02-29T00:00:00.000Z\n\n"


@pytest.mark.parametrize("flag", ["--json", "--csv", "--format=table"])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Statement 1 failed: Table not found: Error during planning: table 'kalam.ns.t' not found"),
        (400, "sql parser error: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1"),
        (
            403,
            "Statement 1 failed: Permission denied: Access denied: Role 'User' cannot access 'system.jobs'.",
        ),
        (429, "Too many queries per second. Please slow down."),
        (500, "Internal error"),
    ],
)
def test_a_refusal_is_one_line_on_standard_error_in_every_format(flag, status, message):
    """Exit code 1 and nothing on standard output, also with --json."""
    with ScriptedServer(refusal(status, message)) as server:
        run = ask(server.url, "SELECT 1", flag)
    assert (run.code, run.out, run.err) == (1, "", f"Error: Server error ({status}): {message}\n")

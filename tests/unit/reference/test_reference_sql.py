"""What statements answer: messages, counts, envelopes and refusals, as a KalamDB server words them."""

from __future__ import annotations

import json

import pytest
from server_process import Client, Refused, flush


def refused(client, sql, **body):
    with pytest.raises(Refused) as caught:
        client.results(sql, **body)
    return caught.value


def test_single_select_has_a_null_error_and_is_sent_in_chunks(server, table):
    """One SELECT alone has the key `error` and no content length; other answers have neither."""
    client = Client(server.port, server.login())
    status, body = client.post("/v1/api/sql", {"sql": f"SELECT id FROM {table}"})
    assert (status, list(body)) == (200, ["status", "results", "took", "error"])
    (result,) = body["results"]
    assert list(result) == ["schema", "rows", "row_count", "as_user"]
    assert result["schema"] == [
        {"name": "id", "data_type": "BigInt", "index": 0, "flags": ["pk", "nn", "uq"]}
    ]
    status, body = client.post("/v1/api/sql", {"sql": f"INSERT INTO {table} (id) VALUES (1)"})
    assert (status, list(body)) == (200, ["status", "results", "took"])
    assert body["results"] == [{"row_count": 1, "message": "Inserted 1 row(s)", "as_user": "root"}]


def test_star_adds_the_system_columns(root, table):
    """`SELECT *` ends with `_seq`, a string, and `_deleted`; a column added later comes after them."""
    root.run(f"INSERT INTO {table} (id, v) VALUES (1, 'a')")
    root.run(f"ALTER TABLE {table} ADD COLUMN late TEXT DEFAULT 'x'")
    root.run(f"INSERT INTO {table} (id, v) VALUES (2, 'b')")
    result = root.run(f"SELECT * FROM {table} ORDER BY id")
    assert [field["name"] for field in result["schema"]] == ["id", "v", "n", "_seq", "_deleted", "late"]
    first, second = result["rows"]
    assert int(first[3]) < int(second[3])
    assert [first[:3], first[4:]] == [["1", "a", None], [False, None]]
    assert second[5] == "x"


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("UPDATE {t} SET v = 'b' WHERE id = 1", "Updated 1 row(s)"),
        ("UPDATE {t} SET v = 'a' WHERE id = 1", "Updated 0 row(s)"),
        ("UPDATE {t} SET n = n + 1 WHERE id = 1", "Updated 0 row(s)"),
        ("UPDATE {t} SET n = n + 1 WHERE id = 2", "Updated 1 row(s)"),
        ("UPDATE {t} SET n = COALESCE(n, 0) + 1 WHERE id > 0", "Updated 2 row(s)"),
        ("UPDATE {t} SET v = 'b' WHERE id = 9", "Updated 0 row(s)"),
        ("DELETE FROM {t} WHERE id = 1", "Deleted 1 row(s)"),
        ("DELETE FROM {t} WHERE id = 9", "Deleted 0 row(s)"),
        ("DELETE FROM {t} WHERE n > 0 OR v = 'a'", "Deleted 2 row(s)"),
        ("INSERT INTO {t} (id, v) VALUES (3, 'c'), (-4, NULL)", "Inserted 2 row(s)"),
        ("INSERT INTO {t} (id, n) SELECT id + 10, n FROM {t}", "Inserted 2 row(s)"),
    ],
)
@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_writes_count_the_rows_that_changed(root, table, tier, statement, answer):
    """Rows (1, 'a', NULL) and (2, 'b', 5), hot or cold: a write counts only what it changed."""
    root.run(f"INSERT INTO {table} (id, v, n) VALUES (1, 'a', NULL), (2, 'b', 5)")
    if tier == "cold":
        flush(root, table)
    assert root.run(statement.format(t=table))["message"] == answer


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("SELEC 1", "INVALID_SQL", "sql parser error: Expected: an SQL statement, found: SELEC at Line: 1"),
        ("SELECT 'open", "INVALID_SQL", "sql parser error: "),
        ("", "EMPTY_SQL", "No SQL statements provided"),
        (" ; -- nothing", "EMPTY_SQL", "No SQL statements provided"),
        (
            "SELECT * FROM ns.nope",
            "SQL_EXECUTION_ERROR",
            "Statement 1 failed: Table not found: Error during planning: table 'kalam.ns.nope' not found",
        ),
        ("SELECT nope FROM {t}", "SQL_EXECUTION_ERROR", "No field named nope"),
        (
            "INSERT INTO {t} (id) VALUES (1)",
            "SQL_EXECUTION_ERROR",
            (
                "Statement 1 failed: Execution error: Raft error: Internal error: Provider error: "
                "Execution error: Failed to insert batch: Already exists: Primary key violation: value '1' "
                "already exists in column 'id'"
            ),
        ),
        (
            "INSERT INTO {t} (id) VALUES (3), (3)",
            "SQL_EXECUTION_ERROR",
            "value '3' appears multiple times in the insert batch",
        ),
        ("INSERT INTO {t} (nope) VALUES (1)", "SQL_EXECUTION_ERROR", "Column 'nope' does not exist"),
        ("INSERT INTO {t} VALUES (7)", "SQL_EXECUTION_ERROR", "same schema length as the table"),
        (
            "INSERT INTO {t} (id) VALUES (NULL)",
            "SQL_EXECUTION_ERROR",
            "NOT NULL constraint violation: column 'id' cannot be NULL (row 1)",
        ),
        ("INSERT INTO {t} (id) VALUES (9223372036854775808)", "SQL_EXECUTION_ERROR", "Unable to cast value"),
        (
            "UPDATE {t} SET id = 2 WHERE id = 1",
            "SQL_EXECUTION_ERROR",
            "UPDATE cannot modify primary key column 'id'",
        ),
        ("UPDATE {t} SET v = 'x'", "SQL_EXECUTION_ERROR", "UPDATE requires a WHERE clause"),
        ("DELETE FROM {t} WHERE 1 = 1", "SQL_EXECUTION_ERROR", "DELETE requires a WHERE clause"),
        ("STORAGE FLUSH TABLE ns.nope", "SQL_EXECUTION_ERROR", "Not found: Table ns.nope not found"),
        ("STORAGE FLUSH TABLE nope", "INVALID_SQL", "qualified"),
        ("COMMIT", "SQL_EXECUTION_ERROR", "Invalid operation"),
        (
            "CREATE TABLE nope.t (id BIGINT PRIMARY KEY)",
            "SQL_EXECUTION_ERROR",
            "Namespace 'nope' does not exist",
        ),
        ("CREATE USER TABLE ns.k (id BIGINT)", "INVALID_SQL", "User tables require a PRIMARY KEY column"),
        (
            "CREATE TABLE ns.k (id BIGINT PRIMARY KEY) WITH (NOSUCH='x')",
            "INVALID_SQL",
            "Unknown table option 'NOSUCH'",
        ),
        (
            "CREATE TABLE ns.k (id BIGINT PRIMARY KEY) WITH (TYPE='USER', FLUSH_POLICY='rows=10')",
            "INVALID_SQL",
            "Invalid FLUSH_POLICY format 'rows=10'. Expected 'key:value'",
        ),
        ("CREATE USER 'a/b' WITH PASSWORD 'p' ROLE user", "SQL_EXECUTION_ERROR", "a/b"),
        ("DROP USER 'root'", "SQL_EXECUTION_ERROR", "root"),
        ("EXECUTE AS USER 'x' (SELECT 1; SELECT 2)", "INVALID_INPUT", "EXECUTE AS USER missing closing ')'"),
        ("EXECUTE AS USER '' (SELECT 1)", "INVALID_INPUT", "EXECUTE AS USER"),
    ],
)
def test_refusals_have_code_and_words(root, table, statement, code, text):
    """A refusal is a 400 that says what was wrong, and leaves the one row that is there alone."""
    root.run(f"INSERT INTO {table} (id) VALUES (1)")
    refusal = refused(root, statement.format(t=table))
    assert (refusal.status, refusal.code) == (400, code)
    assert text in refusal.message
    assert root.rows(f"SELECT id, v, n FROM {table}") == [["1", None, None]]


def test_parse_error_anywhere_runs_nothing(root, table):
    """A request of several statements is parsed as a whole before its first statement runs."""
    refused(root, f"INSERT INTO {table} (id) VALUES (1); SELEC 2")
    assert root.rows(f"SELECT COUNT(*) FROM {table}") == [["0"]]


def test_statements_before_a_refused_one_stand(root, table):
    """Outside a transaction each statement commits alone; the answer names the one that was refused."""
    refusal = refused(
        root,
        f"INSERT INTO {table} (id) VALUES (1); INSERT INTO {table} (id) VALUES (1); "
        f"INSERT INTO {table} (id) VALUES (2)",
    )
    assert refusal.message.startswith("Statement 2 failed: ")
    assert root.rows(f"SELECT id FROM {table}") == [["1"]]


def test_results_of_several_statements_are_regrouped(root, table):
    """Queries come first in order, then writes, summed by kind."""
    results = root.results(
        f"INSERT INTO {table} (id) VALUES (1); SELECT COUNT(*) FROM {table}; "
        f"INSERT INTO {table} (id) VALUES (2), (3); SELECT COUNT(*) FROM {table}; "
        f"UPDATE {table} SET v = 'x' WHERE id = 1; DELETE FROM {table} WHERE id = 3"
    )
    assert [result.get("rows") or result["message"] for result in results] == [
        [["1"]],
        [["3"]],
        "Inserted 3 row(s)",
        "Updated 1 row(s)",
        "Deleted 1 row(s)",
    ]


def test_transaction_reads_its_own_writes_and_commits_at_once(root, table):
    """Inside, a transaction sees what it wrote; its messages name it."""
    results = root.results(
        f"BEGIN; INSERT INTO {table} (id, n) VALUES (1, 1); UPDATE {table} SET n = n + 1 WHERE id = 1; "
        f"SELECT id, n FROM {table}; DELETE FROM {table} WHERE id = 1; "
        f"INSERT INTO {table} (id, n) VALUES (1, 7); COMMIT"
    )
    started, rows, committed = results[:3]
    assert started["message"].startswith("Transaction started (")
    assert rows["rows"] == [["1", "2"]]
    assert committed["message"].startswith("Transaction committed (")
    assert [result["message"] for result in results[3:]] == [
        "Inserted 2 row(s)",
        "Updated 1 row(s)",
        "Deleted 1 row(s)",
    ]
    assert root.rows(f"SELECT id, n FROM {table}") == [["1", "7"]]


@pytest.mark.parametrize(
    "end",
    [
        "ROLLBACK",
        "",
        "INSERT INTO {t} (id) VALUES (0); COMMIT",
        "CREATE NAMESPACE inside_a_transaction; COMMIT",
    ],
)
def test_transaction_that_does_not_commit_leaves_nothing(root, table, end):
    """Rolled back, left open or refused in the middle: no write of it is there."""
    root.run(f"INSERT INTO {table} (id) VALUES (0)")
    sql = (
        f"BEGIN; INSERT INTO {table} (id) VALUES (1); DELETE FROM {table} WHERE id = 0; {end.format(t=table)}"
    )
    if end == "ROLLBACK":
        root.results(sql)
    elif end.startswith("INSERT"):
        root.results(sql.replace("VALUES (0); COMMIT", "VALUES (5); ROLLBACK"))
    else:
        refused(root, sql)
    assert root.rows(f"SELECT id FROM {table}") == [["0"]]


def test_duplicate_in_a_transaction_undoes_all_of_it(root, table):
    """A statement refused inside a transaction is named, and nothing of the transaction stays."""
    root.run(f"INSERT INTO {table} (id) VALUES (0)")
    refusal = refused(
        root, f"BEGIN; INSERT INTO {table} (id) VALUES (1); INSERT INTO {table} (id) VALUES (0); COMMIT"
    )
    assert refusal.message.startswith("Statement 4 failed: ")  # the COMMIT, where it is found
    assert "Primary key violation" in refusal.message
    assert root.rows(f"SELECT id FROM {table}") == [["0"]]


def test_select_without_limit_answers_50_rows_and_never_more_than_1000(root, table):
    """The default limit is 50, a limit of one's own is cut to 1,000, both silently."""
    for start in (0, 600):
        rows = ", ".join(f"({key})" for key in range(start, start + 600))
        root.run(f"INSERT INTO {table} (id) VALUES {rows}")
    assert len(root.rows(f"SELECT id FROM {table}")) == 50
    assert len(root.rows(f"SELECT id FROM {table} LIMIT 5000")) == 1000
    page = root.rows(f"SELECT id FROM {table} WHERE id > 700 ORDER BY id LIMIT 3")
    assert page == [["701"], ["702"], ["703"]]
    assert root.rows(f"SELECT COUNT(*), MAX(id) FROM {table}") == [["1200", "1199"]]


def test_column_names_of_expressions(root, table):
    """Names of computed columns are those of the query engine, with the table in full."""
    result = root.run(f"SELECT COUNT(*), SUM(n), MIN(v) FROM {table}")
    assert [field["name"] for field in result["schema"]] == ["count(*)", f"sum({table}.n)", f"min({table}.v)"]
    assert result["rows"] == [["0", None, None]]


def test_parameters_stand_for_values(root, table):
    """`$1` is a value, whatever it contains; a request of several statements may not have any."""
    root.run(f"INSERT INTO {table} (id, v) VALUES ($1, $2)", params=[7, 'it\'s; -- "q" $1'])
    assert root.rows(f"SELECT v FROM {table} WHERE id = $1", params=[7]) == [['it\'s; -- "q" $1']]
    assert refused(root, "SELECT $1; SELECT 2", params=[1]).code == "PARAMS_WITH_BATCH"


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        'a "b"',
        ";",
        "-- no comment",
        "/* nor */",
        " outer ",
        "",
        "a\nb\r\n\tc",
        "\\",
        "\0",
        "é😀",
        "x" * 10_000,
    ],
)
@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_awkward_text_comes_back_as_it_was(root, table, tier, text):
    """Every text survives, hot and cold."""
    literal = "'" + text.replace("'", "''") + "'"
    root.run(f"INSERT INTO {table} (id, v) VALUES (1, {literal})")
    if tier == "cold":
        flush(root, table)
    assert root.rows(f"SELECT v FROM {table}") == [[text]]


def test_bodies_that_are_no_request(server):
    """Bad JSON and a missing `sql` are INVALID_INPUT; GET is not there."""
    client = server.client()
    token = server.login()
    for content in (b"{", b"[]", b'{"query": "SELECT 1"}', b'{"sql": 1}'):
        status, body = client.post("/v1/api/sql", content, {"authorization": f"Bearer {token}"})
        assert (status, body["error"]["code"]) == (400, "INVALID_INPUT")
    assert client.get("/v1/api/sql")[0] == 404
    too_long = json.dumps({"sql": "SELECT '" + "x" * 1_048_576 + "'"}).encode()
    status, body = client.post("/v1/api/sql", too_long, {"authorization": f"Bearer {token}"})
    assert status == 400
    assert body["error"]["message"].startswith("SQL query too long: ")


def test_dropped_and_created_again_is_empty(root, table):
    """A table made again under the same name has nothing of the old one, hot or cold."""
    root.run(f"INSERT INTO {table} (id) VALUES (1)")
    flush(root, table)
    root.run(f"INSERT INTO {table} (id) VALUES (2)")
    message = root.run(f"DROP TABLE {table}")["message"]
    assert message.startswith(f"Table {table} dropped successfully. Cleanup job: CL-")
    root.run(f"CREATE USER TABLE {table} (id BIGINT PRIMARY KEY)")
    assert root.rows(f"SELECT COUNT(*) FROM {table}") == [["0"]]
    assert root.run(f"DROP TABLE IF EXISTS {table}x")["message"].endswith("does not exist (skipped)")


def test_dropping_a_namespace_drops_its_tables(root):
    """With CASCADE and without."""
    for ending in ("", " CASCADE"):
        root.run("CREATE NAMESPACE gone")
        root.run("CREATE USER TABLE gone.t (id BIGINT PRIMARY KEY)")
        root.run(f"DROP NAMESPACE gone{ending}")
        assert "not found" in refused(root, "SELECT * FROM gone.t").message


def test_columns_change_and_old_rows_stay_readable(root, table):
    """ADD, DROP and RENAME COLUMN over hot and cold rows; a name used again is a new column."""
    root.run(f"INSERT INTO {table} (id, v, n) VALUES (1, 'cold', 1)")
    flush(root, table)
    root.run(f"INSERT INTO {table} (id, v, n) VALUES (2, 'hot', 2)")
    assert root.run(f"ALTER TABLE {table} DROP COLUMN n")["message"] == (
        f"Table {table} altered successfully: DROP COLUMN n (version 2)"
    )
    root.run(f"ALTER TABLE {table} ADD COLUMN n TEXT")
    root.run(f"ALTER TABLE {table} RENAME COLUMN v TO w")
    root.run(f"UPDATE {table} SET n = 'new' WHERE w = 'cold'")
    assert root.rows(f"SELECT id, w, n FROM {table} ORDER BY id") == [
        ["1", "cold", "new"],
        ["2", "hot", None],
    ]
    flush(root, table)
    assert root.rows(f"SELECT id, w, n FROM {table} ORDER BY id") == [
        ["1", "cold", "new"],
        ["2", "hot", None],
    ]


def test_what_the_command_line_client_asks_at_its_start(root, table):
    """The statements of a `kalam` shell's start are answered with rows."""
    for sql in (
        "SELECT name FROM system.namespaces LIMIT 1",
        "SELECT name FROM system.namespaces ORDER BY name",
        "SELECT table_name, namespace_id FROM system.tables",
        "SELECT table_schema, table_name FROM information_schema.tables",
        "SELECT table_schema, table_name, column_name FROM information_schema.columns LIMIT 1000",
        (
            "SELECT cluster_id, node_id, role, status, api_addr, is_self, is_leader, version "
            "FROM system.cluster ORDER BY node_id"
        ),
        "SHOW NAMESPACES",
        f"DESCRIBE TABLE {table}",
        "SELECT 1 AS auth_check",
    ):
        assert root.rows(sql), sql

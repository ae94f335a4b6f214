"""What was seen of a KalamDB server and its `kalam` 0.4.3-rc.4, held against the reference and its client.

Each fact is literal: what was sent, and what came back. Where the real server errs (it takes quotes into a
user's name, or refuses a re-insert inside a transaction) it is not copied, and no fact stands here.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from server_process import Client, Refused

from kalam_props.reference.client import client_command

JOB, UUID = "<job>", "<uuid>"
_PATTERNS = {
    JOB: r"[A-Z]{2}-[0-9a-f]{12}",
    UUID: r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
}


def matches(text, expected):
    pattern = re.escape(expected)
    for name, inner in _PATTERNS.items():
        pattern = pattern.replace(re.escape(name), inner)
    return re.fullmatch(pattern, text) is not None


@pytest.fixture(scope="module")
def ns(server):
    """A namespace `facts` with `facts.t (id BIGINT PRIMARY KEY, v TEXT, n BIGINT)`, and users of it."""
    client = server.client()
    client.run("CREATE NAMESPACE facts")
    client.run("CREATE USER TABLE facts.t (id BIGINT PRIMARY KEY, v TEXT, n BIGINT)")
    client.run("INSERT INTO facts.t (id, v, n) VALUES (1, 'one', 5)")
    client.run("CREATE USER 'fact1' WITH PASSWORD 'p' ROLE user")
    yield server
    client.close()


MESSAGES = [
    ("CREATE NAMESPACE IF NOT EXISTS facts", ["Namespace 'facts' already exists"]),
    (
        "CREATE USER TABLE IF NOT EXISTS facts.t (id BIGINT PRIMARY KEY)",
        ["CREATE TABLE via Raft consensus: user table facts.t created successfully"],
    ),
    ("DROP TABLE IF EXISTS facts.nope", ["Table facts.nope does not exist (skipped)"]),
    ("BEGIN; COMMIT", [f"Transaction started ({UUID})", f"Transaction committed ({UUID})"]),
    (
        "BEGIN; INSERT INTO facts.t (id) VALUES (900); ROLLBACK",
        [f"Transaction started ({UUID})", f"Transaction rolled back ({UUID})", "Inserted 1 row(s)"],
    ),
    ("UPDATE facts.t SET n = 5 WHERE id = 1", ["Updated 0 row(s)"]),
    ("INSERT INTO facts.t VALUES (910, 'x', 1)", ["Inserted 1 row(s)"]),
    (
        "BEGIN; UPDATE facts.t SET v = 'y' WHERE id = 910; DELETE FROM facts.t WHERE id = 999; COMMIT",
        [f"Transaction started ({UUID})", f"Transaction committed ({UUID})", "Updated 1 row(s)"],
    ),
    ("DROP NAMESPACE IF EXISTS facts_nope", ["Namespace 'facts_nope' does not exist"]),
    (
        "STORAGE FLUSH ALL IN facts_nope",
        ["Storage flush skipped: no pending writes in namespace 'facts_nope'"],
    ),
    ("DELETE FROM facts.t WHERE id = 999", ["Deleted 0 row(s)"]),
    (
        "CREATE USER TABLE facts.gone (id BIGINT PRIMARY KEY); DROP TABLE facts.gone",
        [
            "CREATE TABLE via Raft consensus: user table facts.gone created successfully",
            f"Table facts.gone dropped successfully. Cleanup job: {JOB}",
        ],
    ),
    (
        "CREATE USER TABLE facts.f (id BIGINT PRIMARY KEY); STORAGE FLUSH TABLE facts.f",
        [
            "CREATE TABLE via Raft consensus: user table facts.f created successfully",
            "Storage flush skipped: no pending writes for table 'facts.f'",
        ],
    ),
    (
        "CREATE USER 'fact2' WITH PASSWORD 'p' ROLE user; DROP USER 'fact2'",
        ["User 'fact2' created successfully", "User 'fact2' dropped (soft delete)"],
    ),
]


@pytest.mark.parametrize(("sql", "messages"), MESSAGES)
def test_messages(ns, sql, messages):
    """What statements that are no queries answer, each its message and as whom it ran."""
    results = ns.client().results(sql)
    assert len(results) == len(messages)
    for result, message in zip(results, messages, strict=True):
        assert matches(result["message"], message), result
        assert set(result) == {"row_count", "message", "as_user"}
        assert result["as_user"] == "root"


REFUSALS = [
    (
        "CREATE NAMESPACE facts",
        400,
        "SQL_EXECUTION_ERROR",
        "Already exists: Namespace 'facts' already exists",
    ),
    (
        "CREATE USER TABLE facts.t (id BIGINT PRIMARY KEY)",
        400,
        "SQL_EXECUTION_ERROR",
        "Already exists: Table facts.t already exists",
    ),
    (
        "DROP TABLE facts.nope",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 1 failed: Not found: Table 'nope' not found in namespace 'facts'",
    ),
    (
        "ALTER TABLE facts.nope ADD COLUMN x TEXT",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 1 failed: Not found: Table 'nope' not found in namespace 'facts'",
    ),
    (
        "ALTER TABLE facts.t ADD COLUMN v TEXT",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 1 failed: Invalid operation: Column 'v' already exists",
    ),
    (
        "SELECT nope FROM facts.t",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Statement 1 failed: Invalid operation: Schema error: No field named nope. "
            "Valid fields are facts.t.id, facts.t.v, facts.t.n, facts.t._seq, facts.t._deleted."
        ),
    ),
    (
        "UPDATE facts.t SET nope = 9 WHERE id = 1",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Statement 1 failed: Invalid operation: Schema error: No field named nope. "
            "Valid fields are facts.t.id, facts.t.v, facts.t.n, facts.t._seq, facts.t._deleted."
        ),
    ),
    (
        "UPDATE facts.t SET id = 9 WHERE id = 1",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Statement 1 failed: Already exists: UPDATE operation on table 'facts.t'\ncaused by\n"
            "Error during planning: UPDATE cannot modify primary key column 'id'"
        ),
    ),
    (
        "DELETE FROM facts.t",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Statement 1 failed: Execution error: DELETE operation on table 'facts.t'\ncaused by\n"
            "Error during planning: DELETE requires a WHERE clause"
        ),
    ),
    (
        "INSERT INTO facts.t (id) VALUES (2), (2)",
        400,
        "SQL_EXECUTION_ERROR",
        "Primary key violation: value '2' appears multiple times in the insert batch for column 'id'",
    ),
    (
        "INSERT INTO facts.t (id, v) VALUES (NULL, 'x')",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Statement 1 failed: Execution error: Raft error: Internal error: Provider error: "
            "Execution error: Failed to insert batch: Constraint violation: Execution error: "
            "NOT NULL constraint violation: column 'id' cannot be NULL (row 1)"
        ),
    ),
    (
        "INSERT INTO facts.t (id) VALUES (3) ON CONFLICT DO NOTHING",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 1 failed: Execution error: Error during planning: Insert-on clause not supported",
    ),
    (
        "BEGIN; INSERT INTO facts.t (id) VALUES (902); INSERT INTO facts.t (id) VALUES (1); COMMIT",
        400,
        "SQL_EXECUTION_ERROR",
        (
            "Raft error: Provider error: Execution error: Failed to insert batch row: Already exists: "
            "Primary key violation: value '1' already exists in column 'id'"
        ),
    ),
    (
        "BEGIN; CREATE TABLE facts.x (id BIGINT PRIMARY KEY); COMMIT",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 2 failed: Invalid operation: DDL is not allowed inside explicit transaction '",
    ),
    (
        "BEGIN; BEGIN; COMMIT",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 2 failed: Conflict: request owner 'sql-req-",
    ),
    (
        "COMMIT",
        400,
        "SQL_EXECUTION_ERROR",
        "Statement 1 failed: Invalid operation: COMMIT requires an active explicit SQL transaction",
    ),
    (
        "INSERT INTO facts.t (id) VALUES (54); SELEC 1",
        400,
        "INVALID_SQL",
        "sql parser error: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1",
    ),
    ("TRUNCATE TABLE facts.t", 400, "INVALID_SQL", "Unsupported statement type: TRUNCATE TABLE facts.t"),
    (
        "CREATE USER TABLE facts.x (id BIGINT PRIMARY KEY, id TEXT)",
        400,
        "INVALID_SQL",
        "Invalid CREATE TABLE statement: Duplicate column name 'id'. Column names are case-insensitive.",
    ),
    (
        "CREATE USER TABLE facts.x (id BIGINT PRIMARY KEY, v NO_SUCH_TYPE)",
        400,
        "INVALID_SQL",
        "Invalid CREATE TABLE statement: Unsupported custom data type 'no_such_type'",
    ),
    (
        "CREATE TABLE facts.x (id BIGINT PRIMARY KEY) WITH (TYPE = 'NOSUCH')",
        400,
        "INVALID_SQL",
        "Invalid CREATE TABLE statement: Invalid TYPE option 'NOSUCH'. Supported: USER, SHARED, STREAM",
    ),
    ("EXECUTE AS USER '' (SELECT 1)", 400, "INVALID_INPUT", "EXECUTE AS USER username cannot be empty"),
    (
        "EXECUTE AS USER 'x' ()",
        400,
        "INVALID_INPUT",
        "EXECUTE AS USER requires a non-empty inner SQL statement",
    ),
    (
        "EXECUTE AS USER 'x' (STORAGE FLUSH TABLE facts.t)",
        403,
        "PERMISSION_DENIED",
        "Statement 1 failed: Unauthorized: STORAGE FLUSH TABLE requires Service, DBA, or System role",
    ),
    (
        "EXECUTE AS USER 'x' (DROP TABLE facts.t)",
        403,
        "PERMISSION_DENIED",
        "Statement 1 failed: Unauthorized: Insufficient privileges to drop this table",
    ),
    (
        "CREATE TABLE nowhere.t (id BIGINT PRIMARY KEY)",
        400,
        "SQL_EXECUTION_ERROR",
        "Namespace 'nowhere' does not exist. Create it first with CREATE NAMESPACE nowhere",
    ),
    ("STORAGE FLUSH TABLE facts.nope", 400, "SQL_EXECUTION_ERROR", "Not found: Table facts.nope not found"),
    (
        "BEGIN; INSERT INTO facts.t (id) VALUES (901)",
        400,
        "SQL_EXECUTION_ERROR",
        "Request completed with an open explicit transaction; rolled back automatically",
    ),
    (
        "CREATE USER 'fact1' WITH PASSWORD 'p' ROLE user",
        400,
        "SQL_EXECUTION_ERROR",
        "Already exists: User 'fact1' already exists",
    ),
    ("EXECUTE AS USER 'x' (SELECT 1; SELECT 2)", 400, "INVALID_INPUT", "EXECUTE AS USER missing closing ')'"),
    (
        "EXECUTE AS USER 'x' (SELECT * FROM system.users)",
        403,
        "PERMISSION_DENIED",
        (
            "Permission denied: Error during planning: Access denied: Role 'User' cannot access table "
            "'system.users'. System tables require 'dba' or 'system' role."
        ),
    ),
    ("SELECT " + "1" * 1_048_570, 400, "INVALID_SQL", "SQL query too long: "),
]


@pytest.mark.parametrize(("sql", "status", "code", "words"), REFUSALS, ids=[sql[:40] for sql, *_ in REFUSALS])
def test_refusals(ns, sql, status, code, words):
    """Status, code, and the words behind `Statement n failed: `, where a statement failed."""
    with pytest.raises(Refused) as caught:
        ns.client().results(sql)
    refused = caught.value
    assert (refused.status, refused.code) == (status, code)
    assert words in refused.message
    assert (refused.body["status"], refused.body["results"]) == ("error", [])


@pytest.mark.parametrize(
    ("sql", "status", "code", "message"),
    [
        ("SELECT * FROM facts.nope", 400, "SQL_EXECUTION_ERROR", "SQL statement failed"),
        ("SELEC 1", 400, "INVALID_SQL", "SQL statement is invalid or not allowed"),
        (
            "INSERT INTO facts.t (nope) VALUES (1)",
            400,
            "SQL_EXECUTION_ERROR",
            "Statement 1 failed: Invalid operation: Column 'nope' does not exist",
        ),
        (
            "EXECUTE AS USER 'fact9' (SELECT 1)",
            403,
            "PERMISSION_DENIED",
            (
                "Unauthorized: EXECUTE AS USER is not authorized: actor 'fact1' with "
                "role User cannot target 'fact9' with role User"
            ),
        ),
    ],
)
def test_what_role_user_is_told(ns, sql, status, code, message):
    """Some messages are masked for it, and it never gets `details`."""
    client = ns.client(ns.login("fact1", "p"))
    with pytest.raises(Refused) as caught:
        client.results(sql)
    assert (caught.value.status, caught.value.body["error"]) == (status, {"code": code, "message": message})


@pytest.mark.parametrize(
    ("sql", "name", "data_type", "value"),
    [
        ("SELECT COUNT(*) FROM facts.t WHERE id < 0", "count(*)", "BigInt", "0"),
        ("SELECT SUM(n) FROM facts.t WHERE id < 0", "sum(facts.t.n)", "BigInt", None),
        ("SELECT 1", "Int64(1)", "BigInt", "1"),
        ("SELECT v FROM facts.t WHERE id = 1", "v", "Text", "one"),
    ],
)
def test_columns_of_expressions(ns, sql, name, data_type, value):
    """Names as the query engine gives them; a count of nothing is 0, a sum NULL; BIGINT is text."""
    result = ns.client().run(sql)
    (column,) = result["schema"]
    assert (column["name"], column["data_type"], column["index"]) == (name, data_type, 0)
    assert result["rows"] == [[value]]


def test_as_user_of_one_statement_is_its_user_and_of_several_the_caller(ns):
    """Two inserts of two users come as one result."""
    client = ns.client()
    one = client.run("EXECUTE AS USER 'facta' (INSERT INTO facts.t (id) VALUES (1))")
    assert (one["message"], one["as_user"]) == ("Inserted 1 row(s)", "facta")
    both = client.run(
        "EXECUTE AS USER 'facta' (INSERT INTO facts.t (id) VALUES (2)); "
        "EXECUTE AS USER 'factb' (INSERT INTO facts.t (id) VALUES (2))"
    )
    assert (both["message"], both["as_user"]) == ("Inserted 2 row(s)", "root")


def test_login_answers(ns):
    """Keys of a login in their order; a wrong password and an unknown user are the same to a client."""
    status, body = Client(ns.port, None).post("/v1/api/auth/login", {"user": "fact1", "password": "p"})
    assert status == 200
    assert list(body) == [
        "user",
        "admin_ui_access",
        "expires_at",
        "access_token",
        "refresh_token",
        "refresh_expires_at",
    ]
    assert list(body["user"]) == ["id", "role", "email", "created_at", "updated_at"]
    for user in ("fact1", "nobody"):
        answer = Client(ns.port, None).post("/v1/api/auth/login", {"user": user, "password": "wrong"})
        assert answer == (401, {"error": "unauthorized", "message": "Invalid credentials"})


CLIENT = [
    (
        ("-c", "CREATE NAMESPACE facts_cli"),
        0,
        "Namespace 'facts_cli' created successfully\nQuery OK, 0 rows affected\n\nAs: root\nTook: <ms> ms\n",
        "",
    ),
    (
        ("-c", "INSERT INTO facts.t (id) VALUES (70)"),
        0,
        "Inserted 1 row(s)\nQuery OK, 1 rows affected\n\nAs: root\nTook: <ms> ms\n",
        "",
    ),
    (("--csv", "-c", "SELECT id, v FROM facts.t WHERE id = 1"), 0, "id,v\n1,one\n\n", ""),
    (("--csv", "-c", "SELECT id FROM facts.t WHERE id = -1"), 0, "\n", ""),
    (("--csv", "-c", "DELETE FROM facts.t WHERE id = -1"), 0, "\n", ""),
    (
        ("--json", "-c", "SELECT id FROM facts.nope"),
        1,
        "",
        (
            "Error: Server error (400): Statement 1 failed: Table not found: Error during planning: "
            "table 'kalam.facts.nope' not found\n"
        ),
    ),
    (
        ("-c", "SELEC 1"),
        1,
        "",
        (
            "Error: Server error (400): sql parser error: Expected: an SQL statement, found: SELEC at "
            "Line: 1, Column: 1\n"
        ),
    ),
    (("-c", ""), 1, "", "Error: Parse error: Empty command\n"),
    (("-c", ";"), 1, "", "Error: Server error (400): No SQL statements provided\n"),
    (
        ("-f", "x", "-c", "SELECT 1"),
        1,
        "",
        "Error: Configuration error: Cannot specify both --file and --command\n",
    ),
    (("-f", "/dev/null"), 0, "", ""),
    (
        ("--json", "-c", "DELETE FROM facts.t WHERE id = -1"),
        0,
        (
            '{\n  "status": "success",\n  "results": [\n    {\n      "row_count": 0,\n'
            '      "message": "Deleted 0 row(s)",\n      "as_user": "root"\n    }\n  ],\n  "took": <ms>\n}\n'
        ),
        "",
    ),
]


@pytest.mark.parametrize(("arguments", "code", "out", "err"), CLIENT, ids=[" ".join(a) for a, *_ in CLIENT])
def test_client(ns, arguments, code, out, err):
    """Exit code, standard output and standard error of the compatible client, against a real server."""
    url = f"http://127.0.0.1:{ns.port}"
    ended = subprocess.run(
        [*client_command(), "-u", url, "--token", ns.login(), "--no-color", "--no-spinner", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
        text=True,
    )
    pattern = re.escape(out).replace(re.escape("<ms>"), r"\d+(\.\d+)?")
    assert (ended.returncode, ended.stderr) == (code, err)
    assert re.fullmatch(pattern, ended.stdout), ended.stdout

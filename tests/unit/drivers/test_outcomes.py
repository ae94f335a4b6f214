"""What an error says of the operation, in words recorded from KalamDB 0.4.3-rc.4 and its client."""

from __future__ import annotations

import pytest

from kalam_props.drivers import outcome
from kalam_props.drivers.process import server_error
from kalam_props.history.events import Error

DUPLICATE = (
    "Statement 1 failed: Execution error: Raft error: Internal error: Provider error: Execution error: "
    "Failed to insert batch: Already exists: Primary key violation: value '1' already exists in column 'id'"
)
COMMIT = (
    "Statement 4 failed: Invalid operation: failed to commit transaction 'x': Execution error: "
    "Primary key violation: value '3' already exists in column 'id'"
)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, DUPLICATE, "duplicate-key"),
        (400, "Statement 1 failed: value '3' appears multiple times in the insert batch", "duplicate-key"),
        (
            400,
            "Statement 1 failed: Raft error: Execution error: Failed to update row: Not found: Row with id=3",
            "not-found",
        ),
        (400, "Primary key violation: value 'timed out; Table not found' already exists", "duplicate-key"),
        (
            400,
            "Statement 1 failed: Table not found: Error during planning: table 'kalam.ns.t' not found",
            "not-found",
        ),
        (400, "Not found: Table ns.nope not found", "not-found"),
        (400, "Not found: User 'nobody' not found", "not-found"),
        (400, "sql parser error: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1", "invalid"),
        (400, "No SQL statements provided", "invalid"),
        (400, "Column 'nope' does not exist", "invalid"),
        (400, "NOT NULL constraint violation: column 'id' cannot be NULL (row 1)", "invalid"),
        (400, "Schema coercion failed: Unable to cast value 99999999999 to Int32", "invalid"),
        (400, "UPDATE cannot modify primary key column 'id'", "invalid"),
        (400, "EXECUTE AS USER missing closing ')'", "invalid"),
        (400, "SQL statement is invalid or not allowed", "invalid"),
        (400, "Request completed with an open explicit transaction; rolled back automatically", "invalid"),
        (400, "already bound to data raft group 'data:user:07'", "conflict"),
        (
            403,
            (
                "Statement 1 failed: Permission denied: Error during planning: Access denied: Role 'User' "
                "cannot access table 'system.namespaces'. System tables require 'dba' or 'system' role."
            ),
            "permission",
        ),
        (403, "Unauthorized: EXECUTE AS USER is not authorized: actor 'a' cannot target 'b'", "permission"),
        (401, "Authentication required", "permission"),
        (401, "Invalid credentials", "permission"),
        (429, "Too many queries per second. Please slow down.", "rate-limit"),
    ],
)
def test_a_refusal_in_known_words_did_nothing(status, message, code):
    """The same through the client, which prints status and words, and over HTTP."""
    for reply in (
        outcome.of_server(status, message, "INSERT"),
        outcome.of_client(f"Server error ({status}): {message}", "INSERT"),
    ):
        assert (reply.error.code, reply.done, reply.error.message) == (code, False, message)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (500, "Internal error", "server"),
        (503, "Not leader for shard. Leader: none", "server"),
        (500, DUPLICATE, "server"),
        (400, "Resources exhausted: Failed to allocate additional 1.0 KB", "server"),
        (400, "SQL statement failed", "server"),
        (400, "Execution error: IO error: Permission denied (os error 13)", "server"),
        (400, "Execution error: file /data/batch-0.parquet does not exist", "server"),
        (
            400,
            "Execution error: Object Store error: Object at location x/batch-0.parquet not found",
            "server",
        ),
        (400, "Execution error: file already exists: batch-1.parquet", "server"),
        (400, "Statement 1 failed: Execution error: Raft error: timed out waiting for commit", "timeout"),
        (408, "", "timeout"),
        (504, "", "timeout"),
        (404, "<html>not here</html>", "server"),
    ],
)
def test_any_other_error_leaves_the_outcome_open(status, message, code):
    """A server says 400 to its own failures too: what is not known to be a refusal may have been done."""
    reply = outcome.of_server(status, message, "INSERT")
    assert (reply.error.code, reply.done) == (code, None)


@pytest.mark.parametrize(
    ("words", "code", "done"),
    [
        ("Configuration error: Login failed: invalid credentials", "permission", False),
        (
            (
                "Configuration error: Login failed: Authentication failed: Login failed (429 Too Many "
                'Requests): {"error":"rate_limited","message":"Too many authentication attempts."}'
            ),
            "rate-limit",
            False,
        ),
        (
            "Configuration error: Login failed: Authentication failed: Login failed (500 X): ?",
            "server",
            False,
        ),
        (
            "error sending request for url (http://127.0.0.1:1/v1/api/sql)\n\nPossible issues:\n  • Server",
            "connection",
            False,
        ),
        ("error sending request for url (http://127.0.0.1:1/v1/api/sql)", "connection", None),
        ("error decoding response body", "connection", None),
        ("Parse error: Invalid file() syntax: unterminated string", "invalid", False),
    ],
)
def test_the_clients_own_errors_say_whether_the_statement_was_sent(words, code, done):
    """`Possible issues` stands only where connecting or logging in failed; without it the outcome is open."""
    reply = outcome.of_client(words, "INSERT")
    assert (reply.error.code, reply.done) == (code, done)


def test_possible_issues_in_a_servers_own_words_prove_nothing():
    """A value may hold any text."""
    reply = outcome.of_client("Server error (500): odd\n\nPossible issues:\n", "INSERT")
    assert (reply.error.code, reply.done) == ("server", None)


@pytest.mark.parametrize("words", ["", "What?", "thread 'main' panicked at src/x.rs:1"])
def test_words_that_no_client_prints_are_no_outcome(words):
    """The caller says which program printed them."""
    assert outcome.of_client(words, "INSERT") is None


def test_statements_before_a_refused_one_were_done():
    """Each statement of a request commits by itself."""
    reply = outcome.of_server(400, DUPLICATE.replace("Statement 1", "Statement 3"), "INSERT; INSERT; INSERT")
    assert (reply.error.code, reply.done, reply.done_statements) == ("duplicate-key", None, 2)
    first = outcome.of_server(400, DUPLICATE, "INSERT; INSERT")
    assert (first.done, first.done_statements) == (False, 0)


@pytest.mark.parametrize(
    "sql", ["BEGIN; INSERT; COMMIT", " begin; INSERT; COMMIT", "START TRANSACTION; INSERT"]
)
def test_a_refused_transaction_did_nothing(sql):
    """Also one that is refused at its COMMIT."""
    reply = outcome.of_server(400, COMMIT, sql)
    assert (reply.error.code, reply.done, reply.done_statements) == ("duplicate-key", False, None)


def test_a_request_that_does_not_parse_did_nothing_at_all():
    """It is refused before its first statement, and names none."""
    reply = outcome.of_server(400, "sql parser error: x", "INSERT; SELEC")
    assert (reply.done, reply.done_statements) == (False, None)


@pytest.mark.parametrize(
    ("server_code", "code"),
    [("INVALID_INPUT", "invalid"), ("EMPTY_SQL", "invalid"), ("TABLE_NOT_FOUND", "not-found")],
)
def test_codes_that_are_given_before_anything_runs_are_believed(server_code, code):
    """HTTP has them; the client does not print them."""
    reply = outcome.of_server(400, "whatever", "INSERT", server_code)
    assert (reply.error.code, reply.done, reply.error.server_code) == (code, False, server_code)


@pytest.mark.parametrize(
    ("printed", "code", "done"),
    [
        ("ERROR INTERNAL_ERROR: disk on fire\nDetails: INSERT\n", "server", None),
        ("ERROR NOT_LEADER: Not leader\n\n", "server", None),
        ("ERROR TOKEN_EXPIRED: Token expired\n\n", "permission", False),
    ],
)
def test_kalam_prints_a_servers_failure_on_standard_output(printed, code, done):
    """With exit code 0 and even with --json: it must not pass for an answer."""
    reply = server_error(printed, "INSERT")
    assert (reply.error.code, reply.done) == (code, done)
    assert "\n" not in reply.error.message


@pytest.mark.parametrize(
    ("server_code", "code", "done"),
    [
        ("NOT_FOUND", "not-found", False),
        ("UNAUTHORIZED", "permission", False),
        ("SUBSCRIPTION_LIMIT_EXCEEDED", "rate-limit", False),
        ("BATCH_FETCH_FAILED", "server", None),
    ],
)
def test_a_subscription_is_refused_by_codes_of_its_own(server_code, code, done):
    """A limit that was reached is no error inside of the server; what nobody knows may be one."""
    reply = outcome.of_subscription(server_code, "words")
    assert (reply.error, reply.done) == (Error(code, "words", server_code), done)

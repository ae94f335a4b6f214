"""Statements on standard input, as a driver feeds them."""

from __future__ import annotations

from client_run import run_client
from scripted_server import ScriptedServer, answer, refusal, rows

ONE = answer(rows([("x", "BigInt")], [["1"]]))


def session(server, text: str, *flags: str):
    return run_client("-u", server.url, "--token", "T", *flags, stdin=text)


def refuse_bad(sql: str):
    return refusal(400, "sql parser error: bad") if "bad" in sql else ONE


def test_an_answer_ends_with_a_closing_brace_on_its_own_line():
    """And only the answer's end looks so, which is how a driver finds it."""
    with ScriptedServer(ONE) as server:
        run = session(server, "SELECT 1;\nSELECT 2;\n", "--json")
    assert run.out.count("\n}\n") == 2
    assert run.code == 0


def test_it_says_when_it_is_connected_and_when_it_ends():
    """A driver waits for the first of these lines."""
    with ScriptedServer(ONE) as server:
        lines = session(server, "").out.splitlines()
    assert "✓ Connected" in lines
    assert "  Server version: 1.2.3" in lines
    assert lines[-1] == "Goodbye!"


def test_a_refusal_is_one_marked_line_on_standard_error_and_the_session_goes_on():
    """The exit code stays 0."""
    with ScriptedServer(refuse_bad) as server:
        run = session(server, "bad;\nSELECT 2;\n", "--csv")
    assert run.err == "✗ Server error (400): sql parser error: bad\n"
    assert "x\n1\n\n" in run.out
    assert run.code == 0
    assert server.statements == ["bad;", "SELECT 2;"]


def test_a_statement_goes_over_lines_until_its_semicolon():
    """One that is inside a literal ends nothing, and lines of a literal stay as they are."""
    with ScriptedServer(ONE) as server:
        session(server, "SELECT ' a ;\n  b',\n\n2;\nSELECT 3;\n")
    assert server.statements == ["SELECT ' a ;\n  b',", "2;", "SELECT 3;"]


def test_what_has_no_semicolon_at_the_end_of_input_does_not_run():
    """With one, it runs even without a line end."""
    with ScriptedServer(ONE) as server:
        session(server, "SELECT 1;\nSELECT 2")
        session(server, "SELECT 3;")
    assert server.statements == ["SELECT 1;", "SELECT 3;"]


def test_quit_ends_it():
    """What follows is not read."""
    with ScriptedServer(ONE) as server:
        run = session(server, "\\quit\nSELECT 1;\n")
    assert run.out.endswith("Goodbye!\n")
    assert server.statements == []


def test_a_refused_identity_ends_it_at_once():
    """With the error on standard error and exit code 1, as for a single statement."""
    with ScriptedServer(ONE, around=lambda _: refusal(401, "Invalid credentials")) as server:
        run = session(server, "SELECT 1;\n")
    assert (run.code, run.out, run.err) == (1, "", "Error: Server error (401): Invalid credentials\n")

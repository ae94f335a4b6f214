"""The compatible client's words for what goes wrong before a statement is sent."""

from __future__ import annotations

import subprocess
import sys

import pytest
from client_run import ask, run_client
from scripted_server import CUT, STALL, ScriptedServer, Send, answer, healthy, nobody_listening, refusal, rows

from kalam_props.reference.client import client_command

ONE = answer(rows([("x", "BigInt")], [["1"]]))


def possible_issues(url: str, path: str) -> str:
    return (
        f"Error: error sending request for url ({url}{path})\n\nPossible issues:\n"
        f"  • Server is not running on {url}\n  • URL/port is incorrect\n  • Network connectivity issue\n\n"
        f"Try:\n  • Check if server is running: curl {url}/v1/api/healthcheck\n"
        "  • Verify the server URL with --url (example: http://127.0.0.1:8080)\n"
    )


def test_a_server_that_is_not_there_is_told_with_possible_issues():
    """These words mean for a reader: the statement was never sent."""
    with nobody_listening() as url:
        assert ask(url, "SELECT 1").err == possible_issues(url, "/v1/api/sql")
        run = run_client("-u", url, "--user", "a", "--password", "b", "-c", "SELECT 1")
    assert (run.code, run.out, run.err) == (1, "", possible_issues(url, "/v1/api/auth/login"))


@pytest.mark.parametrize("failure", [CUT, STALL, Send(b"nonsense\r\n\r\n", "close")])
def test_a_probe_without_answer_is_told_with_possible_issues_and_nothing_is_sent(failure):
    """The statement comes after the probe."""
    with ScriptedServer(ONE, around=lambda _: failure) as server:
        run = ask(server.url, "SELECT 1", "--receive-timeout", "1")
    assert (run.code, run.err) == (1, possible_issues(server.url, "/v1/api/sql"))
    assert server.statements == []


def test_a_refused_probe_ends_the_run_in_the_servers_words():
    """A bad token is refused there."""
    with ScriptedServer(ONE, around=lambda _: refusal(401, "Invalid credentials")) as server:
        run = ask(server.url, "SELECT 1")
    assert (run.code, run.err) == (1, "Error: Server error (401): Invalid credentials\n")
    assert server.statements == []


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"error": "unauthorized", "message": "Invalid credentials"}, "invalid credentials"),
        (
            429,
            {"error": "rate_limited", "message": "Too many authentication attempts."},
            (
                "Authentication failed: Login failed (429 Too Many Requests): "
                '{"error": "rate_limited", "message": "Too many authentication attempts."}'
            ),
        ),
    ],
)
def test_a_refused_login_is_a_configuration_error(status, body, words):
    """A wrong password and an unknown user look alike."""
    with ScriptedServer(ONE, around=lambda _: answer(body, status)) as server:
        run = run_client("-u", server.url, "--user", "a", "--password", "b", "-c", "SELECT 1")
    assert (run.code, run.out, run.err) == (1, "", f"Error: Configuration error: Login failed: {words}\n")


def test_a_health_check_that_fails_does_not_matter():
    """It only tells the server's version to an interactive session."""

    def sick(request):
        return CUT if request.method == "GET" else healthy(request)

    with ScriptedServer(ONE, around=sick) as server:
        assert ask(server.url, "SELECT 1", "--csv").out == "x\n1\n\n"


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b""])
def test_an_answer_that_is_no_document_is_said_to_be_undecodable(body):
    """Its outcome is open: the server did answer 200."""
    with ScriptedServer(answer(body)) as server:
        run = ask(server.url, "SELECT 1", "--json")
    assert (run.code, run.out, run.err) == (1, "", "Error: error decoding response body\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-c", ""], "Parse error: Empty command"),
        (["-c", "SELECT 1", "-f", "x"], "Configuration error: Cannot specify both --file and --command"),
        (["-f", "/no/such"], "File error: Failed to read /no/such: No such file or directory (os error 2)"),
    ],
)
def test_what_cannot_be_run_is_told_after_connecting(arguments, message):
    """Exit code 1, in the words of KalamDB's client."""
    with ScriptedServer(ONE) as server:
        run = run_client("-u", server.url, "--token", "T", *arguments)
    assert (run.code, run.out, run.err) == (1, "", f"Error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "first_line"),
    [
        (["--nope"], "unexpected argument '--nope' found"),
        (["extra"], "unexpected argument 'extra' found"),
        (["-c", "--x"], "unexpected argument '--x' found"),
        (["-c"], "a value is required for '--command <COMMAND>' but none was supplied"),
        (["-c", "x", "-c", "y"], "the argument '--command <COMMAND>' cannot be used multiple times"),
        (["--json=1"], "unexpected value '1' for '--json' found; no more were expected"),
        (["--json", "--format", "csv"], "the argument '--json' cannot be used with '--format <FORMAT>'"),
        (["--format", "xml"], "invalid value 'xml' for '--format <FORMAT>'"),
        (["--port", "abc"], "invalid value 'abc' for '--port <PORT>': invalid digit found in string"),
    ],
)
def test_bad_arguments_exit_with_2_and_name_the_argument(arguments, first_line):
    """Nothing is connected to."""
    run = run_client(*arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.splitlines()[0] == f"error: {first_line}"
    assert run.err.endswith("\nFor more information, try '--help'.\n")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "Server URL must not be empty"),
        ("ftp://x", "Unsupported URL scheme 'ftp'; expected http or https"),
        ("http://a:b@x", "Server URL must not include embedded user/password credentials"),
        ("http://x?y", "Server URL must not include query parameters or fragments"),
    ],
)
def test_a_bad_address_is_a_configuration_error(url, message):
    """Before anything is sent anywhere."""
    run = run_client("-u", url, "-c", "SELECT 1")
    assert (run.code, run.err) == (1, f"Error: Configuration error: {message}\n")


def test_the_version_says_that_it_is_not_kalamdbs_client():
    """Whoever reads a report must see which client it was."""
    run = run_client("--version")
    assert run.code == 0
    assert run.out.startswith("kalam-compat ")
    assert "not KalamDB's own kalam" in run.out


def test_help_names_the_flags_of_kalam():
    """A driver finds out from it what a client can do."""
    out = run_client("--help").out
    for flag in (
        "--url",
        "--token",
        "--user ",
        "--password",
        "--command",
        "--json",
        "--config ",
        "--subscribe",
    ):
        assert flag in out


def test_it_starts_without_the_slow_parts_of_the_standard_library():
    """It is started for each operation: `socket` and `json` alone would double its start."""
    with ScriptedServer(ONE) as server:
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", *client_command()[1:], "-u", server.url, "--token", "T",
             "--json", "-c", "SELECT 1"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if "|" in line}
    assert "client.run" in imported
    slow = {"socket", "json", "re", "argparse", "http.client", "typing", "enum", "collections", "os", "attrs"}
    assert not slow & imported


def test_the_console_command_does_not_load_what_the_server_needs():
    """`kalam-compat` lives in the package of the server, and is started for each operation too."""
    code = "import kalam_props.reference.client.__main__, sys; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"attr", "attrs", "kalam_props.reference.config"} & set(ended.stdout.split())

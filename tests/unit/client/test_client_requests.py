"""What the compatible client sends, and how often."""

from __future__ import annotations

import pytest
from client_run import ask, run_client
from scripted_server import CUT, STALL, ScriptedServer, Send, answer, rows

ONE = answer(rows([("x", "BigInt")], [["1"]]))


def test_a_token_run_probes_asks_for_health_and_sends_the_statement():
    """Before the statement come a probe that every role may run, and the health check."""
    with ScriptedServer(ONE) as server:
        assert ask(server.url, "SELECT 1").code == 0
    assert [(r.method, r.path, r.sql if r.body else None) for r in server.requests] == [
        ("POST", "/v1/api/sql", "SELECT 1 AS auth_check"),
        ("GET", "/v1/api/healthcheck", None),
        ("POST", "/v1/api/sql", "SELECT 1"),
    ]
    statement = server.requests[-1]
    assert statement.headers["authorization"] == "Bearer T"
    assert statement.headers["content-type"] == "application/json"
    assert statement.document == {"sql": "SELECT 1"}


@pytest.mark.parametrize("flag", ["--user", "--username"])
def test_a_password_run_logs_in_first_and_goes_on_with_the_token(flag):
    """User and password go to the login only; everything after carries its token."""
    with ScriptedServer(ONE) as server:
        assert run_client("-u", server.url, flag, "ann", "--password", "p'\"é", "-c", "SELECT 1").code == 0
    login, *others = server.requests
    assert (login.path, login.document) == ("/v1/api/auth/login", {"user": "ann", "password": "p'\"é"})
    assert {r.headers.get("authorization") for r in others if r.sql} == {"Bearer token-of-login"}


@pytest.mark.parametrize("failure", [CUT, Send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", "close")])
def test_a_statement_is_sent_once_whatever_becomes_of_its_answer(failure):
    """A statement that got no answer may have run; sending it again would run it twice."""
    with ScriptedServer(failure) as server:
        assert ask(server.url, "INSERT INTO t VALUES (1)").code == 1
    assert server.statements == ["INSERT INTO t VALUES (1)"]


def test_a_late_answer_is_not_waited_for_longer_than_asked():
    """`--receive-timeout` bounds the statement; its outcome is open then."""
    with ScriptedServer(STALL) as server:
        run = ask(server.url, "SELECT 1", "--receive-timeout", "1")
    assert (run.code, run.err) == (1, f"Error: error sending request for url ({server.url}/v1/api/sql)\n")


def test_long_statements_and_text_of_any_script_arrive_unchanged():
    """Also where byte 80 is inside a character, of which KalamDB's own client dies."""
    sql = f"SELECT '{'x' * 71}é — 😀 \\ \" {'long ' * 10000}'"
    with ScriptedServer(ONE) as server:
        assert ask(server.url, sql).code == 0
    assert server.statements == [sql]


def test_a_chunked_answer_is_put_together():
    """KalamDB sends the rows of a single SELECT in chunks."""
    body = ONE.data.partition(b"\r\n\r\n")[2]
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    chunked = Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
    with ScriptedServer(chunked) as server:
        run = ask(server.url, "SELECT 1", "--csv")
    assert (run.code, run.out) == (0, "x\n1\n\n")


def test_an_answer_without_length_ends_with_its_connection():
    """HTTP allows it, and a proxy may turn an answer into one."""
    body = ONE.data.partition(b"\r\n\r\n")[2]
    with ScriptedServer(Send(b"HTTP/1.1 200 OK\r\n\r\n" + body, "close")) as server:
        assert ask(server.url, "SELECT 1", "--csv").out == "x\n1\n\n"


def test_a_server_that_closes_after_each_answer_is_asked_on_new_connections():
    """`connection: close` on the probe and the health check does not keep the statement from being sent."""

    def close_after(_):
        data = answer(rows([("auth_check", "BigInt")], [["1"]])).data
        return Send(data.replace(b"content-length", b"connection: close\r\ncontent-length"), "close")

    with ScriptedServer(ONE, around=close_after) as server:
        assert ask(server.url, "SELECT 1", "--csv").out == "x\n1\n\n"


def test_a_file_is_sent_statement_by_statement(tmp_path):
    """A `;` inside a literal or a comment ends nothing; the first refusal ends the run."""
    file = tmp_path / "x.sql"
    file.write_text("INSERT INTO t VALUES ('a;b');\n-- no; statement\nSELECT 2;\n;")
    with ScriptedServer(ONE) as server:
        run = run_client("-u", server.url, "--token", "T", "--csv", "-f", str(file))
    assert server.statements == ["INSERT INTO t VALUES ('a;b')", "-- no; statement\nSELECT 2"]
    assert run.out == "x\n1\n\n" * 2


def test_a_token_is_taken_from_the_configuration_file_that_is_named(tmp_path):
    """So that it need not stand on the command line, where `ps` shows it."""
    config = tmp_path / "c.toml"
    for text in (
        '[auth]\njwt_token = "abc"\n\n[server]\nmax_retries = 0\n',
        "# x\n[auth]\njwt_token = 'abc' # y\n",
    ):
        config.write_text(text)
        with ScriptedServer(ONE) as server:
            assert run_client("-u", server.url, "--config", str(config), "-c", "SELECT 1").code == 0
        assert server.requests[-1].headers["authorization"] == "Bearer abc"
    config.write_text("[server]\nmax_retries = 0\n")
    with ScriptedServer(ONE) as server:
        assert (
            run_client("-u", server.url, "--config", str(config), "--user", "a", "-c", "SELECT 1").code == 0
        )
    assert server.requests[-1].headers["authorization"] == "Bearer token-of-login"


def test_without_credentials_a_local_server_is_tried_as_root_without_password():
    """As KalamDB's client does; a server that has a root password then refuses the probe."""
    with ScriptedServer(ONE) as server:
        assert run_client("-u", server.url, "-c", "SELECT 1").code == 0
    assert server.requests[0].document == {"user": "root", "password": ""}

"""One client for many statements: where answers end, and what its end means."""

from __future__ import annotations

import threading
import time

import pytest
from fake_client import fake_client
from scripted_server import CUT, STALL, ScriptedServer, answer, refusal, rows

from kalam_props.drivers.protocol import Credential
from kalam_props.drivers.session import session_driver
from kalam_props.errors import TargetError
from kalam_props.reference.client import client_command

ROOT = Credential("root", token="T")
ONE = answer(rows([("x", "BigInt")], [["1"]]))
GREETING = "echo Connecting; echo '✓ Connected'; echo; "


def test_statements_get_their_own_answers_in_turn(tmp_path):
    """Also after a refusal, and from one client only."""
    with ScriptedServer(lambda sql: refusal(400, "sql parser error: x") if "bad" in sql else ONE) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        first, second, third = (connection.execute(sql, deadline_s=20) for sql in ("a", "bad;", "c ;"))
        connection.close()
    assert first.results[0].rows == third.results[0].rows == ((1,),)
    assert (second.error.code, second.done) == ("invalid", False)
    assert server.statements == ["a;", "bad;", "c;"]
    assert sum(request.method == "GET" for request in server.requests) == 1


def test_a_statement_arrives_as_one_line(tmp_path):
    """Line breaks inside literals as escapes: a session ends statements at the ends of lines."""
    with ScriptedServer(ONE) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        connection.execute("SELECT 'a;\n\n b\\'/*'*/,\n 2", deadline_s=20)
        connection.close()
    assert server.statements == ["SELECT E'a;\\n\\n b\\\\',  2;"]


def test_answers_with_braces_in_their_values_end_where_they_end(tmp_path):
    """A value that holds a closing brace on a line of its own is escaped in JSON."""
    tricky = answer(rows([("v", "Text")], [["{\n}\n✗ x"]]))
    with ScriptedServer(tricky) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        for _ in range(2):
            assert connection.execute("SELECT v", deadline_s=20).results[0].rows == (("{\n}\n✗ x",),)
        connection.close()


@pytest.mark.parametrize(("failure", "code"), [(CUT, "connection"), (STALL, "timeout")])
def test_after_an_open_outcome_a_session_sends_nothing_more(tmp_path, failure, code):
    """An answer that comes late would be taken for the next statement's."""
    with ScriptedServer(failure) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        reply = connection.execute("INSERT", deadline_s=1)
        assert (reply.error.code, reply.done) == (code, None)
        again = connection.execute("INSERT", deadline_s=1)
        assert (again.error.code, again.done) == ("connection", False)
        connection.close()
    assert server.statements == ["INSERT;"]


def test_an_identity_that_is_refused_is_told_to_each_statement(tmp_path):
    """As a process would tell it; nothing is sent."""
    with ScriptedServer(ONE, around=lambda _: refusal(401, "Invalid credentials")) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        for _ in range(2):
            reply = connection.execute("INSERT", deadline_s=5)
            assert (reply.error.code, reply.done) == ("permission", False)
        connection.close()
    assert server.statements == []


def test_a_session_that_cannot_connect_sends_nothing(tmp_path):
    """KalamDB's client says so in its own way when its first reading of tables fails."""
    body = "echo Connecting; printf '\\nConnection failed: no route\\n\\nPossible issues:\\n' >&2; exit 1"
    connection = session_driver(fake_client(tmp_path, body), tmp_path / "home").connect(ROOT, url="http://h")
    reply = connection.execute("INSERT", deadline_s=5)
    assert (reply.error.code, reply.error.message, reply.done) == ("connection", "no route", False)
    connection.close()


def test_a_client_that_ends_before_it_answers_leaves_the_outcome_open(tmp_path):
    """It may have sent the statement."""
    driver = session_driver(fake_client(tmp_path, GREETING + "read line; exit 0"), tmp_path / "home")
    connection = driver.connect(ROOT, url="http://h")
    reply = connection.execute("INSERT", deadline_s=20)
    assert (reply.error.code, reply.done) == ("connection", None)
    connection.close()


@pytest.mark.parametrize(
    "answering",
    ["printf '{\\n]\\n}\\n'", "echo '✗ Hm'", "echo \"thread 'main' panicked at src/x.rs\""],
)
def test_a_client_that_does_not_answer_as_kalam_is_named(tmp_path, answering):
    """It is not the server's fault, and no finding."""
    driver = session_driver(
        fake_client(tmp_path, GREETING + f"read line; {answering}; sleep 60"), tmp_path / "home"
    )
    connection = driver.connect(ROOT, url="http://h")
    with pytest.raises(TargetError, match="kalam"):
        connection.execute("SELECT 1", deadline_s=20)
    connection.close()


def test_a_program_that_opens_no_session_is_named(tmp_path):
    """With what it printed instead of a greeting."""
    driver = session_driver(fake_client(tmp_path, "echo Hello"), tmp_path / "home")
    with pytest.raises(TargetError, match="does not open a session as kalam does; it printed 'Hello'"):
        driver.connect(ROOT, url="http://h")


def test_closing_from_another_thread_cuts_a_statement_short(tmp_path):
    """And leaves neither a process nor its HOME behind; closing twice is harmless."""
    with ScriptedServer(STALL) as server:
        connection = session_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        replies = []
        waiting = threading.Thread(target=lambda: replies.append(connection.execute("INSERT", deadline_s=60)))
        waiting.start()
        deadline = time.monotonic() + 20
        while not server.statements and time.monotonic() < deadline:
            time.sleep(0.005)
        connection.close()
        connection.close()
        waiting.join(20)
    assert (replies[0].error.code, replies[0].done) == ("connection", None)
    assert connection.process.returncode == -9
    assert list((tmp_path / "sessions").iterdir()) == []
    assert connection.execute("INSERT", deadline_s=5).done is False

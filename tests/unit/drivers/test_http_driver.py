"""Statements over HTTP: sent once, and bounded in time altogether."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from scripted_server import CUT, STALL, ScriptedServer, Send, answer, nobody_listening, refusal, rows

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.login import login
from kalam_props.drivers.protocol import Credential
from kalam_props.errors import TargetError

ROOT = Credential("root", token="T")
ONE = answer(rows([("x", "BigInt")], [["1"]]))


def test_statements_go_over_one_connection_with_the_token():
    """Nothing but the statement is sent."""
    with ScriptedServer(ONE) as server:
        connection = HttpDriver().connect(ROOT, url=server.url)
        for _ in range(3):
            assert connection.execute("SELECT 1", deadline_s=10).results[0].rows == ((1,),)
        connection.close()
        assert len(server._connections) == 1
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer T"}
    assert server.statements == ["SELECT 1"] * 3


@pytest.mark.parametrize(("failure", "code"), [(CUT, "connection"), (STALL, "timeout")])
def test_a_statement_without_answer_is_not_sent_again(failure, code):
    """It may have run."""
    with ScriptedServer(failure) as server:
        connection = HttpDriver().connect(ROOT, url=server.url)
        reply = connection.execute("INSERT", deadline_s=0.5)
        connection.close()
    assert (reply.error.code, reply.done) == (code, None)
    assert server.statements == ["INSERT"]


def test_an_answer_that_trickles_is_bounded_as_a_whole():
    """Each byte comes in time, all of them do not."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    stop = threading.Event()

    def trickle(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head)
            while not stop.wait(0.02):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        connection = HttpDriver().connect(ROOT, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        reply = connection.execute("SELECT 1", deadline_s=0.3)
        stop.set()
        thread.join()
        connection.close()
    assert (reply.error.code, reply.done) == ("timeout", None)


def test_a_server_that_is_not_there_did_nothing():
    """No connection, no request."""
    with nobody_listening() as url:
        connection = HttpDriver().connect(ROOT, url=url)
        reply = connection.execute("INSERT", deadline_s=5)
        connection.close()
    assert (reply.error.code, reply.done) == ("connection", False)


def test_an_answer_that_is_no_document_is_the_wrong_server():
    """A web page that says 200 is no empty table."""
    with ScriptedServer(answer(b"<html>")) as server:
        connection = HttpDriver().connect(ROOT, url=server.url)
        with pytest.raises(TargetError, match="no answer of a KalamDB"):
            connection.execute("SELECT 1", deadline_s=5)
        connection.close()


def test_an_error_page_leaves_the_outcome_open():
    """Such as a proxy's."""
    with ScriptedServer(answer(b"<html>bad gateway", 502)) as server:
        connection = HttpDriver().connect(ROOT, url=server.url)
        reply = connection.execute("INSERT", deadline_s=5)
        connection.close()
    assert (reply.error.code, reply.done) == ("server", None)


def test_closing_from_another_thread_cuts_a_statement_short():
    """A read that waits is woken; the connection sends nothing more."""
    with ScriptedServer(STALL) as server:
        connection = HttpDriver().connect(ROOT, url=server.url)
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
        assert connection.execute("INSERT", deadline_s=5).done is False
    assert server.statements == ["INSERT"]


def test_a_login_gives_a_token():
    """One request, and a credential without a token uses it."""
    with ScriptedServer(ONE) as server:
        assert login(server.url, "ann", "pw") == "token-of-login"
        connection = HttpDriver().connect(Credential("ann", password="pw"), url=server.url)
        assert connection.execute("SELECT 1", deadline_s=5).error is None
        connection.close()
    assert server.requests[0].document == {"user": "ann", "password": "pw"}
    assert server.requests[-1].headers["authorization"] == "Bearer token-of-login"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer({"error": "unauthorized", "message": "Invalid credentials"}, 401), "Invalid credentials"),
        (refusal(429, "slow down"), "429"),
        (answer(b"<html>"), "<html>"),
        (CUT, "cannot log in as ann"),
        (Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), "refused the login of ann"),
    ],
)
def test_a_login_that_fails_says_why(reply, words):
    """In the server's words, and never with the password."""
    with ScriptedServer(ONE, around=lambda _: reply) as server, pytest.raises(TargetError) as error:
        login(server.url, "ann", "s3cret")
    assert words in str(error.value)
    assert "s3cret" not in str(error.value)

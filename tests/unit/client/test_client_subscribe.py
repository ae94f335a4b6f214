"""`--subscribe`: what is there, then what changes, against a real WebSocket server."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import contextmanager

import uvicorn
from client_run import run_client
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from kalam_props.reference.client import client_command

ROW = {"_seq": "7", "id": "1"}
READY = {"batch_num": 0, "has_more": False}
ACK = {
    "type": "subscription_ack", "subscription_id": "S", "total_rows": 0, "batch_control": READY,
    "schema": [{"name": "id"}],
}  # fmt: skip


@contextmanager
def live_server(*messages: object, then: Callable[[WebSocket], object] | None = None):
    """A server that says `messages` after a subscription, and its address; collects what it was told."""
    told: list[dict[str, object]] = []

    async def talk(connection: WebSocket) -> None:
        await connection.accept()
        told.append(await connection.receive_json())
        await connection.send_json({"type": "auth_success", "user": "root"})
        told.append(await connection.receive_json())
        for message in messages:
            if isinstance(message, bytes):
                await connection.send_bytes(message)
            else:
                await connection.send_json(message)
        if then is not None:
            told.append(await then(connection))
        await connection.close()

    answer = lambda _: JSONResponse({"status": "success", "results": []})  # noqa: E731
    routes = [
        Route("/v1/api/sql", answer, methods=["POST"]),
        Route("/v1/api/healthcheck", answer),
        WebSocketRoute("/v1/ws", talk),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", told
        finally:
            server.should_exit = True
            thread.join()


def follow(url: str, *flags: str):
    return run_client("-u", url, "--token", "T", "--subscribe", "SELECT id FROM t", *flags)


def untimed(text: str) -> list[str]:
    return re.sub(r"\[\d\d:\d\d:\d\d\.\d{3}\]", "[T]", text).splitlines()


def test_it_authenticates_and_asks_for_the_rows_that_are_there_now():
    """With empty options: without any, a server sends changes only."""
    with live_server(ACK) as (url, told):
        assert follow(url).code == 0
    assert told[0] == {
        "type": "authenticate", "method": "jwt", "token": "T",
        "protocol": {"serialization": "json", "compression": "none"},
    }  # fmt: skip
    subscription = told[1]["subscription"]
    assert (subscription["sql"], subscription["options"]) == ("SELECT id FROM t", {})


def test_rows_and_changes_are_printed_as_kalam_prints_them():
    """Also what comes compressed, as long messages do."""
    first = {"type": "initial_data_batch", "subscription_id": "S", "rows": [ROW], "batch_control": READY}
    change = {"type": "change", "subscription_id": "S"}
    messages = (
        ACK,
        gzip.compress(json.dumps(first).encode()),
        {**change, "change_type": "insert", "rows": [ROW]},
        {**change, "change_type": "update", "rows": [{"id": "1", "v": "b"}], "old_values": [{"v": "a"}]},
        {**change, "change_type": "update", "rows": [{"id": "1"}]},
        {**change, "change_type": "delete", "old_values": [ROW]},
        {**change, "change_type": "delete"},
    )
    with live_server(*messages) as (url, _):
        run = follow(url)
    assert untimed(run.out) == [
        "[T] ✓ SUBSCRIBED [S] 0 total rows, batch 1 (ready), 1 columns",
        "[T] BATCH 1 [S] 1 rows (complete)",
        "  {",
        '  "_seq": "7",',
        '  "id": "1"',
        "}",
        '[T] INSERT [S] {"_seq":"7","id":"1"}',
        '[T] UPDATE [S] {"v":"a"} => {"id":"1","v":"b"}',
        '[T] UPDATE [S] <missing> => {"id":"1"}',
        '[T] DELETE [S] {"_seq":"7","id":"1"}',
        "[T] DELETE [S] (no row payload)",
        "Subscription ended by server",
    ]


def test_a_batch_that_has_more_is_followed_by_a_request_for_it():
    """From where it ended; a number larger than a double can hold stays exact."""
    control = {"batch_num": 0, "has_more": True, "last_seq_id": 383727257385799681}
    batch = {"type": "initial_data_batch", "subscription_id": "S", "rows": [ROW], "batch_control": control}
    with live_server(ACK, batch, then=lambda connection: connection.receive_json()) as (url, told):
        follow(url)
    assert told[2] == {"type": "next_batch", "subscription_id": "S", "last_seq_id": 383727257385799681}


def test_a_refused_subscription_exits_with_1():
    """In the server's words."""
    refusal = {"type": "error", "subscription_id": "S", "code": "NOT_FOUND", "message": "no table t"}
    with live_server(refusal) as (url, _):
        run = follow(url)
    assert (run.code, run.err) == (1, "Error: Subscription failed (NOT_FOUND): no table t\n")


def test_a_subscription_ends_after_its_time():
    """Silently and with exit code 0, however quiet the server is."""
    with live_server(ACK, then=lambda connection: connection.receive()) as (url, _):
        run = follow(url, "--subscription-timeout", "1")
    assert (run.code, run.err) == (0, "")
    assert len(run.out.splitlines()) == 1


def test_an_interrupt_unsubscribes():
    """Ctrl-C is how a person ends it: no traceback, exit code 0."""
    with live_server(ACK, then=lambda connection: connection.receive()) as (url, _):
        arguments = [*client_command(), "-u", url, "--token", "T", "--subscribe", "SELECT id FROM t"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            assert b"SUBSCRIBED" in client.stdout.readline()
            client.send_signal(signal.SIGINT)
            out, err = client.communicate(timeout=20)
    assert (client.returncode, err) == (0, b"")
    assert out.decode() == "\n⚠ Unsubscribing...\n✓ Unsubscribed - Back to CLI prompt\n"

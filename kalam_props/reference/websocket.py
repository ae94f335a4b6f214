"""GET /v1/ws: the messages between a subscriber and the server."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from kalam_props.reference.auth import Auth
from kalam_props.reference.refusals import Refusal
from kalam_props.reference.roles import Caller
from kalam_props.reference.subscriptions import Message, Subscription, Subscriptions

UNCOMPRESSED_BYTES = 512
"""KalamDB compresses what is longer, whatever compression a client asked for."""

AUTHENTICATION_S = 3
MAX_QUEUED = 10_000
"""Messages for a slow reader; what comes on top is dropped: at most once is what KalamDB promises."""


class _Protocol(Exception):  # noqa: N818  # ends a connection, as the client asked for by what it sent
    """The client did not keep to the protocol: close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def talk(
    websocket: WebSocket, auth: Auth, subscriptions: Subscriptions, threads: ThreadPoolExecutor
) -> None:
    """Serve one connection until either side ends it."""
    await websocket.accept()
    loop = asyncio.get_running_loop()
    outgoing: asyncio.Queue[Message] = asyncio.Queue(MAX_QUEUED)

    def enqueue(message: Message) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            outgoing.put_nowait(message)

    def send(message: Message) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(enqueue, message)

    sender = asyncio.create_task(_send_all(websocket, outgoing))
    open_ones: dict[str, Subscription] = {}
    try:
        caller = await _authenticated(websocket, auth, send)
        while True:
            message = await _receive(websocket)
            await loop.run_in_executor(threads, _handle, message, caller, subscriptions, open_ones, send)
    except _Protocol as ended:
        await _drained(outgoing)
        with contextlib.suppress(RuntimeError):
            await websocket.close(ended.code, ended.reason)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client is gone
    finally:
        for subscription in open_ones.values():
            subscriptions.close(subscription)
        sender.cancel()


async def _authenticated(websocket: WebSocket, auth: Auth, send: Callable[[Message], None]) -> Caller:
    """Who the client is: by the header of its request, as `kalam` does, or by its first message."""
    header = websocket.headers.get("authorization")
    if header is not None:
        return _logged_in(auth, header, send)
    try:
        message = await asyncio.wait_for(_receive(websocket), AUTHENTICATION_S)
    except TimeoutError:
        raise _Protocol(1008, "Authentication timeout") from None
    if message["type"] != "authenticate":
        name = str(message.get("subscription_id", ""))
        _refuse(send, Refusal("Authenticate first", code="AUTH_REQUIRED"), name)
        raise _Protocol(1008, "Authentication required")
    if "protocol" not in message:
        raise _Protocol(1011, "Invalid message: missing field `protocol`")
    return _logged_in(auth, f"Bearer {message.get('token', '')}", send)


def _logged_in(auth: Auth, authorization: str, send: Callable[[Message], None]) -> Caller:
    try:
        caller = auth.caller(authorization)
    except Refusal:
        send({"type": "auth_error", "message": "Invalid credentials"})
        raise _Protocol(1008, "Invalid credentials") from None
    send(
        {
            "type": "auth_success",
            "user": caller.user,
            "role": caller.role,
            "protocol": {"serialization": "json", "compression": "none"},
        }
    )
    return caller


def _handle(
    message: Message,
    caller: Caller,
    subscriptions: Subscriptions,
    open_ones: dict[str, Subscription],
    send: Callable[[Message], None],
) -> None:
    kind = message["type"]
    if kind == "ping":
        return
    if kind == "subscribe":
        wanted = message.get("subscription")
        if not isinstance(wanted, dict) or not isinstance(wanted.get("sql"), str):
            _refuse(send, Refusal("subscription needs id and sql", code="INVALID_SUBSCRIPTION_ID"), "")
            return
        name = str(wanted.get("id", ""))
        try:
            if not name:
                raise Refusal("a subscription needs an id", code="INVALID_SUBSCRIPTION_ID")
            if name in open_ones:
                subscriptions.close(open_ones.pop(name))
            open_ones[name] = subscriptions.open(caller, name, wanted["sql"], wanted.get("options"), send)
        except Refusal as refusal:
            _refuse(send, refusal, name)
        return
    name = str(message.get("subscription_id", ""))
    subscription = open_ones.get(name)
    if subscription is None:
        _refuse(send, Refusal(f"no subscription {name!r}", code="INVALID_SUBSCRIPTION_ID"), name)
    elif kind == "unsubscribe":
        subscriptions.close(open_ones.pop(name))
    else:
        subscriptions.next_batch(subscription, message.get("last_seq_id"))


def _refuse(send: Callable[[Message], None], refusal: Refusal, name: str) -> None:
    send({"type": "error", "subscription_id": name, "code": refusal.code, "message": refusal.message})


async def _receive(websocket: WebSocket) -> dict[str, Any]:
    frame = await websocket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    try:
        message = orjson.loads(frame.get("text") or gzip.decompress(frame["bytes"]))
        known = message["type"] in {"authenticate", "subscribe", "unsubscribe", "next_batch", "ping"}
    except (orjson.JSONDecodeError, OSError, KeyError, TypeError) as error:
        raise _Protocol(1011, f"Invalid message: {error}"[:120]) from None
    if not known:
        raise _Protocol(1011, f"Invalid message: unknown type {message['type']}"[:120])
    return message  # type: ignore[no-any-return]


async def _send_all(websocket: WebSocket, outgoing: asyncio.Queue[Message]) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            content = orjson.dumps(await outgoing.get())
            if len(content) > UNCOMPRESSED_BYTES:
                await websocket.send_bytes(gzip.compress(content, 1))
            else:
                await websocket.send_text(content.decode())
            outgoing.task_done()


async def _drained(outgoing: asyncio.Queue[Message]) -> None:
    """Let what was said last go out before the connection is closed."""
    await asyncio.sleep(0)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(outgoing.join(), 1)

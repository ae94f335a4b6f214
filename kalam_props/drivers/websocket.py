"""A subscription over KalamDB's WebSocket, for the driver that has no client program."""

from __future__ import annotations

import contextlib
import gzip
import secrets
from collections.abc import Iterator

import orjson
from attrs import define, field
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from kalam_props.drivers import outcome
from kalam_props.drivers.feed import Message, has_more
from kalam_props.drivers.protocol import Reply
from kalam_props.errors import TargetError

_PATH = "/v1/ws"
_OPEN_S = 5.0
_CLOSE_S = 1.0


@define
class WebSocketSource:
    """One connection with one subscription; connects when its messages are first asked for."""

    url: str
    token: str = field(repr=False)
    sql: str
    _name: str = field(factory=lambda: f"s{secrets.token_hex(4)}", init=False)
    _connection: ClientConnection | None = field(default=None, init=False, repr=False)
    _words: str = field(default="the connection was closed", init=False)
    _sent: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def messages(self) -> Iterator[Message]:
        try:
            with connect(
                self.url.replace("http", "ws", 1) + _PATH,
                open_timeout=_OPEN_S,
                close_timeout=_CLOSE_S,
                # A machine that is too busy to answer pings is no reason to end a subscription.
                ping_interval=None,
                max_size=None,
                compression=None,
                proxy=None,
            ) as connection:
                self._connection = connection
                if not self._closed:  # while it was being opened
                    yield from self._talk(connection)
        except (ConnectionClosed, InvalidHandshake, OSError) as error:
            self._words = str(error) or type(error).__name__

    def _talk(self, connection: ClientConnection) -> Iterator[Message]:
        protocol = {"serialization": "json", "compression": "none"}
        _send(
            connection, {"type": "authenticate", "method": "jwt", "token": self.token, "protocol": protocol}
        )
        answer = _receive(connection)
        if answer.get("type") != "auth_success":
            yield {"type": "error", "code": "INVALID_CREDENTIALS", "message": str(answer.get("message"))}
            return
        self._sent = True
        # With options, even empty ones, the rows that are there now come first.
        subscription = {"id": self._name, "sql": self.sql, "options": {}}
        _send(connection, {"type": "subscribe", "subscription": subscription})
        while True:
            message = _receive(connection)
            yield message
            if message.get("type") == "error":
                return
            if message.get("type") == "initial_data_batch" and has_more(message):
                more = {"type": "next_batch", "subscription_id": self._name}
                last = message["batch_control"].get("last_seq_id")
                _send(connection, more if last is None else {**more, "last_seq_id": last})

    def last_words(self) -> Reply:
        return outcome.broken_off(self._words) if self._sent else outcome.unreachable(self._words)

    def close(self) -> None:
        self._closed = True
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(WebSocketException, OSError):  # it has ended already
                _send(connection, {"type": "unsubscribe", "subscription_id": self._name})
            connection.close()


def _send(connection: ClientConnection, message: Message) -> None:
    connection.send(orjson.dumps(message).decode())


def _receive(connection: ClientConnection) -> Message:
    frame = connection.recv()
    try:
        # Long messages come compressed, also to who asked for none.
        message = orjson.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)
    except (orjson.JSONDecodeError, OSError, EOFError):
        message = None
    if not isinstance(message, dict):
        raise TargetError(f"a subscription was told {str(frame)[:200]}, which is no message of a KalamDB")
    return message

"""Statements over HTTP, without `kalam`: the cheapest driver. Findings of it are confirmed with another."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from typing import Any

import httpx
from attrs import define, field, frozen

from kalam_props.drivers import outcome, replies
from kalam_props.drivers.feed import Feed, Tell
from kalam_props.drivers.login import login
from kalam_props.drivers.protocol import Credential, Reply
from kalam_props.drivers.websocket import WebSocketSource
from kalam_props.errors import TargetError
from kalam_props.history.events import Product

_PATH = "/v1/api/sql"


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one of all connections: to read the trusted certificates takes longer than most programs run."""
    return httpx.create_ssl_context(trust_env=False)


@frozen
class HttpDriver:
    """One keep-alive connection for each `connect`."""

    @property
    def name(self) -> str:
        return "http"

    @property
    def client(self) -> Product:
        return Product("httpx", httpx.__version__)

    def connect(self, credential: Credential, *, url: str) -> HttpConnection:
        """A connection of `credential`, which is logged in when it has no token.

        Raises:
            TargetError: the login failed.

        """
        return HttpConnection(url, _token(credential, url))

    @property
    def can_subscribe(self) -> bool:
        return True

    def subscribe(self, credential: Credential, sql: str, *, url: str, tell: Tell) -> Feed:
        return Feed(WebSocketSource(url, _token(credential, url), sql), tell)

    def as_sent(self, sql: str) -> str:
        return sql

    def close(self) -> None:
        """Nothing to end: connections own their sockets."""


def _token(credential: Credential, url: str) -> str:
    return credential.token or login(url, credential.user, credential.password or "")


@define
class HttpConnection:
    """Sends each statement once; never again, whatever comes of it."""

    url: str
    token: str = field(repr=False)
    _client: httpx.Client = field(init=False, repr=False)
    _socket: socket.socket | None = field(default=None, init=False, repr=False)
    _closed: bool = field(default=False, init=False)
    _busy: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.token}"},
            trust_env=False,
            verify=tls_context(),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )

    def execute(self, sql: str, *, deadline_s: float) -> Reply:
        with self._busy:
            if self._closed:
                return outcome.unreachable("the connection was closed")
            return self._execute(sql, deadline_s)

    def _execute(self, sql: str, deadline_s: float) -> Reply:
        deadline = time.monotonic() + deadline_s
        try:
            status, body = self._post(sql, deadline)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return outcome.unreachable(f"cannot connect to {self.url}: {error}")
        except (httpx.TimeoutException, TimeoutError):
            return outcome.timed_out(deadline_s)
        except httpx.TransportError as error:
            return outcome.broken_off(str(error) or type(error).__name__)
        reply = replies.of_document(body, sql, status)
        if reply is not None:
            return reply
        words = body.decode("utf-8", "replace")
        if status >= 400:
            return outcome.of_server(status, words, sql)
        raise TargetError(f"{self.url}{_PATH} answered {status} {words[:80]!r}: no answer of a KalamDB")

    def rest(self) -> None:
        """Close the socket once no statement is under way; the next one opens another."""
        with self._busy:
            if not self._closed:
                self._client.close()
                self._client = self._new_client()

    def close(self) -> None:
        """Also from another thread: a read that waits is woken by shutting its socket down."""
        with self._lock:
            self._closed = True
            self._shut_down()
        with self._busy:
            self._client.close()

    def _post(self, sql: str, deadline: float) -> tuple[int, bytes]:
        """Status and body. httpx bounds each read, not their sum: a trickling answer is bounded here."""
        request = self._client.stream(
            "POST",
            _PATH,
            json={"sql": sql},
            timeout=max(deadline - time.monotonic(), 0.001),
            extensions={"trace": self._remember_socket},
        )
        with request as answer:
            pieces = []
            for piece in answer.iter_bytes():
                pieces.append(piece)
                if time.monotonic() > deadline:
                    raise TimeoutError
            return answer.status_code, b"".join(pieces)

    def _remember_socket(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._closed:
                    self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the server was faster
                self._socket.shutdown(socket.SHUT_RDWR)

"""A real HTTP server on loopback whose every answer a test writes down: whole, broken off, late, or none."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal, Self

from attrs import define, field, frozen

PROBES = ("SELECT 1 AS auth_check", "SELECT name FROM system.namespaces LIMIT 1")


@frozen
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        return json.loads(self.body)

    @property
    def sql(self) -> str | None:
        return self.document["sql"] if self.path.endswith("/sql") else None


@frozen
class Send:
    """Bytes to answer with, and what becomes of the connection then."""

    data: bytes
    then: Literal["keep", "close", "stall"] = "keep"


CUT = Send(b"", "close")
STALL = Send(b"", "stall")


def answer(document: object, status: int = 200) -> Send:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Send(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))


def refusal(status: int, message: str, code: str = "SQL_EXECUTION_ERROR") -> Send:
    error = {"code": code, "message": message}
    return answer({"status": "error", "results": [], "took": 0.1, "error": error}, status)


def rows(columns: list[tuple[str, str]], values: list[list[object]]) -> dict[str, object]:
    """The document of a SELECT."""
    schema = [{"name": name, "data_type": kind, "index": i} for i, (name, kind) in enumerate(columns)]
    return success({"schema": schema, "rows": values, "row_count": len(values), "as_user": "root"})


def success(*results: dict[str, object]) -> dict[str, object]:
    return {"status": "success", "results": list(results), "took": 1.5}


def written(message: str, count: int) -> dict[str, object]:
    return {"row_count": count, "message": message, "as_user": "root"}


def healthy(request: Request) -> Send:
    """What a server that is well answers before and after the statement of a test."""
    if request.path.endswith("/auth/login"):
        return answer({"access_token": "token-of-login"})
    if request.path.endswith("/healthcheck"):
        return answer({"status": "healthy", "version": "1.2.3", "api_version": "v1"})
    return answer(rows([("auth_check", "BigInt")], [["1"]]))


@contextlib.contextmanager
def nobody_listening() -> Iterator[str]:
    """An address where nothing listens, kept from others meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@define
class ScriptedServer:
    """Answers statements with `script`, everything else with `around`. A context manager."""

    script: Callable[[str], Send] | Send
    around: Callable[[Request], Send] = healthy
    requests: list[Request] = field(factory=list)
    url: str = ""
    _over: threading.Event = field(factory=threading.Event)
    _listener: socket.socket = field(init=False)
    _connections: list[socket.socket] = field(factory=list)
    _threads: list[threading.Thread] = field(factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def statements(self) -> list[str]:
        """The SQL that was asked, without a client's own probes."""
        return [request.sql for request in self.requests if request.sql not in (None, *PROBES)]

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while (request := _read_request(stream)) is not None:
                    self.requests.append(request)
                    reply = self._reply(request)
                    connection.sendall(reply.data)
                    if reply.then == "stall":
                        self._over.wait()
                    if reply.then != "keep":
                        return
            except OSError:
                return

    def _reply(self, request: Request) -> Send:
        sql = request.sql
        if sql is None or sql in PROBES:
            return self.around(request)
        return self.script(sql) if callable(self.script) else self.script


def _read_request(stream: object) -> Request | None:
    first = stream.readline().split()
    if len(first) != 3:
        return None
    headers = {}
    while line := stream.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(first[0].decode(), first[1].decode(), headers, body)

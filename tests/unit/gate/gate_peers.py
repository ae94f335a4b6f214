"""Real peers for the tests of the gate: a small server on loopback, and a client that sends bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable

DEADLINE_S = 20
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def sql_request(sql: str, *, head: bytes = b"") -> bytes:
    body = json.dumps({"sql": sql}).encode()
    return (
        b"POST /v1/api/sql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        + head
        + b"content-length: %d\r\n\r\n" % len(body)
        + body
    )


def read_until(sock: socket.socket, wanted: Callable[[bytearray], bool]) -> bytes:
    """What came until `wanted` holds for it, or until the peer ended."""
    data = bytearray()
    while not wanted(data):
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return bytes(data)


def read_all(sock: socket.socket) -> bytes:
    return read_until(sock, lambda _: False)


def read_request(sock: socket.socket) -> bytes:
    """One request with a content-length, or without a body. Empty when there is no (whole) request."""
    data = read_until(sock, lambda d: b"\r\n\r\n" in d)
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return b""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            value = line.partition(b":")[2].strip()
            if not value.isdigit():
                return b""
            length = int(value)
    body += read_until(sock, lambda d: len(body) + len(d) >= length)
    return head + end + body if len(body) >= length else b""


def poll(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fail after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


class Upstream:
    """A server: `serve` is run in a thread for each connection, which is closed after it.

    `errors` are exceptions of `serve` other than those of a peer that went away.
    """

    def __init__(self, serve: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.errors: list[BaseException] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(DEADLINE_S)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._serve(sock)
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001  # shown by the test that closes the server
            self.errors.append(error)
        finally:
            sock.close()

    def close(self) -> None:
        # A thread that is in accept() is woken by this and not by closing alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        assert not self.errors, self.errors


class Counting:
    """Answers every request with `answer`; remembers the requests in the order in which they were whole."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.times_ns: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            with self._lock:
                self.requests.append(request)
                self.times_ns.append(time.monotonic_ns())
            sock.sendall(self.answer)

    def log(self) -> list[tuple[str, int]]:
        """Each statement and when it was whole, as far as there are any now."""
        with self._lock:
            return list(zip(self.statements, self.times_ns, strict=True))

    @property
    def statements(self) -> list[str]:
        return [json.loads(request.partition(b"\r\n\r\n")[2])["sql"] for request in self.requests]


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def read_answer(sock: socket.socket) -> bytes:
    """One answer with a content-length; what came of it when the server ended before."""
    return read_until(
        sock,
        lambda d: (
            b"\r\n\r\n" in d
            and len(d.partition(b"\r\n\r\n")[2]) >= int(d.lower().partition(b"content-length:")[2].split()[0])
        ),
    )


def refuses(port: int) -> bool:
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False

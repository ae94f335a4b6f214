"""HTTP/1.1 over a raw socket.

A deliberate exception to "not our own HTTP": this client is started for each statement, and `http.client`
costs more to import (30 ms with what it pulls in) than everything else that it does. Even `socket` costs
7 ms, because it imports `selectors` and `enum`; its C half has all that is needed here.
"""

import time

try:
    import _socket as socket
except ImportError:  # another interpreter than CPython: slower to start, same behaviour
    import socket  # type: ignore[no-redef]

_MAX_HEAD = 65536
_PIECE = 65536


class NotSentError(Exception):
    """No connection: the server has not seen the request."""


class LostError(Exception):
    """The request was or may have been sent, and no whole answer came. `kind`: `lost`, `timeout`, `body`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Link:
    """A keep-alive connection to one server; connects when it has to, sends each request once."""

    def __init__(self, host: str, port: int, connect_timeout: float) -> None:
        self.host = host
        self.port = port
        self.connect_timeout = connect_timeout
        self._socket: socket.socket | None = None

    def ask(
        self, method: str, path: str, *, token: str | None, body: bytes | None, timeout: float
    ) -> tuple[int, bytes]:
        """Status and body of the answer; `timeout` seconds for all of it.

        Raises:
            NotSentError: there is no connection.
            LostError: the answer did not come, or not whole.

        """
        connection = self._socket or self._connect()
        self._socket = None  # comes back when the answer is whole and the server keeps the connection
        try:
            deadline = time.monotonic() + timeout
            connection.settimeout(timeout)
            connection.sendall(self._head(method, path, token, body) + (body or b""))
            status, answer, keep = _read_answer(_Reader(connection, deadline))
        except TimeoutError:
            connection.close()
            raise LostError("timeout") from None
        except OSError:
            connection.close()
            raise LostError("lost") from None
        except LostError:
            connection.close()
            raise
        if keep:
            self._socket = connection
        else:
            connection.close()
        return status, answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        try:
            # As bytes: a text host would go through the idna codec, whose import costs 5 ms.
            addresses = socket.getaddrinfo(self.host.encode(), self.port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotSentError from None
        for family, kind, protocol, _, address in addresses:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(self.connect_timeout)
            try:
                connection.connect(address)
            except OSError:
                connection.close()
                continue
            return connection
        raise NotSentError

    def _head(self, method: str, path: str, token: str | None, body: bytes | None) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{self.port}", "accept: */*"]
        if token is not None:
            lines.append(f"authorization: Bearer {token}")
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class _Reader:
    """What came on a connection and was not used yet."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.data = b""

    def more(self) -> bool:
        """Wait for more; False when the server has ended the connection."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        piece = self.connection.recv(_PIECE)
        self.data += piece
        return bool(piece)

    def until(self, mark: bytes, limit: int) -> bytes:
        """What precedes `mark`, which is used up too."""
        while (at := self.data.find(mark)) < 0:
            if len(self.data) > limit or not self.more():
                raise LostError("lost")
        head, self.data = self.data[:at], self.data[at + len(mark) :]
        return head

    def exactly(self, count: int) -> bytes:
        pieces = [self.data]
        have = len(self.data)
        while have < count:
            self.data = b""
            if not self.more():
                raise LostError("body")
            pieces.append(self.data)
            have += len(self.data)
        whole = b"".join(pieces)
        self.data = whole[count:]
        return whole[:count]

    def rest(self) -> bytes:
        while self.more():
            pass
        return self.data


def _read_answer(reader: _Reader) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection can be used again."""
    status = 100
    headers: dict[bytes, bytes] = {}
    version = b""
    while status < 200:  # interim answers precede the answer
        lines = reader.until(b"\r\n\r\n", _MAX_HEAD).split(b"\r\n")
        version, _, tail = lines[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not tail[:3].isdigit():
            raise LostError("lost")
        status = int(tail[:3])
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (h.partition(b":") for h in lines[1:])
        }
    keep = version == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close"
    if status in (204, 304):
        return status, b"", keep
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return status, _read_chunks(reader), keep
    length = headers.get(b"content-length")
    if length is None:
        return status, reader.rest(), False
    if not length.isdigit():
        raise LostError("lost")
    return status, reader.exactly(int(length)), keep


def _read_chunks(reader: _Reader) -> bytes:
    pieces: list[bytes] = []
    while True:
        try:
            size = int(reader.until(b"\r\n", _MAX_HEAD).partition(b";")[0], 16)
        except (ValueError, LostError):
            raise LostError("body") from None
        if size == 0:
            while reader.until(b"\r\n", _MAX_HEAD):
                pass  # trailers
            return b"".join(pieces)
        pieces.append(reader.exactly(size))
        reader.exactly(2)

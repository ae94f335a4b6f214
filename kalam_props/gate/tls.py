"""TLS toward the server, on memory buffers: what is to be sent can be made ready before it is sent."""

from __future__ import annotations

import contextlib
import ssl


class Tls:
    """The client's end of one TLS connection."""

    __slots__ = ("_incoming", "_outgoing", "_session", "established")

    def __init__(self, context: ssl.SSLContext, hostname: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self.established = False

    def handshake(self) -> bytes:
        """What to send first, or next."""
        try:
            self._session.do_handshake()
            self.established = True
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def opened(self, received: bytes) -> tuple[bytes, bytes, bool]:
        """The plain text of `received`, what to send in reply, and whether the peer has ended its side."""
        self._incoming.write(received)
        reply = b""
        if not self.established:
            reply = self.handshake()
            if not self.established:
                return b"", reply, False
        plain = []
        try:
            while piece := self._session.read(262_144):
                plain.append(piece)
            ended = True
        except ssl.SSLWantReadError:
            ended = False
        except ssl.SSLZeroReturnError:
            ended = True
        return b"".join(plain), reply + self._outgoing.read(), ended

    def sealed(self, plain: bytes) -> bytes:
        self._session.write(plain)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        # The peer need not have said goodbye yet; our own alert is in the buffer all the same.
        with contextlib.suppress(ssl.SSLError):
            self._session.unwrap()
        return self._outgoing.read()

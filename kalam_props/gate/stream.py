"""One non-blocking TCP connection of the gate: what is to be sent, what came, and how it ended."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kalam_props.gate.loop import Loop
    from kalam_props.gate.tls import Tls

CHUNK = 262_144
"""How much is read at once, and how much may wait to be sent before the other side is not read any more."""

# One for all streams of the process: recv() would allocate as much anew for every read, which costs 10 µs.
_SCRATCH = memoryview(bytearray(CHUNK))

_RESET = struct.pack("ii", 1, 0)


class Ends(Protocol):
    """Who is told what happens to a stream."""

    def on_data(self, stream: Stream, data: bytes, ns: int) -> None: ...
    def on_eof(self, stream: Stream, ns: int) -> None: ...
    def on_lost(self, stream: Stream, error: OSError) -> None: ...
    def on_drained(self, stream: Stream) -> None: ...


class Stream:
    """Owns a socket. `sent_ns` is the time before the system call that sent the last byte so far."""

    __slots__ = (
        "_connecting",
        "_ends",
        "_eof",
        "_farewell_said",
        "_finish",
        "_finished",
        "_loop",
        "_mask",
        "_out",
        "_reading",
        "_sock",
        "_tls",
        "_unsealed",
        "closed",
        "sent_ns",
    )

    def __init__(self, loop: Loop, sock: socket.socket, ends: Ends) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = loop
        self._sock = sock
        self._ends: Ends | None = ends
        self._tls: Tls | None = None
        self._unsealed = b""
        self._out = bytearray()
        self._mask = 0
        self._connecting = False
        self._reading = True
        self._eof = False
        self._finish = False
        self._farewell_said = False
        self._finished = False
        self.closed = False
        self.sent_ns = 0

    def start(self) -> None:
        """Begin to read."""
        self._update()

    def connect(self, address: tuple[str, int], tls: Tls | None) -> None:
        """Begin to connect; `on_drained` tells when it is done, `on_lost` when it failed."""
        self._tls = tls
        self._connecting = True
        result = self._sock.connect_ex(address)
        if result not in (0, errno.EINPROGRESS):
            self._lost(OSError(result, os.strerror(result)))
            return
        self._update()

    @property
    def idle(self) -> bool:
        """Connected, and everything handed over is in the kernel's hands."""
        return not (self._connecting or self._out or self._unsealed or self.closed)

    @property
    def pending(self) -> int:
        return len(self._out) + len(self._unsealed)

    def send(self, data: bytes) -> None:
        """Send now or as soon as possible. Failures come through `on_lost`."""
        if self.closed or self._finish:
            return
        if self._tls is not None:
            if not self._tls.established:
                self._unsealed += data
                return
            data = self._tls.sealed(data)
        self._send_raw(data)

    def prepared(self, data: bytes) -> bytes:
        """What `data` will be on the wire, for `raw_send`. Nothing else may be sent in between."""
        return data if self._tls is None else self._tls.sealed(data)

    @property
    def raw_send(self) -> Callable[[bytes], int]:
        """The system call itself, for a loop that must not do anything else between two sends."""
        return self._sock.send

    def send_prepared_rest(self, data: bytes) -> None:
        """Send what `raw_send` did not take of prepared bytes."""
        self._send_raw(data)

    def finish(self) -> None:
        """Half-close: no more will be sent after what is waiting."""
        if not self._finish and not self.closed:
            self._finish = True
            self._flush()

    @property
    def finished(self) -> bool:
        """Both directions have ended."""
        return self.closed or (self._finished and self._eof)

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._update()

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._update()

    def close(self) -> None:
        """Close in the ordinary way: FIN, or a reset where the peer has sent what nobody read."""
        if self.closed:
            return
        self.closed = True
        self._ends = None
        if self._mask:
            self._loop.unwatch(self._sock)
            self._mask = 0
        self._sock.close()

    def abort(self) -> None:
        """Close with a TCP reset."""
        if not self.closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close()

    def _send_raw(self, data: bytes) -> None:
        if self.closed:
            return
        if self._out or self._connecting:
            self._out += data
            return
        self.sent_ns = monotonic_ns()
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(error)
            return
        if sent < len(data):
            self._out += memoryview(data)[sent:]
            self._update()

    def _flush(self) -> None:
        if self._connecting:
            return
        while self._out:
            self.sent_ns = monotonic_ns()
            try:
                sent = self._sock.send(self._out)
            except BlockingIOError:
                break
            except OSError as error:
                self._lost(error)
                return
            del self._out[:sent]
        if self._finish and not self._finished and not self._out and not self._unsealed:
            self._say_last_word()
        else:
            self._update()

    def _say_last_word(self) -> None:
        if self._tls is not None and self._tls.established and not self._farewell_said:
            self._farewell_said = True
            self._out += self._tls.farewell()
            self._flush()
            return
        self._finished = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lost(error)
            return
        self._update()

    def _ready(self, mask: int) -> None:
        if mask & EVENT_READ and not self.closed:
            self._receive()
        if mask & EVENT_WRITE and not self.closed:
            if self._connecting:
                self._connected()
            elif self._out or self._finish:
                self._flush()
                if not self.closed and not self._out and self._ends is not None:
                    self._ends.on_drained(self)

    def _connected(self) -> None:
        failure = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            self._lost(OSError(failure, os.strerror(failure)))
            return
        self._connecting = False
        if self._tls is not None:
            self._out[:0] = self._tls.handshake()
        self._flush()
        if self._tls is None and self.idle and self._ends is not None:
            self._ends.on_drained(self)

    def _receive(self) -> None:
        try:
            received = self._sock.recv_into(_SCRATCH)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        ns = monotonic_ns()
        data = bytes(_SCRATCH[:received])
        ended = not data
        if self._tls is not None and data:
            data, ended = self._open_sealed(data)
        elif self._tls is not None and not self._tls.established:
            self._lost(ConnectionResetError(errno.ECONNRESET, "closed during the TLS handshake"))
            return
        if data and self._ends is not None:
            self._ends.on_data(self, data, ns)
        if ended and not self.closed and not self._eof:
            self._eof = True
            self._update()
            if self._ends is not None:
                self._ends.on_eof(self, ns)

    def _open_sealed(self, received: bytes) -> tuple[bytes, bool]:
        tls = self._tls
        assert tls is not None  # noqa: S101  # only called for TLS; for the type checker
        try:
            was_established = tls.established
            data, reply, ended = tls.opened(received)
            if tls.established and not was_established:
                reply += tls.sealed(self._unsealed) if self._unsealed else b""
                self._unsealed = b""
        except OSError as error:  # ssl.SSLError is one
            self._lost(error)
            return b"", False
        if reply:
            self._send_raw(reply)
        if tls.established and not was_established:
            self._flush()
            if self.idle and self._ends is not None:
                self._ends.on_drained(self)
        return data, ended

    def _lost(self, error: OSError) -> None:
        ends = self._ends
        self.abort()
        if ends is not None:
            ends.on_lost(self, error)

    def _update(self) -> None:
        if self.closed:
            return
        mask = 0
        if self._reading and not self._eof and not self._connecting:
            mask = EVENT_READ
        if self._out or self._connecting:
            mask |= EVENT_WRITE
        if mask == self._mask:
            return
        if not self._mask:
            self._loop.watch(self._sock, mask, self._ready)
        elif mask:
            self._loop.rewatch(self._sock, mask, self._ready)
        else:
            self._loop.unwatch(self._sock)
        self._mask = mask

"""One connection of a client, the connection to the server that belongs to it, and the requests on them.

Bytes are never changed. Requests are parsed to know where they end; one that carries an announced operation
is held until its round lets it go, everything else goes on at once. What is no HTTP/1 is passed on as it is.

A held request is already with the server but for its last byte, which is all that a release has to send: the
server has read and parsed the rest, so requests released together also begin together.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import Enum
from time import monotonic_ns
from typing import TYPE_CHECKING

from kalam_props.gate.framing import NotHttpError, RequestFraming, ResponseFraming
from kalam_props.gate.shaping import Delay, Pace, Shaper, Stall, Trickle
from kalam_props.gate.stream import CHUNK, Stream
from kalam_props.gate.watch import Attempt, Watch, sql_of

if TYPE_CHECKING:
    from kalam_props.gate.loop import Loop
    from kalam_props.gate.sessions import Port

SQL_PATH = b"/v1/api/sql"

_HEAD_LIMIT = 262_144
_LINGER_NS = 30_000_000_000
_PATIENCE_NS = 500_000_000


class _State(Enum):
    READING = "reading a request's head"
    STREAMING = "passing a request on as it comes"
    GATHERING = "reading a request that may carry an operation"
    HELD = "holding an operation's request"
    PACING = "sending an operation's request slowly"
    FORWARDING = "sending the end of an operation's request"
    ANSWERING = "passing the answer on"
    TUNNEL = "passing bytes on"


_TAKING_INPUT = (_State.READING, _State.STREAMING, _State.GATHERING)


def _send_nothing(_data: bytes) -> int:
    return 0


class Relay:
    """Owns both connections; `port` forgets it when both are closed."""

    __slots__ = (
        "_attempt",
        "_client",
        "_client_eof",
        "_head",
        "_inbox",
        "_last",
        "_lingering",
        "_loop",
        "_port",
        "_request",
        "_response",
        "_shaper",
        "_state",
        "_upstream",
        "_watch",
    )

    def __init__(self, loop: Loop, port: Port, sock: socket.socket) -> None:
        self._loop = loop
        self._port = port
        self._state = _State.READING
        self._request = RequestFraming()
        self._response: ResponseFraming | None = None
        self._head = bytearray()
        self._inbox = b""
        self._client_eof = False
        self._watch: Watch | None = None
        self._attempt: Attempt | None = None
        self._last = b""
        self._shaper: Shaper | None = None
        self._lingering = False
        self._client = Stream(loop, sock, self)
        self._upstream = port.target.stream(loop, self)

    def start(self) -> None:
        """Read from the client, and connect to the server already: not in the middle of a release."""
        self._client.start()
        self._port.target.connect(self._upstream)

    # What the streams tell.

    def on_data(self, stream: Stream, data: bytes, ns: int) -> None:
        if stream is self._upstream:
            self._from_upstream(data, ns)
        elif self._state is _State.TUNNEL:
            self._send_upstream(data)
        else:
            self._inbox = self._inbox + data if self._inbox else data
            self._take_input()
            self._be_patient()
            if len(self._inbox) > CHUNK:
                self._client.pause()

    def on_eof(self, stream: Stream, ns: int) -> None:
        if stream is self._client:
            self._client_eof = True
            if isinstance(self._shaper, Stall):
                self.close()  # it has given up, as it was meant to
                return
            self._pass_client_eof()
        else:
            self._upstream_ended(ns)
        self._close_if_finished()

    def on_lost(self, stream: Stream, error: OSError) -> None:
        if stream is self._client:
            if not self._lingering:
                self._give_up("the client reset the connection")
                self._upstream.abort()
                self.close()
            return
        reason = f"the connection to {self._port.target.name} was lost: {error.strerror or error}"
        self._give_up(reason)
        self._port.blame(reason)
        if self._shaper is not None and not self._client.closed:
            self._shaper.end()
        else:
            self._client.abort()
            self.close()

    def on_drained(self, stream: Stream) -> None:
        if stream is self._client:
            self._upstream.resume()
        else:
            if self._state is _State.HELD and self._watch is not None and not self._last:
                self._ready()
            elif self._state is _State.FORWARDING and self._watch is not None and not self._last:
                self._forwarded(self._upstream.sent_ns)
            if len(self._inbox) <= CHUNK:
                self._client.resume()
        self._close_if_finished()

    # From the client to the server.

    def _take_input(self) -> None:
        out: list[bytes] = []
        while self._inbox and self._state in _TAKING_INPUT:
            request = self._request
            try:
                taken = request.feed(self._inbox)
            except NotHttpError:
                self._send_upstream(b"".join(out))
                self._become_tunnel()
                return
            piece, self._inbox = self._inbox[:taken], self._inbox[taken:]
            if self._state is _State.STREAMING:
                out.append(piece)
            else:
                self._head += piece
                if self._state is _State.READING and request.head_done:
                    self._begin_exchange(out)
            if request.complete:
                self._request_ended(out)
            elif self._state is _State.READING and len(self._head) > _HEAD_LIMIT:
                self._become_tunnel()
                return
        if out:
            self._send_upstream(b"".join(out))
        if self._client_eof:
            self._pass_client_eof()

    def _begin_exchange(self, out: list[bytes]) -> None:
        request = self._request
        self._response = ResponseFraming(request.method)
        if self._shaper is not None and self._shaper.empty:
            self._shaper = None
        path = request.path.partition(b"?")[0]
        if request.method == b"POST" and path.endswith(SQL_PATH) and self._port.watching:
            self._state = _State.GATHERING
            request.collecting = True
            if request.expects_continue:
                # The client sends no body before the server says 100 to its head.
                self._upstream.send(self._take_head())
        else:
            self._state = _State.STREAMING
            out.append(self._take_head())

    def _take_head(self) -> bytes:
        head = bytes(self._head)
        self._head.clear()
        return head

    def _request_ended(self, out: list[bytes]) -> None:
        self._request.done()
        if self._state is _State.STREAMING:
            self._state = _State.ANSWERING
            if self._response is None:
                self._send_upstream(b"".join(out))
                out.clear()
                self._next_exchange()
            return
        data = self._take_head()
        watch = self._port.match(sql_of(b"".join(self._request.body)))
        self._request.body.clear()
        if watch is None:
            self._state = _State.ANSWERING
            self._upstream.send(data)
        elif watch.arrived_ns is None:
            self._hold(watch, data)
        else:
            # The client sends it again: that is its own doing, and must be seen and not changed.
            self._watch = watch
            self._forward(data)

    def _forward(self, data: bytes) -> None:
        self._state = _State.FORWARDING
        self._upstream.send(data)
        if self._upstream.idle:
            self._forwarded(self._upstream.sent_ns)

    def _hold(self, watch: Watch, data: bytes) -> None:
        watch.arrived_ns = monotonic_ns()
        self._watch = watch
        if not watch.keeps_request_back:
            watch.due_ns = watch.round.schedule.at_once(watch.op, watch.arrived_ns)
            if watch.due_ns is not None:
                self._forward(data)
                return
        self._state = _State.HELD
        if watch.keeps_request_back:
            self._head += data
        else:
            self._upstream.send(data[:-1])
            self._head += data[-1:]
        if self._upstream.idle:
            self._ready()

    def _ready(self) -> None:
        watch = self._watch
        assert watch is not None  # noqa: S101  # a held request has one; for the type checker
        self._last = self._take_head()
        if not watch.keeps_request_back:
            self._last = self._upstream.prepared(self._last)
        watch.round.arrived(watch, self)

    def due(self, at: int, *, forced: bool) -> None:
        """See `Holder`."""
        if self._watch is not None:
            self._watch.due_ns = at
            self._watch.forced = forced

    def shot(self) -> tuple[Callable[[bytes], int], bytes]:
        if self._watch is not None and self._watch.keeps_request_back:
            return _send_nothing, b""
        return self._upstream.raw_send, self._last

    def released(self, stamp: int, sent: int | OSError) -> None:
        """See `Holder`."""
        watch, last, self._last = self._watch, self._last, b""
        if watch is None:
            return
        self._state = _State.FORWARDING
        net = watch.net or {}
        if net.get("cut") == "before-forward":
            watch.net_done = "cut-before-forward"
            watch.fail("cut before it was forwarded, as asked")
            self.close()
        elif net.get("bandwidth"):
            watch.net_done = "bandwidth"
            self._state = _State.PACING
            Pace(self._loop, self._upstream, last, int(str(net["bandwidth"])), self._forward)
        elif isinstance(sent, BlockingIOError):
            self._send_rest(last)
        elif isinstance(sent, OSError):
            self._upstream.abort()
            self.on_lost(self._upstream, sent)
        elif sent < len(last):
            self._send_rest(last[sent:])
        else:
            self._forwarded(stamp)

    def _send_rest(self, prepared: bytes) -> None:
        self._upstream.send_prepared_rest(prepared)
        if self._upstream.idle:
            self._forwarded(self._upstream.sent_ns)

    def _forwarded(self, stamp: int) -> None:
        watch = self._watch
        assert watch is not None  # noqa: S101  # only an operation's request is forwarded; for the type checker
        self._state = _State.ANSWERING
        self._attempt = Attempt(stamp)
        watch.attempts.append(self._attempt)
        if self._response is None:
            watch.fail("the server answered before the request was complete")
            self._next_exchange()
        elif len(watch.attempts) == 1 and watch.net:
            self._apply(watch, watch.net)
        self._be_patient()
        if self._client_eof:
            self._pass_client_eof()

    def _apply(self, watch: Watch, net: dict[str, object]) -> None:
        if net.get("cut") == "after-forward" or net.get("reset"):
            watch.net_done = "reset" if net.get("reset") else "cut-after-forward"
            self._lingering = True
            if net.get("reset"):
                self._client.abort()
            else:
                self._client.close()
            self._loop.call_at(monotonic_ns() + _LINGER_NS, self.close)
        elif net.get("delay_us") is not None:
            self._shaper = Delay(self._loop, self._client, self._finish_client, int(str(net["delay_us"])))
        elif net.get("stall"):
            self._shaper = Stall()
        elif net.get("trickle_bytes"):
            self._shaper = Trickle(
                self._loop, self._client, self._finish_client, int(str(net["trickle_bytes"]))
            )

    def _send_upstream(self, data: bytes) -> None:
        if data:
            self._upstream.send(data)
            if self._upstream.pending > CHUNK:
                self._client.pause()

    def _pass_client_eof(self) -> None:
        if self._inbox or self._state in (_State.HELD, _State.PACING, _State.FORWARDING):
            return
        self._send_upstream(self._take_head())
        self._upstream.finish()

    def _be_patient(self) -> None:
        """What was sent behind a request waits for its answer, but not for ever: a server may wait for it."""
        response = self._response
        if not self._inbox or self._state is not _State.ANSWERING:
            return

        def no_longer() -> None:
            if self._inbox and self._response is response and self._state is _State.ANSWERING:
                self._become_tunnel()

        self._loop.call_at(monotonic_ns() + _PATIENCE_NS, no_longer)

    # From the server to the client.

    def _from_upstream(self, data: bytes, ns: int) -> None:
        response = self._response
        if self._state is _State.HELD:
            self._answered_while_held(data, ns)
            return
        self._deliver(data)
        if response is None:
            return
        try:
            response.feed(data)
        except NotHttpError:
            self._give_up("the answer is not HTTP")
            self._become_tunnel()
            return
        if response.tunnel:
            self._become_tunnel()
        elif response.complete:
            self._answered(ns)

    def _answered_while_held(self, data: bytes, ns: int) -> None:
        """Interim answers pass. A final one (401, 413) means that there is nothing left to hold."""
        response = self._response
        assert response is not None  # noqa: S101  # a held request has begun an exchange; for the type checker
        watch = self._watch
        try:
            response.feed(data)
        except NotHttpError:
            self._give_up("the answer is not HTTP")
            self._client.send(data)
            self._client.finish()
            self._upstream.close()
            return
        if response.status is not None and response.status >= 200 and watch is not None:
            watch.forced = True
            watch.due_ns = ns
            watch.round.left(watch.op)
            last, self._last = self._last, b""
            if watch.keeps_request_back:
                self._forward(last or self._take_head())
            else:
                self._state = _State.FORWARDING
                self._send_rest(last or self._upstream.prepared(self._take_head()))
        self._deliver(data)
        if response.complete and self._attempt is not None:
            self._answered(monotonic_ns())

    def _deliver(self, data: bytes) -> None:
        if self._shaper is not None:
            if self._watch is not None and self._watch.net_done is None:
                self._watch.net_done = self._shaper.name
            self._shaper.feed(data)
        elif not self._client.closed:
            self._client.send(data)
            if self._client.pending > CHUNK:
                self._upstream.pause()

    def _answered(self, ns: int) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.done()
            if self._attempt is not None:
                self._attempt.answered_ns = ns
                self._attempt.status = response.status
                self._attempt = None
        if self._watch is not None and self._state is _State.ANSWERING:
            self._watch.finish(ns)
            self._watch = None
        if self._lingering:
            self.close()
        elif self._state is _State.ANSWERING:
            self._next_exchange()
        elif self._state is _State.GATHERING:
            # The server has refused the head; whether the body still comes is between the two of them.
            self._become_tunnel()

    def _next_exchange(self) -> None:
        self._watch = None
        self._attempt = None
        self._request = RequestFraming()
        self._state = _State.READING
        self._client.resume()
        self._take_input()

    def _upstream_ended(self, ns: int) -> None:
        if (
            self._response is not None
            and self._response.ends_with_connection()
            and self._state is _State.ANSWERING
        ):
            self._answered(ns)
        else:
            self._give_up("the server closed the connection before its answer was complete")
        if self._lingering or self._state is _State.HELD:
            self.close()
        elif self._shaper is not None:
            self._shaper.end()
        else:
            self._client.finish()

    def _finish_client(self) -> None:
        self._client.finish()
        self._close_if_finished()

    # Ends.

    def _become_tunnel(self) -> None:
        """Understand nothing from here on, and let it be known that something may have passed unseen."""
        if self._response is None or not self._response.tunnel:
            self._port.count_opaque()
        if self._watch is not None:
            self._watch.fail("the connection stopped being HTTP")
        self._response = None
        self._state = _State.TUNNEL
        self._send_upstream(self._take_head() + self._inbox)
        self._inbox = b""
        if self._client_eof:
            self._upstream.finish()

    def _give_up(self, reason: str) -> None:
        """The operation on this connection, if there is one, will have no answer."""
        if self._attempt is not None:
            self._attempt.error = reason
            self._attempt = None
        if self._watch is not None:
            self._watch.fail(reason)

    def _close_if_finished(self) -> None:
        if self._client.finished and self._upstream.finished:
            self.close()

    def retire(self) -> None:
        """The port is closed: so is this, unless only an answer is awaited that nobody is to get."""
        if not self._lingering:
            self.close()

    def close(self) -> None:
        self._give_up("the connection was closed")
        self._client.close()
        self._upstream.close()
        self._port.forget(self)

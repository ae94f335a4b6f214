from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalam_props.gate.framing import NotHttpError, RequestFraming, ResponseFraming

PLAIN = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"
SIZED = b"POST /v1/api/sql HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n\n\r\n\r\nGET / \r"
CHUNKED = (
    b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    b"6;ext=1\r\n0\r\n\r\n\n\r\na\r\n\r\n\r\n012345\r\n0\r\ntrailer: b\r\n\r\n"
)


def boundaries(pieces: list[bytes]) -> list[bytes]:
    """The requests that these pieces of a stream hold, as the framing divides them."""
    requests: list[bytes] = []
    framing = RequestFraming()
    current = b""
    for piece in pieces:
        rest = piece
        while rest:
            taken = framing.feed(rest)
            current += rest[:taken]
            rest = rest[taken:]
            if framing.complete:
                requests.append(current)
                framing, current = RequestFraming(), b""
    assert not current
    return requests


@given(
    requests=st.lists(st.sampled_from([PLAIN, SIZED, CHUNKED]), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_boundaries_do_not_depend_on_how_the_stream_was_cut(requests: list[bytes], cuts: list[int]) -> None:
    """Pipelined requests are divided at the same bytes, however they arrive."""
    stream = b"".join(requests)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert boundaries(pieces) == requests


def test_a_head_is_taken_apart_from_its_body() -> None:
    """Feeding stops after the head, so that the request can be judged before its body passes."""
    framing = RequestFraming()
    assert framing.feed(SIZED) == SIZED.index(b"\r\n\r\n") + 4
    assert (framing.head_done, framing.complete) == (True, False)
    assert (framing.method, framing.path) == (b"POST", b"/v1/api/sql")


def test_a_chunked_body_is_collected_without_its_framing() -> None:
    """What an operation says is the body, not the chunks that it came in."""
    framing = RequestFraming()
    head = framing.feed(CHUNKED)
    framing.collecting = True
    framing.feed(CHUNKED[head:])
    assert b"".join(framing.body) == b"0\r\n\r\n\n" + b"\r\n\r\n012345"


def feed_all(framing: RequestFraming, data: bytes) -> None:
    while data:
        data = data[framing.feed(data) :]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\na",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    """Bytes whose boundaries two parsers could see differently are not HTTP here."""
    framing = RequestFraming()
    with pytest.raises(NotHttpError):
        feed_all(framing, data)


def test_an_upgrade_request_ends_with_its_head() -> None:
    """What follows a WebSocket handshake is not part of it."""
    framing = RequestFraming()
    handshake = b"GET /v1/ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    assert framing.feed(handshake + b"\x81\x00") == len(handshake)
    assert framing.complete


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        (b"POST", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        (b"POST", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"POST", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201),
        (b"GET", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", 304),
        (b"HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", 200),
    ],
)
def test_an_answer_is_complete_with_its_last_byte_and_not_before(
    method: bytes, answer: bytes, status: int
) -> None:
    """Fed byte by byte, it becomes complete at the last one."""
    framing = ResponseFraming(method)
    for at in range(len(answer)):
        assert not framing.complete
        framing.feed(answer[at : at + 1])
    assert framing.complete
    assert framing.status == status


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """An HTTP/1.0 answer without content-length; one that has a length does not end so."""
    unsized = ResponseFraming(b"GET")
    unsized.feed(b"HTTP/1.0 200 OK\r\n\r\nsome")
    sized = ResponseFraming(b"GET")
    sized.feed(b"HTTP/1.0 200 OK\r\ncontent-length: 9\r\n\r\nsome")
    assert (unsized.complete, unsized.ends_with_connection()) == (False, True)
    assert (sized.complete, sized.ends_with_connection()) == (False, False)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (
            b"GET",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81",
        ),
        (b"CONNECT", b"HTTP/1.1 200 OK\r\n\r\nraw"),
    ],
)
def test_a_switch_of_protocols_is_seen(method: bytes, answer: bytes) -> None:
    """What follows is not HTTP any more."""
    framing = ResponseFraming(method)
    framing.feed(answer)
    assert framing.tunnel

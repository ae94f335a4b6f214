"""Where requests and responses begin and end. The bytes themselves are passed on as they came.

httptools (llhttp) parses; it does not say at which byte a message ended when more follow. So requests are
given to it in pieces that none can end in the middle of: a head, a body of known length, a line of a chunked
body.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser


class NotHttpError(Exception):
    """The parser refused the bytes: from here on they are passed on without being understood."""


class RequestFraming:
    """One request. Make a new one for the next."""

    __slots__ = (
        "_begun",
        "_chunked",
        "_length",
        "_parser",
        "_seen",
        "body",
        "collecting",
        "complete",
        "expects_continue",
        "head_done",
        "method",
        "path",
    )

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._begun = False
        self._chunked = False
        self._length = 0
        self._seen = 0
        self.body: list[bytes] = []
        self.collecting = False
        self.complete = False
        self.expects_continue = False
        self.head_done = False
        self.method = b""
        self.path = b""

    def feed(self, data: bytes) -> int:
        """Take bytes up to the end of the head or of the request, whichever is first; say how many.

        Raises:
            NotHttpError: this is no HTTP/1 request.

        """
        if not self.head_done:
            return self._feed_head(data)
        if not self._chunked:
            taken = min(len(data), self._length - self._seen)
            self._seen += taken
            self._push(data[:taken])
            return taken
        return self._feed_lines(data)

    def _feed_head(self, data: bytes) -> int:
        if not self._begun:
            self._begun = True
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                self._push(data[: end + 4])
                return end + 4
        return self._feed_lines(data)

    def _feed_lines(self, data: bytes) -> int:
        in_head = not self.head_done
        at = 0
        while at < len(data) and not self.complete:
            end = data.find(b"\n", at) + 1 or len(data)
            self._push(data[at:end])
            at = end
            if in_head and self.head_done:
                break
        return at

    def _push(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            if self._length or self._chunked:
                raise NotHttpError("a body between two protocols") from None
            self.complete = True
        except HttpParserError as error:
            raise NotHttpError(str(error)) from None

    def done(self) -> None:
        """It is complete: let go of the parser, which refers back to this object and would keep it."""
        del self._parser

    def on_message_begin(self) -> None:
        if self.complete:
            raise NotHttpError("a second request began where none could")

    def on_url(self, url: bytes) -> None:
        self.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._chunked = True
        elif name == b"expect":
            self.expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self.method = self._parser.get_method()
        self.head_done = True

    def on_body(self, data: bytes) -> None:
        if self.collecting:
            self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


class ResponseFraming:
    """The answer to one request, interim answers (1xx) included."""

    __slots__ = ("_delimited", "_method", "_parser", "complete", "status", "tunnel")

    def __init__(self, method: bytes) -> None:
        self._parser = HttpResponseParser(self)
        self._method = method
        self._delimited = False
        self.complete = False
        self.status: int | None = None
        self.tunnel = False

    def feed(self, data: bytes) -> None:
        """Follow the answer.

        Raises:
            NotHttpError: this is no HTTP/1 response.

        """
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.tunnel = True
        except HttpParserError as error:
            # Bytes after the end are somebody else's; what a HEAD's answer announces never comes.
            if not (self.complete or self.tunnel):
                raise NotHttpError(str(error)) from None

    def done(self) -> None:
        """It is complete: let go of the parser, which refers back to this object and would keep it."""
        del self._parser

    def ends_with_connection(self) -> bool:
        """Whether a head came that gives no length: the answer ends when the connection does."""
        return self.status is not None and self.status >= 200 and not self._delimited

    def on_header(self, name: bytes, _value: bytes) -> None:
        if len(name) in (14, 17) and name.lower() in (b"content-length", b"transfer-encoding"):
            self._delimited = True

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status == 101 or (self._method == b"CONNECT" and 200 <= status < 300):
            self.tunnel = True
        elif status >= 200:
            self.complete = self._method == b"HEAD"
        else:
            self._delimited = False
        self.status = status

    def on_message_complete(self) -> None:
        if self.status is not None and self.status >= 200:
            self.complete = True

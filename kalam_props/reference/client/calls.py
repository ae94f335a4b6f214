"""The calls of a server that a client makes: log in, ask who it is, health, one SQL request."""

from . import failures, jsontext
from .wire import Link, LostError, NotSentError

LOGIN = "/v1/api/auth/login"
SQL = "/v1/api/sql"
HEALTH = "/v1/api/healthcheck"
_LOGIN_SECONDS = 10.0


class Server:
    """A server as one identity sees it."""

    def __init__(
        self, host: str, port: int, prefix: str, connect_timeout: float, receive_timeout: float
    ) -> None:
        shown = f"[{host}]" if ":" in host else host
        self.base = f"http://{shown}:{port}{prefix}" if port != 80 else f"http://{shown}{prefix}"
        self.host = host
        self.port = port
        self.token: str | None = None
        self._prefix = prefix
        self._receive_timeout = receive_timeout
        self._link = Link(host, port, connect_timeout)

    def log_in(self, user: str, password: str) -> None:
        """Exchange user and password for a token.

        Raises:
            ClientError: in the words of `kalam`.

        """
        body = f'{{"user":{jsontext.quoted(user)},"password":{jsontext.quoted(password)}}}'
        status, answer = self._ask_or_explain("POST", LOGIN, body.encode(), _LOGIN_SECONDS)
        if status != 200:
            raise failures.ClientError(f"Configuration error: Login failed: {_login_refusal(status, answer)}")
        document = _document(answer)
        token = document.get("access_token")
        if not isinstance(token, str):
            raise failures.ClientError(
                f"Configuration error: Login failed: Network error: {failures.undecodable()}"
            )
        self.token = token

    def probe(self) -> None:
        """Find out whether the identity is good for SQL, in a way that every role may.

        Raises:
            ClientError: it is not, or the server is not there.

        """
        status, answer = self._ask_or_explain(
            "POST", SQL, _sql_body("SELECT 1 AS auth_check"), self._receive_timeout
        )
        _refuse_error(status, answer)

    def health(self) -> dict[str, object]:
        """What the server says of itself; empty when it does not."""
        try:
            status, answer = self._link.ask(
                "GET", self._prefix + HEALTH, token=None, body=None, timeout=self._receive_timeout
            )
        except (NotSentError, LostError):
            return {}
        return _document(answer) if status == 200 else {}

    def execute(self, sql: str) -> dict[str, object]:
        """The answer to one request. It is sent once, whatever happens to it.

        Raises:
            ClientError: refused, or no answer.

        """
        try:
            status, answer = self._link.ask(
                "POST",
                self._prefix + SQL,
                token=self.token,
                body=_sql_body(sql),
                timeout=self._receive_timeout,
            )
        except NotSentError:
            raise failures.unreachable(self.base, SQL) from None
        except LostError as lost:
            raise (
                failures.undecodable() if lost.kind == "body" else failures.unanswered(self.base, SQL)
            ) from None
        _refuse_error(status, answer)
        document = _document(answer)
        if "status" not in document:
            raise failures.undecodable()
        return document

    def close(self) -> None:
        self._link.close()

    def _ask_or_explain(self, method: str, path: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        """A request before the statement: without an answer to it, the statement is never sent."""
        try:
            return self._link.ask(method, self._prefix + path, token=self.token, body=body, timeout=timeout)
        except (NotSentError, LostError):
            raise failures.unreachable(self.base, path) from None


def _sql_body(sql: str) -> bytes:
    return f'{{"sql":{jsontext.quoted(sql)}}}'.encode()


def _document(answer: bytes) -> dict[str, object]:
    """The JSON object of an answer; empty when it is none."""
    try:
        document = jsontext.parse(answer.decode())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _refuse_error(status: int, answer: bytes) -> None:
    if 200 <= status < 300:
        return
    error = _document(answer).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    raise failures.ServerRefusedError(
        status, message if isinstance(message, str) else answer.decode("utf-8", "replace")
    )


def _login_refusal(status: int, answer: bytes) -> str:
    text = answer.decode("utf-8", "replace")
    if "Invalid credentials" in text:
        return "invalid credentials"
    return f"Authentication failed: Login failed ({status}{_reason(status)}): {text}"


def _reason(status: int) -> str:
    known = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 428: "Precondition Required",
             429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip
    return f" {known[status]}" if status in known else ""

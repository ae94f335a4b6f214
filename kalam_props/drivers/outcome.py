"""What an error says of the operation: a normalised code, and whether it is certain that nothing was done.

A server says 400 to nearly everything, its own failures among it, so a refusal is believed only in words that
are known for one. Anything else leaves the outcome open: to call a write undone that was done makes a checker
accuse a server that is right, or worse, lets a caller send it again.
"""

from __future__ import annotations

import re

from kalam_props.drivers.protocol import Reply
from kalam_props.history.events import MALFORMED, Error, ErrorCode

_REFUSED_BY_CODE: dict[str, ErrorCode] = {
    "RATE_LIMIT_EXCEEDED": "rate-limit",
    "PERMISSION_DENIED": "permission",
    "MISSING_AUTHORIZATION": "permission",
    "INVALID_CREDENTIALS": "permission",
    "TOKEN_EXPIRED": "permission",
    "TABLE_NOT_FOUND": "not-found",
    "INVALID_SQL": "invalid",
    "INVALID_INPUT": "invalid",
    "INVALID_PARAMETER": "invalid",
    "EMPTY_SQL": "invalid",
    "BATCH_PARSE_ERROR": "invalid",
    "PARAMS_WITH_BATCH": "invalid",
}
"""Codes of the HTTP envelope that are given before anything runs. The client does not print them."""

_REFUSED_BY_WORDS: tuple[tuple[str, ErrorCode], ...] = (
    # The first that is found counts; words that quote a value come first, for the value may hold any other.
    # Each is as long as it takes to leave out a storage error ("Permission denied (os error 13)", a file that
    # does not exist), after which anything may have been done.
    ("primary key violation", "duplicate-key"),
    ("appears multiple times in the insert batch", "duplicate-key"),
    # A row that a concurrent DELETE took first. Only these words: other failures to commit stay open.
    ("failed to update row: not found: row with ", "not-found"),
    ("failed to delete row: not found: row with ", "not-found"),
    ("sql parser error", "invalid"),
    ("permission denied: ", "permission"),
    ("access denied: ", "permission"),
    ("is not authorized", "permission"),
    ("authentication required", "permission"),
    ("invalid credentials", "permission"),
    ("too many queries per second", "rate-limit"),
    ("too many authentication attempts", "rate-limit"),
    ("table not found", "not-found"),
    ("not found: table", "not-found"),
    ("not found: user", "not-found"),
    ("create it first with create namespace", "not-found"),
    ("error during planning", "invalid"),
    ("schema error", "invalid"),
    ("no field named", "invalid"),
    ("already exists: table", "conflict"),
    # A flush of a whole namespace meets one of its tables' own; that of one table is answered as skipped.
    ("idempotent conflict: job with idempotency key", "conflict"),
    ("flush skipped: pre-validation returned false", "conflict"),
    ("write conflict", "conflict"),
    ("serialization failure", "conflict"),
    ("already bound to data raft group", "conflict"),
    ("not null constraint violation", "invalid"),
    ("' does not exist", "invalid"),
    ("schema coercion failed", "invalid"),
    ("requires a where clause", "invalid"),
    ("cannot modify primary key", "invalid"),
    ("open explicit transaction; rolled back", "invalid"),
    ("no sql statements provided", "invalid"),
    ("sql query too long", "invalid"),
    ("sql statement is invalid or not allowed", "invalid"),
    ("invalid sql", "invalid"),
    ("unsupported", "invalid"),
    ("not supported", "invalid"),
    ("execute as user missing", "invalid"),
    ("file placeholders require", "invalid"),
)
_NO_SUBSCRIPTION: dict[str, ErrorCode] = {
    "NOT_FOUND": "not-found",
    "INVALID_SQL": "invalid",
    "UNSUPPORTED": "invalid",
    "INVALID_SUBSCRIPTION_ID": "invalid",
    "AUTH_REQUIRED": "permission",
    "INVALID_CREDENTIALS": "permission",
    "UNAUTHORIZED": "permission",
    "SUBSCRIPTION_LIMIT_EXCEEDED": "rate-limit",
    "RATE_LIMIT_EXCEEDED": "rate-limit",
}
"""Codes by which a subscription is refused."""

_TIMES_OUT = ("timed out", "timeout", "deadline")
_REFUSED_BY_STATUS: dict[int, ErrorCode] = {
    401: "permission",
    403: "permission",
    409: "conflict",
    413: "invalid",
}

_STATEMENT = re.compile(r"Statement (\d+) failed: ")
_PRINTED = re.compile(r"Server error \((\d{3})\): (.*)", re.DOTALL)
_NEVER_SENT = "\n\nPossible issues:\n"
_LOGIN = "Configuration error: Login failed: "


def of_server(status: int, message: str, sql: str, server_code: str | None = None) -> Reply:
    """The reply for an answer with an error status (or error text) from a server."""
    code = _refusal(status, message, server_code)
    if code is None:
        late = status in (408, 504) or any(word in message.lower() for word in _TIMES_OUT)
        return Reply(error=Error("timeout" if late else "server", message, server_code), done=None)
    failed = _STATEMENT.match(message)
    if failed is None or _is_transaction(sql):
        return Reply(error=Error(code, message, server_code), done=False)
    before = int(failed[1]) - 1
    return Reply(
        error=Error(code, message, server_code), done=None if before else False, done_statements=before
    )


def of_subscription(server_code: str, message: str) -> Reply:
    """The reply for a subscription that was refused, or failed in a way that only its code tells."""
    code = _NO_SUBSCRIPTION.get(server_code)
    return Reply(error=Error(code or "server", message, server_code), done=None if code is None else False)


def of_client(words: str, sql: str) -> Reply | None:
    """The reply for what `kalam` printed after `Error: ` or `✗ `; None when these are no words of its."""
    if printed := _PRINTED.match(words):
        return of_server(int(printed[1]), printed[2].strip(), sql)
    if words.startswith(_LOGIN):
        return _refused_login(words.removeprefix(_LOGIN))
    if _NEVER_SENT in words:
        return Reply(error=Error("connection", words.partition("\n")[0]), done=False)
    if words.startswith(
        ("error sending request", "error decoding response", "request or response body error")
    ):
        return Reply(error=Error("connection", words.partition("\n")[0]), done=None)
    if words.startswith(("Parse error: ", "Configuration error: ")):
        return Reply(error=Error("invalid", words), done=False)  # refused by the client itself
    if words.startswith(
        ("Connection closed", "connection closed", "operation timed out", "Serialization error")
    ):
        return Reply(error=Error("connection", words), done=None)
    return None


def malformed(message: str) -> Reply:
    """A server's answer that does not fit its statement: what was done is as open as after no answer."""
    return Reply(error=Error("server", message, MALFORMED), done=None)


def unreachable(message: str) -> Reply:
    """No connection: the statement was never sent."""
    return Reply(error=Error("connection", message), done=False)


def refused_here(message: str) -> Reply:
    """We did not send it."""
    return Reply(error=Error("invalid", message), done=False)


def broken_off(message: str) -> Reply:
    """The connection ended after the statement was or may have been sent."""
    return Reply(error=Error("connection", message), done=None)


def timed_out(deadline_s: float) -> Reply:
    """No answer within the time that we give it."""
    return Reply(error=Error("timeout", f"no answer within {deadline_s:g} s"), done=None)


def _refusal(status: int, message: str, server_code: str | None) -> ErrorCode | None:
    if status >= 500 and server_code not in _REFUSED_BY_CODE:
        return None
    if server_code in _REFUSED_BY_CODE:
        return _REFUSED_BY_CODE[server_code]
    if status == 429:
        return "rate-limit"
    lower = message.lower()
    for words, code in _REFUSED_BY_WORDS:
        if words in lower:
            return code
    return _REFUSED_BY_STATUS.get(status)


def _refused_login(words: str) -> Reply:
    """The statement comes after the login, so it was never sent, whatever went wrong."""
    lower = words.lower()
    code: ErrorCode = "server"
    if "invalid credentials" in lower or "unauthorized" in lower or "forbidden" in lower:
        code = "permission"
    elif "too many" in lower:
        code = "rate-limit"
    return Reply(error=Error(code, f"Login failed: {words}"), done=False)


def _is_transaction(sql: str) -> bool:
    return sql.lstrip().upper().startswith(("BEGIN", "START TRANSACTION"))

"""`--subscribe`: the rows that a query finds, then each change of them as it comes, as text."""

import signal
import sys
import time

from . import jsontext
from .arguments import Options
from .calls import Server
from .failures import ClientError
from .output import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_PATH = "/v1/ws"
_ACK_SECONDS = 5.0


def follow(server: Server, options: Options) -> None:
    """Print until the time is over, the server ends it, or an interrupt comes.

    Raises:
        ClientError: refused, or no connection.

    """
    # A shell starts its background jobs with SIGINT ignored, and this has no other end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limit = options.number("--subscription-timeout", 0)
    ends = time.monotonic() + limit if limit else None
    connection = _connect(server, options.number("--connection-timeout", 10))
    with connection:
        try:
            _authenticate(connection, server.token)
            _subscribe(connection, options.text("--subscribe") or "")
            while (message := _next(connection, ends)) is not None:
                _show(message)
                _ask_for_more(connection, message)
        except KeyboardInterrupt:
            say("\n⚠ Unsubscribing...\n")
            connection.close()
            say("✓ Unsubscribed - Back to CLI prompt\n")


def _connect(server: Server, patience: int) -> "ClientConnection":
    if sys.flags.no_site:
        import site  # noqa: PLC0415  # the library lives in site-packages, which the start left out

        site.main()
    try:
        from websockets.exceptions import InvalidHandshake  # noqa: PLC0415
        from websockets.sync.client import connect  # noqa: PLC0415
    except ImportError:
        raise ClientError("WebSocket error: --subscribe needs the Python package websockets") from None
    address = server.base.replace("http", "ws", 1) + _PATH
    try:
        return connect(address, open_timeout=patience, max_size=None, proxy=None)
    except (OSError, InvalidHandshake) as error:
        raise ClientError(f"WebSocket error: {error}") from None


def _authenticate(connection: "ClientConnection", token: str | None) -> None:
    protocol = {"serialization": "json", "compression": "none"}
    _send(connection, {"type": "authenticate", "method": "jwt", "token": token or "", "protocol": protocol})
    answer = _next(connection, time.monotonic() + _ACK_SECONDS)
    if answer is None:
        raise ClientError("Timeout: no answer to the authentication")
    if answer.get("type") != "auth_success":
        raise ClientError(f"WebSocket authentication failed: {answer.get('message', 'the server hung up')}")


def _subscribe(connection: "ClientConnection", query: str) -> None:
    identity = f"sub_{time.time_ns()}"
    # With options, even empty ones, the rows that are there now come first.
    _send(connection, {"type": "subscribe", "subscription": {"id": identity, "sql": query, "options": {}}})
    answer = _next(connection, time.monotonic() + _ACK_SECONDS)
    if answer is None:
        raise ClientError("Timeout: no answer to the subscription")
    if answer.get("type") == "error":
        raise ClientError(f"Subscription failed ({answer.get('code')}): {answer.get('message')}")
    _show(answer)
    _ask_for_more(connection, answer)


def _send(connection: "ClientConnection", message: dict[str, object]) -> None:
    connection.send(jsontext.compact(message))


def _next(connection: "ClientConnection", until: float | None) -> dict[str, object] | None:
    """The next message; None when the time is over or, having said so, the server ended it."""
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

    try:
        frame = connection.recv(None if until is None else max(0.0, until - time.monotonic()))
    except TimeoutError:
        return None
    except ConnectionClosed:
        say("Subscription ended by server\n")
        return None
    if isinstance(frame, bytes):  # long messages come compressed, also to who asked for none
        import gzip  # noqa: PLC0415

        frame = gzip.decompress(frame).decode()
    message = jsontext.parse(frame)
    return message if isinstance(message, dict) else {}


def _ask_for_more(connection: "ClientConnection", message: dict[str, object]) -> None:
    """The next batch of the rows that are there now, when the server holds one back."""
    control = message.get("batch_control")
    if (
        message.get("type") != "initial_data_batch"
        or not isinstance(control, dict)
        or not control.get("has_more")
    ):
        return
    request = {"type": "next_batch", "subscription_id": message.get("subscription_id")}
    if control.get("last_seq_id") is not None:
        request["last_seq_id"] = control["last_seq_id"]
    _send(connection, request)


def _show(message: dict[str, object]) -> None:
    now = time.time()
    at = f"[{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}]"
    identity = f"[{message.get('subscription_id')}]"
    match message.get("type"):
        case "subscription_ack":
            fields = message.get("schema")
            columns = len(fields) if isinstance(fields, list) else 0
            number, more = _batch(message)
            state = "(loading...)" if more else "(ready)"
            rows = message.get("total_rows", 0)
            say(
                f"{at} ✓ SUBSCRIBED {identity} {rows} total rows, batch {number} {state}, {columns} columns\n"
            )
        case "initial_data_batch":
            rows = _rows(message, "rows")
            number, more = _batch(message)
            state = "(more pending)" if more else "(complete)"
            say(f"{at} BATCH {number} {identity} {len(rows)} rows {state}\n")
            say("".join(f"  {jsontext.pretty(row)}\n" for row in rows))
        case "change":
            for text in _changes(message):
                say(f"{at} {str(message.get('change_type')).upper()} {identity} {text}\n")
        case "error":
            raise ClientError(f"Subscription failed ({message.get('code')}): {message.get('message')}")


def _changes(message: dict[str, object]) -> list[str]:
    new = [jsontext.compact(row) for row in _rows(message, "rows")]
    old = [jsontext.compact(row) for row in _rows(message, "old_values")]
    if message.get("change_type") == "update":
        missing = "<missing>"
        old += [missing] * (len(new) - len(old))
        new += [missing] * (len(old) - len(new))
        texts = [f"{before} => {after}" for before, after in zip(old, new, strict=True)]
    else:
        texts = old if message.get("change_type") == "delete" else new
    return texts or ["(no row payload)"]


def _rows(message: dict[str, object], name: str) -> list[object]:
    rows = message.get(name)
    return rows if isinstance(rows, list) else []


def _batch(message: dict[str, object]) -> tuple[int, bool]:
    """Number of the batch, counted from 1, and whether more follow."""
    control = message.get("batch_control")
    if not isinstance(control, dict):
        return 1, False
    return int(control.get("batch_num", 0)) + 1, bool(control.get("has_more"))

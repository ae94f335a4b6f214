"""Header and events as JSON objects, and back, with errors that say what was expected.

What needs more than one line (an answer without its invocation, time running backwards) is the reader's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

import orjson

from kalam_props.history import operations
from kalam_props.history.events import (
    EVENT_NAMES,
    FORMAT,
    VERSION,
    Anchor,
    Error,
    ErrorCode,
    Event,
    Fail,
    FlushRun,
    Header,
    Info,
    Interval,
    Invoke,
    NetFault,
    Notify,
    Ok,
    Product,
    Released,
    ServerEvent,
    TableShape,
)
from kalam_props.history.operations import Row

ERROR_CODES: frozenset[str] = frozenset(get_args(ErrorCode))
SERVER_EVENTS = ("started", "stopped", "killed", "healthy", "died")
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)
CHANGES = ("initial", "insert", "update", "delete")


def dump(data: Mapping[str, Any]) -> bytes:
    """One line of JSON without its newline. Any string can be written, also one with a lone surrogate."""
    try:
        return orjson.dumps(data)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits: rare, and valid JSON
        return json.dumps(data, separators=(",", ":")).encode("ascii")


def load(line: bytes) -> Any:
    """The JSON value in one line.

    Raises:
        ValueError: not JSON, and where it stops to be.

    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            # An escaped lone surrogate is JSON to everybody but orjson.
            return json.loads(line.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def header_to_json(header: Header) -> dict[str, Any]:
    """The first line of a history."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "clock": "ns",
        "target": {"name": header.target.name, "version": header.target.version},
        "client": {"name": header.client.name, "version": header.client.version},
        "driver": header.driver,
        "gate": header.gate,
        "program": header.program,
        "tables": {
            name: {"type": shape.type, "columns": list(shape.columns), "key": shape.key}
            for name, shape in header.tables.items()
        },
    }
    if header.identity is not None:
        data["identity"] = header.identity
    if header.started is not None:
        data["started"] = header.started
    return data


def header_from_json(data: Any) -> Header:
    """The header in the JSON object of a first line. Only what checks need must be there.

    Raises:
        ValueError: what is wrong with it.

    """
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
        found = (
            f"format {data.get('format')!r}, version {data.get('version')!r}"
            if isinstance(data, dict)
            else f"{type(data).__name__}"
        )
        raise ValueError(
            f'expected a header with "format":"{FORMAT}","version":{VERSION} in the first line, found {found}'
        )
    tables = data.get("tables")
    if not isinstance(tables, dict):
        raise ValueError('expected "tables" in the header: an object of tables by name')
    return Header(
        target=_product(data.get("target")),
        client=_product(data.get("client")),
        driver=str(data.get("driver", "unknown")),
        gate=data.get("gate") is True,
        program=str(data.get("program", "")),
        tables={name: _shape(name, shape) for name, shape in tables.items()},
        identity=_text_or_none(data.get("identity")),
        started=_text_or_none(data.get("started")),
    )


def body(event: Event) -> dict[str, Any]:
    """The JSON object of an event without its `i` and `t`; fields that hold their default are left out."""
    return _BODIES[type(event)](event)


def event_to_json(event: Event) -> dict[str, Any]:
    """The whole JSON object of an event, one line of a history."""
    return {"i": event.i, "t": event.t, **body(event)}


def event_from_json(data: Any) -> Event:
    """The event in the JSON object of a line. Unknown fields are ignored.

    Raises:
        ValueError: not an event; the message says what was expected.

    """
    if not isinstance(data, dict):
        raise ValueError(f"expected an event (a JSON object), found {type(data).__name__}")
    name = data.get("e")
    parse = _PARSERS.get(name) if isinstance(name, str) else None
    if parse is None:
        raise ValueError(f"unknown event {name!r}; expected one of {', '.join(_PARSERS)}")
    return parse(_integer(data, "i"), _integer(data, "t"), data)


def _product(data: Any) -> Product:
    if not isinstance(data, dict):
        return Product("unknown", "unknown")
    return Product(str(data.get("name", "unknown")), str(data.get("version", "unknown")))


def _shape(name: str, data: Any) -> TableShape:
    columns = data.get("columns") if isinstance(data, dict) else None
    if not isinstance(columns, list) or not columns or not all(isinstance(c, str) for c in columns):
        raise ValueError(f'expected "columns" of table {name!r}: a list of names')
    if data.get("type") not in ("user", "shared"):
        raise ValueError(f'expected "type" of table {name!r} to be "user" or "shared"')
    if data.get("key") not in columns:
        raise ValueError(f'expected "key" of table {name!r} to be one of its columns')
    return TableShape(type=data["type"], columns=tuple(columns), key=data["key"])


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or value < 0:
        raise ValueError(f'expected "{name}": a whole number, 0 or more, found {value!r}')
    return value


def _integer_or_none(data: dict[str, Any], name: str) -> int | None:
    return None if data.get(name) is None else _integer(data, name)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ValueError(f'expected "{name}": a string, found {value!r}')
    return value


def _choice(data: dict[str, Any], name: str, choices: tuple[str, ...]) -> Any:
    value = data.get(name)
    if value not in choices:
        raise ValueError(f'expected "{name}": one of {", ".join(choices)}, found {value!r}')
    return value


def _interval(data: dict[str, Any], name: str) -> Interval:
    value = data.get(name)
    if (
        not isinstance(value, list)
        or len(value) != 2
        or type(value[0]) is not int
        or not (value[1] is None or (type(value[1]) is int and value[0] <= value[1]))
    ):
        raise ValueError(
            f'expected "{name}": [from, to] in nanoseconds, to null or not before from, found {value!r}'
        )
    return value[0], value[1]


def _rows(data: dict[str, Any], name: str) -> tuple[Row, ...] | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f'expected "{name}": a list of rows, found {type(value).__name__}')
    return tuple(map(_row, value))


def _row(value: Any) -> Row:
    if not isinstance(value, list):
        raise ValueError(f"expected a row (a list of values), found {value!r}")
    for item in value:
        if isinstance(item, (list, dict)):
            raise ValueError(f"a value is null, true, false, a number or a string, not {item!r}")
    return tuple(value)


def _error(data: dict[str, Any]) -> Error:
    value = data.get("error")
    if not isinstance(value, dict) or value.get("code") not in ERROR_CODES:
        raise ValueError(
            f'expected "error" with "code" one of {", ".join(sorted(ERROR_CODES))}, found {value!r}'
        )
    return Error(
        code=value["code"],
        message=str(value.get("message") or ""),
        server_code=_text_or_none(value.get("server_code")),
    )


def _invoke(i: int, t: int, data: dict[str, Any]) -> Invoke:
    return Invoke(
        i=i,
        t=t,
        p=_text(data, "p"),
        user=_text(data, "user"),
        op=operations.from_json(data),
        deadline=_integer_or_none(data, "deadline"),
        release=_released(data),
    )


def _released(data: dict[str, Any]) -> Released | None:
    value = data.get("release")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f'expected "release" with "anchor" and "us", found {value!r}')
    anchor = _choice(value, "anchor", ANCHORS)
    if anchor == "check" and type(value.get("us")) is int:
        return Released(anchor, value["us"])  # before the check, if negative
    return Released(anchor, _integer(value, "us"))


def _ok(i: int, t: int, data: dict[str, Any]) -> Ok:
    results = data.get("results")
    if results is not None and not (isinstance(results, list) and all(isinstance(r, dict) for r in results)):
        raise ValueError(f'expected "results": a list of objects, found {results!r}')
    return Ok(
        i=i,
        t=t,
        of=_integer(data, "of"),
        affected=_integer_or_none(data, "affected"),
        rows=_rows(data, "rows"),
        count=_integer_or_none(data, "count"),
        complete=data.get("complete", True) is not False,
        results=None if results is None else tuple(results),
        wire=_interval(data, "wire") if data.get("wire") is not None else None,
        attempts=_integer(data, "attempts") if "attempts" in data else 1,
    )


def _unanswered(cls: type[Fail | Info]) -> Callable[[int, int, dict[str, Any]], Fail | Info]:
    def parse(i: int, t: int, data: dict[str, Any]) -> Fail | Info:
        return cls(
            i=i,
            t=t,
            of=_integer(data, "of"),
            error=_error(data),
            wire=_interval(data, "wire") if data.get("wire") is not None else None,
            attempts=_integer(data, "attempts") if "attempts" in data else 1,
        )

    return parse


def _flush(i: int, t: int, data: dict[str, Any]) -> FlushRun:
    return FlushRun(
        i=i,
        t=t,
        table=_text(data, "table"),
        job=str(data.get("job", "")),
        began=_interval(data, "began"),
        ended=_interval(data, "ended"),
        rows=_integer_or_none(data, "rows"),
        status=str(data.get("status", "completed")),
    )


def _server(i: int, t: int, data: dict[str, Any]) -> ServerEvent:
    return ServerEvent(
        i=i, t=t, what=_choice(data, "what", SERVER_EVENTS), message=_text_or_none(data.get("message"))
    )


def _net(i: int, t: int, data: dict[str, Any]) -> NetFault:
    return NetFault(i=i, t=t, of=_integer(data, "of"), what=_text(data, "what"))


def _notify(i: int, t: int, data: dict[str, Any]) -> Notify:
    return Notify(
        i=i,
        t=t,
        of=_integer(data, "of"),
        change=_choice(data, "change", CHANGES),
        rows=_rows(data, "rows"),
        old=_rows(data, "old"),
    )


_PARSERS: dict[str, Callable[[int, int, dict[str, Any]], Event]] = {
    "invoke": _invoke,
    "ok": _ok,
    "fail": _unanswered(Fail),
    "info": _unanswered(Info),
    "flush": _flush,
    "server": _server,
    "net": _net,
    "notify": _notify,
}


def _invoke_body(event: Invoke) -> dict[str, Any]:
    data = {"e": "invoke", "p": event.p, "user": event.user, **operations.to_json(event.op)}
    if event.deadline is not None:
        data["deadline"] = event.deadline
    if event.release is not None:
        data["release"] = {"anchor": event.release.anchor, "us": event.release.us}
    return data


def _ok_body(event: Ok) -> dict[str, Any]:
    data: dict[str, Any] = {"e": "ok", "of": event.of, **_on_the_wire(event)}
    if event.affected is not None:
        data["affected"] = event.affected
    if event.rows is not None:
        data["rows"] = event.rows
    if event.count is not None:
        data["count"] = event.count
    if not event.complete:
        data["complete"] = False
    if event.results is not None:
        data["results"] = event.results
    return data


def _unanswered_body(event: Fail | Info) -> dict[str, Any]:
    error = {"code": event.error.code, "message": event.error.message}
    if event.error.server_code is not None:
        error["server_code"] = event.error.server_code
    return {"e": EVENT_NAMES[type(event)], "of": event.of, **_on_the_wire(event), "error": error}


def _on_the_wire(event: Ok | Fail | Info) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if event.wire is not None:
        data["wire"] = event.wire
    if event.attempts != 1:
        data["attempts"] = event.attempts
    return data


def _flush_body(event: FlushRun) -> dict[str, Any]:
    data: dict[str, Any] = {
        "e": "flush",
        "table": event.table,
        "job": event.job,
        "began": event.began,
        "ended": event.ended,
    }
    if event.rows is not None:
        data["rows"] = event.rows
    if event.status != "completed":
        data["status"] = event.status
    return data


def _server_body(event: ServerEvent) -> dict[str, Any]:
    data = {"e": "server", "what": event.what}
    return data if event.message is None else {**data, "message": event.message}


def _net_body(event: NetFault) -> dict[str, Any]:
    return {"e": "net", "of": event.of, "what": event.what}


def _notify_body(event: Notify) -> dict[str, Any]:
    return {"e": "notify", "of": event.of, "change": event.change, "rows": event.rows, "old": event.old}


_BODIES: dict[type, Callable[[Any], dict[str, Any]]] = {
    Invoke: _invoke_body,
    Ok: _ok_body,
    Fail: _unanswered_body,
    Info: _unanswered_body,
    FlushRun: _flush_body,
    ServerEvent: _server_body,
    NetFault: _net_body,
    Notify: _notify_body,
}

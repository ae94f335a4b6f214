"""An answer as JSON, as CSV and as a table. Table and CSV show the first result only, as `kalam` does."""

from . import jsontext

_RESULT_KEYS = ("schema", "rows", "named_rows", "row_count", "message", "as_user")
_FIELD_KEYS = ("name", "data_type", "index", "flags")
_TERMINAL_WIDTH = 80
_WIDEST_CELL = 32


def as_json(answer: dict[str, object]) -> str:
    """The document with its keys in their fixed order, and without those that say nothing."""
    document: dict[str, object] = {
        "status": answer.get("status"),
        "results": [_ordered(r) for r in _results(answer)],
    }
    if answer.get("took") is not None:
        document["took"] = answer["took"]
    return jsontext.pretty(document)


def as_csv(answer: dict[str, object]) -> str:
    results = _results(answer)
    rows = _rows(results[0]) if results else None
    if not rows:
        return ""
    fields = _fields(results[0])
    lines = [",".join(name for name, _ in fields)]
    lines += [",".join(_csv_cell(_shown(value, kind)) for value, kind in _cells(row, fields)) for row in rows]
    return "\n".join(lines) + "\n"


def as_table(answer: dict[str, object]) -> str:
    results = _results(answer)
    first = results[0] if results else {}
    rows = _rows(first)
    footer = f"Took: {_took(answer):.3f} ms"
    user = first.get("as_user")
    if isinstance(user, str) and user.strip():
        footer = f"As: {user}\n{footer}"
    message = first.get("message")
    if rows is None or message is not None:
        head = "" if message is None else f"{message}\n"
        return f"{head}Query OK, {first.get('row_count', 0)} rows affected\n\n{footer}"
    count = f"({len(rows)} row)" if len(rows) == 1 else f"({len(rows)} rows)"
    return f"{_box(_fields(first), rows)}{count}\n\n{footer}"


FORMATS = {"json": as_json, "csv": as_csv, "table": as_table}


def _results(answer: dict[str, object]) -> list[dict[str, object]]:
    results = answer.get("results")
    return [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []


def _rows(result: dict[str, object]) -> list[list[object]] | None:
    rows = result.get("rows")
    return [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else None


def _fields(result: dict[str, object]) -> list[tuple[str, object]]:
    schema = result.get("schema")
    fields = [f for f in schema if isinstance(f, dict)] if isinstance(schema, list) else []
    return [(str(f.get("name")), f.get("data_type")) for f in fields]


def _took(answer: dict[str, object]) -> float:
    took = answer.get("took")
    return float(took) if isinstance(took, (str, int)) else 0.0


def _ordered(result: dict[str, object]) -> dict[str, object]:
    ordered = {key: result[key] for key in _RESULT_KEYS if result.get(key) is not None}
    schema = ordered.get("schema")
    if not schema:
        ordered.pop("schema", None)
    elif isinstance(schema, list):
        ordered["schema"] = [{key: f[key] for key in _FIELD_KEYS if f.get(key) is not None} for f in schema]
    return ordered


def _cells(row: list[object], fields: list[tuple[str, object]]) -> list[tuple[object, object]]:
    return [(row[at] if at < len(row) else None, kind) for at, (_, kind) in enumerate(fields)]


def _csv_cell(text: str) -> str:
    if "," in text or '"' in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _shown(value: object, kind: object) -> str:
    """A value for people."""
    if value is None:
        return "NULL"
    if kind in ("Timestamp", "DateTime", "Date"):
        return _moment(value, 86_400_000 if kind == "Date" else None)
    return value if isinstance(value, str) else jsontext.compact(value)


def _moment(value: object, unit_ms: int | None) -> str:
    """ISO 8601 of a time since the epoch; without a unit, its size tells ns, µs, ms and s apart."""
    text = str(value)
    if not text.lstrip("-").isdigit():
        return "NULL"
    raw = int(text)
    if unit_ms is not None:
        ms = raw * unit_ms
    elif abs(raw) >= 10**17:
        ms = raw // 1_000_000
    elif abs(raw) >= 10**14:
        ms = raw // 1000
    else:
        ms = raw if abs(raw) >= 10**11 else raw * 1000
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415  # 2 ms to import, and hardly ever needed

    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    except OverflowError:
        return text
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _box(fields: list[tuple[str, object]], rows: list[list[object]]) -> str:
    cells = [[_shown(value, kind) for value, kind in _cells(row, fields)] for row in rows]
    names = [name for name, _ in fields]
    widths = [max(len(text.encode()) for text in column) for column in zip(names, *cells, strict=True)]
    _narrow(widths, max(_TERMINAL_WIDTH - (3 * len(widths) + 1), len(widths)))
    lines = [
        _rule(widths, "┌┬┐"),
        _line(names, widths),
        _rule(widths, "├┼┤"),
        *(_line(row, widths) for row in cells),
        _rule(widths, "└┴┘"),
    ]
    return "".join(lines)


def _narrow(widths: list[int], available: int) -> None:
    """Shrink the widest column by one, again and again, until all fit."""
    if sum(widths) <= available:
        return
    widths[:] = [min(width, _WIDEST_CELL) for width in widths]
    while sum(widths) > available:
        widest = max(widths)
        if widest <= 1:
            return
        # The last of equals.
        candidates = [at for at, width in enumerate(widths) if width == widest]
        widths[candidates[-1]] -= 1


def _rule(widths: list[int], corners: str) -> str:
    return corners[0] + corners[1].join("─" * (width + 2) for width in widths) + corners[2] + "\n"


def _line(texts: list[str], widths: list[int]) -> str:
    return (
        "│"
        + "".join(f" {_cut(text, width):{width}} │" for text, width in zip(texts, widths, strict=True))
        + "\n"
    )


def _cut(text: str, width: int) -> str:
    if len(text.encode()) <= width:
        return text
    return text[:width] if width <= 3 else text[: width - 3] + "..."

"""JSON in and out: parsed with numbers as they were written, printed as `kalam --json` prints.

`import json` costs 5 ms, for the regular expressions of its Python half; its C half does the work.
"""

try:
    from _json import encode_basestring, make_scanner
except ImportError:  # another interpreter than CPython: slower to start, same behaviour
    from json.encoder import encode_basestring
    from json.scanner import make_scanner


class Number(str):
    """A number with a fraction or exponent, as it was written: never rounded on its way through."""

    __slots__ = ()


class _Context:
    """What the scanner asks of a decoder."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = Number
    parse_int = int
    parse_constant = Number
    memo: dict[str, str] = {}  # noqa: RUF012  # the scanner wants an attribute of this name, and empties it


_scan = make_scanner(_Context())  # type: ignore[arg-type]  # typed for json's own decoder only


def quoted(text: str) -> str:
    """`text` as a JSON string, in Unicode as it is."""
    return encode_basestring(text)


def parse(text: str) -> object:
    """The value that `text` holds.

    Raises:
        ValueError: not one JSON value.

    """
    text = text.strip()
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def pretty(value: object) -> str:
    """`value` indented by two spaces, keys in their order."""
    pieces: list[str] = []
    _write(value, "\n", pieces)
    return "".join(pieces)


def compact(value: object) -> str:
    """`value` on one line, without spaces."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return _scalar(value)


def _write(value: object, newline: str, pieces: list[str]) -> None:
    if isinstance(value, dict) and value:
        separator = "{"
        for name, entry in value.items():
            pieces.append(f"{separator}{newline}  {quoted(name)}: ")
            _write(entry, newline + "  ", pieces)
            separator = ","
        pieces.append(newline + "}")
    elif isinstance(value, list) and value:
        separator = "["
        for entry in value:
            pieces.append(f"{separator}{newline}  ")
            _write(entry, newline + "  ", pieces)
            separator = ","
        pieces.append(newline + "]")
    else:
        pieces.append(_scalar(value))


def _scalar(value: object) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    return "{}" if isinstance(value, dict) else "[]"

"""The functions that KalamDB adds to SQL for defaults and values."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable

from kalam_props.reference.hot import Sequence
from kalam_props.reference.refusals import Refusal

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def call(sql: str, user: str, sequence: Sequence) -> tuple[bool, object]:
    """Whether `sql` is a call of one of these functions, and its value."""
    function = _FUNCTIONS.get("".join(sql.split()).upper())
    return (True, function(user, sequence)) if function else (False, None)


def constant(sql: str) -> object:
    """The value of a literal in a column default.

    Raises:
        Refusal: it is neither a literal nor a known function.

    """
    if sql.startswith("'"):
        return sql[1:-1].replace("''", "'")
    upper = sql.upper()
    if upper in {"TRUE", "FALSE", "NULL"}:
        return {"TRUE": True, "FALSE": False, "NULL": None}[upper]
    try:
        return int(sql) if sql.lstrip("-").isdigit() else float(sql)
    except ValueError:
        raise Refusal(f"Invalid operation: unsupported DEFAULT expression {sql}") from None


def _now_us() -> int:
    return time.time_ns() // 1000


def uuid_v7() -> str:
    """A UUID of version 7: milliseconds, then random bits."""
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def _ulid() -> str:
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


_FUNCTIONS: dict[str, Callable[[str, Sequence], object]] = {
    "SNOWFLAKE_ID()": lambda _, sequence: sequence.take(),
    "UUID_V7()": lambda *_: uuid_v7(),
    "ULID()": lambda *_: _ulid(),
    "CURRENT_USER()": lambda user, _: user,
    "CURRENT_USER": lambda user, _: user,
    "NOW()": lambda *_: _now_us(),
    "CURRENT_TIMESTAMP": lambda *_: _now_us(),
    "CURRENT_TIMESTAMP()": lambda *_: _now_us(),
}

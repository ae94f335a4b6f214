"""Values that say who wrote them, and values that are awkward to carry.

A payload is a fingerprint, unique in its program (`u0.1.3.0`: user u0, session 1, operation 3, row 0), for
people and for rows that a history does not know. An awkward payload keeps it as a prefix, in ASCII: the
`kalam` 0.4.3-rc.4 client panics when byte 80 of a statement falls into a multi-byte character.
Only the kind of a payload is drawn, not its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLAIN = "plain"

AWKWARD: Mapping[str, str] = MappingProxyType(
    {
        "quotes": " it's; \"quoted\" ''twice''",
        "semicolon": "; DROP TABLE nothing; --",
        "comment": " -- not a comment /* nor this */",
        "newline": "\nsecond line\r\nthird",
        "spaces": "   ",
        "unicode": " żółć 漢字 🧪 e\u0301 \u202etfel",
        "percent": " %s {0} $1 ?",
        "long": "x" * 10_000,
    }
)

KINDS: tuple[str, ...] = (PLAIN, *AWKWARD)


def fingerprint(session: str, operation: int, row: int) -> str:
    """`user.session.operation.row`, unique in a program."""
    return f"{session.replace('/', '.')}.{operation}.{row}"


def payload(kind: str, mark: str) -> str:
    """The text of a payload of a kind, with its fingerprint in front."""
    return mark if kind == PLAIN else mark + AWKWARD[kind]

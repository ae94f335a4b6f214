"""SQL text: values as literals that every client carries unchanged, and where literals and statements end.

Two clients read SQL before a server does. `kalam` looks for `file('…')` uploads with a scanner that takes a
backslash for an escape and knows no comments; a literal that it would misread is followed by a comment that
brings it back in step. In an interactive session a line break ends a line; see `one_line`.
"""

from __future__ import annotations

import math
import re

from kalam_props.history.operations import Scalar

MAX_ARGUMENT_BYTES = 131_071
"""One argument of a process on Linux; a longer statement needs another driver than `process`."""

_BACK_IN_STEP = ("/*'*/", '/*"*/')
_UPLOAD = re.compile(r"file\s*\(", re.IGNORECASE)


def literal(value: Scalar) -> str:
    """`value` as SQL.

    Raises:
        ValueError: infinite or not a number, which no column holds.

    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no SQL literal")
        return repr(value)
    return text_literal(value)


def text_literal(text: str) -> str:
    """`text` in quotes, doubled inside; followed by a comment where `kalam` would miss its end."""
    quoted = "'" + text.replace("'", "''") + "'"
    still_open = _open_for_kalam(quoted) if "\\" in text else ""
    return f"{quoted}/*{still_open}*/" if still_open else quoted


def carriable(value: Scalar, driver_name: str) -> bool:
    """Whether a driver brings `value` to a server unchanged. To be asked when a value is drawn."""
    if not isinstance(value, str):
        return not isinstance(value, float) or math.isfinite(value)
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        return False  # half a character: not UTF-8
    if _UPLOAD.search(value):
        return False  # client and server take it for an upload, even inside a literal
    if driver_name == "http":
        return True
    # A zero byte ends an argument, and a session's escape for it is refused by servers.
    return "\0" not in value and (driver_name != "process" or len(value.encode()) <= MAX_ARGUMENT_BYTES // 2)


def _open_for_kalam(sql: str) -> str:
    """The quote that `kalam`'s scanner believes to be open at the end of `sql`, or nothing."""
    quote = ""
    at = 0
    while at < len(sql):
        sign = sql[at]
        if not quote:
            quote = sign if sign in "'\"" else ""
        elif sign == "\\":
            at += 1
        elif sign == quote:
            if sql.startswith(quote, at + 1):
                at += 1
            else:
                quote = ""
        at += 1
    return quote


def pieces(sql: str) -> list[str]:
    """`sql` cut into literals, quoted names, comments, semicolons, and what is between; nothing is lost."""
    found: list[str] = []
    plain = at = 0
    while at < len(sql):
        end = _end_of_piece(sql, at)
        if end == at:
            at += 1
            continue
        if plain < at:
            found.append(sql[plain:at])
        found.append(sql[at:end])
        plain = at = end
    if plain < len(sql):
        found.append(sql[plain:])
    return found


def _end_of_piece(sql: str, at: int) -> int:
    """Where the literal, quoted name, comment or semicolon at `at` ends; `at` when there is none."""
    if sql[at] in "'\"":
        mark, inside = sql[at], at + 1
    elif sql.startswith("--", at):
        mark, inside = "\n", at + 2
    elif sql.startswith("/*", at):
        mark, inside = "*/", at + 2
    else:
        return at + 1 if sql[at] == ";" else at
    end = sql.find(mark, inside)
    return len(sql) if end < 0 else end + len(mark)


def statements(sql: str) -> list[str]:
    """The statements of `sql`, without their semicolons; empty ones left out."""
    found = [""]
    for piece in pieces(sql):
        if piece == ";":
            found.append("")
        else:
            found[-1] += piece
    return [statement.strip() for statement in found if statement.strip()]


def one_line(sql: str) -> str:
    """The same statement on one line: literals with line breaks are written with escapes (`E'…'`).

    A session reads lines: it trims them, ends a statement at a `;` at the end of one and at an empty one, and
    does so inside literals too.
    """
    line = ""
    escaped = False
    for piece in _join_literals(pieces(sql)):
        if piece.startswith("--"):
            continue  # would swallow what follows
        if escaped and piece in _BACK_IN_STEP:
            continue  # `kalam` reads a literal with escapes rightly
        escaped = piece.startswith("'") and ("\n" in piece or "\r" in piece)
        line += _with_escapes(piece) if escaped else piece.replace("\n", " ")
    return line


def _join_literals(found: list[str]) -> list[str]:
    """A doubled quote ends one piece and begins the next: put such literals together again."""
    joined: list[str] = []
    for piece in found:
        if joined and piece.startswith("'") and joined[-1].startswith("'"):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _with_escapes(piece: str) -> str:
    return "E" + piece.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")

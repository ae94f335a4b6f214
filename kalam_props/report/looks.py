"""What a shell script is to look for in an answer, or in what a subscriber was told: text, or a number.

A shell has nothing better than text: the row that is missing or should not be there, or the wrong number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import frozen

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import History, Invoke, Ok
from kalam_props.history.operations import (
    Count,
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Row,
    Scalar,
    Select,
    Subscribe,
    Update,
    parts,
)

ABSENT = frozenset({"lost-row", "stale-read", "flickering-row", "torn-batch", "lost-after-crash"})
PRESENT = frozenset({"phantom-row", "foreign-row", "resurrected-row", "failed-but-visible", "corrupt-row"})


@frozen
class Look:
    """What to look for in the answer of one operation.

    `how`: `absent`, `present` or `twice` any of `texts`; or `count`, another number than rows of `than`.
    """

    operation: int
    how: str
    texts: tuple[str, ...] = ()
    than: int = 0


@frozen
class Told:
    """A change as `kalam --subscribe` prints it: what it calls it, and text that its line holds."""

    kind: str
    text: str


@frozen
class LookAtTold:
    """What to look for in what the subscriber of one operation was told.

    `how`: the first of `changes` is `missed`, `foreign` or there more than `than` times (`repeated`), or it
    comes after the second (`overtaken`).
    """

    operation: int
    how: str
    changes: tuple[Told, ...]
    than: int = 0


def look_for(
    anomaly: Anomaly, history: History, numbers: Mapping[tuple[int, str, int], int]
) -> Look | LookAtTold | None:
    """What to look for, or None where text cannot tell.

    `numbers`: of the steps of the program and its closing reads, by round, session and place in the lane.
    """
    if anomaly.name.endswith("-notification"):
        return _look_at_told(anomaly, history, numbers)
    steps = _steps_of(history, numbers)
    answers = {event.of: event for event in history.events if isinstance(event, Ok)}
    invokes = {event.i: event for event in history.events if isinstance(event, Invoke)}
    reads = [
        invokes[i]
        for i in anomaly.witness
        if i in invokes and isinstance(invokes[i].op, (Select, Get, Count))
    ]
    if not reads or reads[-1].i not in steps or reads[-1].i not in answers:
        return None
    read = reads[-1]
    number = steps[read.i]
    answer = answers[read.i]
    if isinstance(read.op, Count):
        scans = [
            e for e in invokes.values() if isinstance(e.op, Select) and e.user == read.user and e.i in steps
        ]
        return Look(number, "count", than=steps[scans[-1].i]) if scans else None
    table = str(getattr(read.op, "table", ""))
    shape = history.header.tables[table]
    written = _written(history, anomaly)
    if anomaly.name in ABSENT and written:
        return Look(number, "absent", written)
    rows = [row for row in answer.rows or () if row[shape.key_index] == anomaly.key]
    if not rows:
        return None
    if anomaly.name == "duplicate-row":
        return Look(number, "twice", tuple(_row_text(row) for row in rows[:1]))
    return Look(number, "present", tuple(_row_text(row) for row in rows))


_TOLD_AS = {
    "missed-notification": "missed",
    "duplicate-notification": "repeated",
    "foreign-notification": "foreign",
    "reordered-notification": "overtaken",
}


def _look_at_told(
    anomaly: Anomaly, history: History, numbers: Mapping[tuple[int, str, int], int]
) -> LookAtTold | None:
    """A witness of a notification: the subscription, and writes in the order in which they began."""
    steps = _steps_of(history, numbers)
    witness = [e for e in history.events if isinstance(e, Invoke) and e.i in anomaly.witness]
    watched = next((e.i for e in witness if isinstance(e.op, Subscribe)), None)
    writes = [e for e in witness if not isinstance(e.op, Subscribe)]
    changes = [change for e in writes if (change := _as_told(e.op, _key(anomaly), history)) is not None]
    how = _TOLD_AS[anomaly.name]
    if watched not in steps or not changes or len(changes) != len(writes):
        return None
    if any(e.i not in steps for e in writes[:1]) or (how == "overtaken" and len(changes) < 2):
        return None
    return LookAtTold(steps[watched], how, tuple(changes[:2]), than=len(writes))


def _key(anomaly: Anomaly) -> Scalar:
    return anomaly.key if isinstance(anomaly.key, (int, float, str)) else None


def _as_told(op: Operation, key: Scalar, history: History) -> Told | None:
    """How a subscriber is told of a write, as far as text can tell: its payload, else its key."""
    shape = history.header.tables.get(str(getattr(op, "table", "")))
    if shape is None:
        return None
    match op:
        case Insert():
            row = next((row for row in op.rows if row[shape.key_index] == key), op.rows[0])
            text = next((value for value in row if isinstance(value, str) and value), None)
            return Told("INSERT", _quoted(text) if text else _keyed(shape.key, row[shape.key_index]))
        case Update():
            text = next((value for value in op.set.values() if isinstance(value, str) and value), None)
            return Told("UPDATE", _quoted(text) if text else _keyed(shape.key, op.key))
        case Increment():
            return Told("UPDATE", _keyed(shape.key, op.key))
        case Delete():
            return Told("DELETE", _keyed(shape.key, op.key))
        case _:
            return None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _keyed(column: str, key: Scalar) -> str:
    """A key as it is printed: BIGINT values are strings."""
    whole = isinstance(key, int) and not isinstance(key, bool)
    return f'"{column}":' + json.dumps(str(key) if whole else key, ensure_ascii=False)


def _written(history: History, anomaly: Anomaly) -> tuple[str, ...]:
    """Texts that the row with the anomaly's key was written with, by its user."""
    texts: list[str] = []
    for event in history.events:
        if not isinstance(event, Invoke) or (anomaly.user is not None and event.user != anomaly.user):
            continue
        for op in parts(event.op):
            values: list[Scalar] = []
            if isinstance(op, Insert):
                key_index = history.header.tables[op.table].key_index
                values = [v for row in op.rows if row[key_index] == anomaly.key for v in row]
            elif isinstance(op, Update) and op.key == anomaly.key:
                values = list(op.set.values())
            texts.extend(value for value in values if isinstance(value, str) and value)
    return tuple(dict.fromkeys(_json_text(text) for text in texts))


def _steps_of(history: History, numbers: Mapping[tuple[int, str, int], int]) -> dict[int, int]:
    """From the `i` of an invocation to its number in the script: the n-th of a session is its n-th step."""
    by_session: dict[str, list[int]] = {}
    for (_, session, _), number in sorted(numbers.items(), key=lambda item: item[1]):
        by_session.setdefault(session, []).append(number)
    steps: dict[int, int] = {}
    for event in history.events:
        if isinstance(event, Invoke):
            rest = by_session.get(event.p.split("#")[0])
            if rest:
                steps[event.i] = rest.pop(0)
    return steps


def _row_text(row: Row) -> str:
    """A row as `--json` prints it, without spaces: BIGINT values are strings there."""
    values = [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in row]
    return "[" + ",".join("".join(json.dumps(v, ensure_ascii=False).split()) for v in values) + "]"


def _json_text(text: str) -> str:
    return "".join(json.dumps(text, ensure_ascii=False).split())

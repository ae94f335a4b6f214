"""Whether two programs are the same up to names.

Names are those of users, sessions, tables and keys, and the values of rows. Waits do not count, nor does it
matter in which order the rows of a batch are, or whether operations that come one after the other are written
in one lane or in rounds of one lane.
"""

from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

from attrs import asdict

from kalam_props.history.operations import (
    AwaitFlush,
    Insert,
    Operation,
    Pause,
    Recreate,
    Scalar,
    Update,
    kind,
)
from kalam_props.programs.model import Program, Session, user_of
from kalam_props.programs.tables import before

_MOST_SESSIONS = 6
"""Orders of more sessions are too many to try; such a program is no minimum."""

Shape: TypeAlias = tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
"""Rounds of lanes: the session's new name, and its operations as text."""


def same_up_to_names(one: Program, other: Program) -> bool:
    """Whether a renaming of users, sessions, keys and values makes one of the other."""
    return one.operations == other.operations and shape(one) == shape(other)


def shape(program: Program) -> Shape:
    """What is left of a program without its names: equal for two that differ in names alone."""
    rounds = _rounds(program)
    sessions = sorted({session for lanes in rounds for session in lanes})
    if len(sessions) > _MOST_SESSIONS:
        return _named(program, rounds, sessions)
    return min(_named(program, rounds, list(order)) for order in permutations(sessions))


def _rounds(program: Program) -> list[dict[Session, list[Operation]]]:
    """The rounds without waits; a lane that is alone becomes a round for each of its operations."""
    found: list[dict[Session, list[Operation]]] = []
    for round_ in program.rounds:
        lanes: dict[Session, list[Operation]] = {
            session: [step.op for step in lane if not isinstance(step.op, (AwaitFlush, Pause))]
            for session, lane in round_.lanes.items()
        }
        lanes = {session: lane for session, lane in lanes.items() if lane}
        if len(lanes) == 1:
            ((session, lane),) = lanes.items()
            found.extend({session: [op]} for op in lane)
        elif lanes:
            found.append(lanes)
    return found


def _named(program: Program, rounds: list[dict[Session, list[Operation]]], order: list[Session]) -> Shape:
    """The shape when sessions are named in this order; keys are numbered as they then come."""
    users: dict[str, str] = {}
    names: dict[Session, str] = {}
    for session in order:
        user = users.setdefault(user_of(session), f"u{len(users)}")
        names[session] = f"{user}/{1 + sum(name.startswith(f'{user}/') for name in names.values())}"
    keys: dict[tuple[str, str, Scalar], int] = {}

    def key(session: Session, table: str, value: Scalar) -> int:
        shared = table in program.tables and program.tables[table].type == "shared"
        owner = "" if shared else user_of(session)
        return keys.setdefault((table, owner, value), len(keys))

    numbers: dict[str, int] = {}

    def number(table: str) -> int:
        return numbers.setdefault(table, len(numbers))

    def text(session: Session, op: Operation) -> str:
        table = str(getattr(op, "table", ""))
        if isinstance(op, Recreate):
            return f"recreate {number(table)} for {number(before(program, table) or '')}"
        if isinstance(op, Insert):
            place = program.tables[table].key_index if table in program.tables else 0
            return f"insert {number(table)} {sorted(key(session, table, row[place]) for row in op.rows)}"
        if isinstance(op, Update):
            return f"update {number(table)} {key(session, table, op.key)} {sorted(op.set)}"
        own = asdict(op, recurse=False)
        if "table" in own:
            own["table"] = number(table)
        if "key" in own:
            own["key"] = key(session, table, own["key"])
        own.pop("by", None)
        return f"{kind(op)} {own}"

    return tuple(
        tuple(
            (names[session], tuple(text(session, op) for op in lanes[session]))
            for session in order
            if session in lanes
        )
        for lanes in rounds
    )

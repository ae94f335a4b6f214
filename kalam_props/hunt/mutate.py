"""Relatives of a program: small random changes, to look for the bugs that live near a known one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Operation,
    Scalar,
    Select,
    Subscribe,
    Update,
)
from kalam_props.hunt.structure import operation_at, places, steps_of, with_operation, with_table, without
from kalam_props.programs import payloads
from kalam_props.programs.keys import key_of
from kalam_props.programs.model import Program, Release, Round, Step, user_of
from kalam_props.programs.tables import misplaced

MOST_OPERATIONS = 16
"""A relative that has grown larger is not changed any further."""


def relatives(programs: Sequence[Program], source: random.Random) -> Iterator[Program]:
    """Programs one to four changes away from the given ones, without end."""
    while True:
        program = source.choice(programs)
        for _ in range(source.choice((1, 1, 2, 3, 4))):
            changed = source.choice(CHANGES)(program, source)
            if 0 < changed.operations <= MOST_OPERATIONS and misplaced(changed) is None:
                program = changed
        yield program


def add_operation(program: Program, source: random.Random) -> Program:
    """One more operation: in a round of its own, or in a lane beside those of a round."""
    session = _session(program, source)
    step = Step(_operation(program, session, source))
    at = source.randrange(len(program.rounds) + 1)
    if at < len(program.rounds) and source.random() < 0.7:
        lanes = program.rounds[at].lanes
        joined = Round({**lanes, session: (*lanes.get(session, ()), step)})
        return program.with_rounds((*program.rounds[:at], joined, *program.rounds[at + 1 :]))
    return program.with_rounds((*program.rounds[:at], Round({session: (step,)}), *program.rounds[at:]))


def drop_operation(program: Program, source: random.Random) -> Program:
    return without(program, {source.choice(places(program))})


def replace_operation(program: Program, source: random.Random) -> Program:
    place = source.choice(places(program))
    return with_operation(program, place, _operation(program, place[1], source))


def race_two_rounds(program: Program, source: random.Random) -> Program:
    """Two rounds that follow each other, at once; what one session does in both stays in order."""
    if len(program.rounds) < 2:
        return program
    at = source.randrange(len(program.rounds) - 1)
    first, second = program.rounds[at].lanes, program.rounds[at + 1].lanes
    both = {session: first.get(session, ()) + second.get(session, ()) for session in {**first, **second}}
    return program.with_rounds((*program.rounds[:at], Round(both), *program.rounds[at + 2 :]))


def another_session(program: Program, source: random.Random) -> Program:
    """One lane of a round done by another session, of the same user or another."""
    at = source.randrange(len(program.rounds))
    lanes = dict(program.rounds[at].lanes)
    old, new = source.choice(sorted(lanes)), _session(program, source)
    if new in lanes:
        return program
    renamed = Round({new if session == old else session: lane for session, lane in lanes.items()})
    return program.with_rounds((*program.rounds[:at], renamed, *program.rounds[at + 1 :]))


def another_boundary(program: Program, source: random.Random) -> Program:
    name = source.choice(sorted(program.tables))
    rows = source.choice((None, 1, 2, 3, 4, 5, 8))
    return with_table(program, name, evolve(program.tables[name], flush_rows=rows))


def another_size(program: Program, source: random.Random) -> Program:
    """An insert with so many rows that it meets the flush boundary, or one of one row."""
    inserts = [place for place in places(program) if isinstance(operation_at(program, place), Insert)]
    if not inserts:
        return program
    place = source.choice(inserts)
    op = operation_at(program, place)
    assert isinstance(op, Insert)  # noqa: S101  # by the choice above
    boundary = program.tables[op.table].flush_rows or 3
    rows = max(1, source.choice((1, boundary - 1, boundary, boundary + 1, 2 * boundary)))
    fresh = _insert(program, op.table, place[1], rows, source)
    return with_operation(program, place, evolve(fresh, rows=(*op.rows, *fresh.rows)[:rows]))


def another_release(program: Program, source: random.Random) -> Program:
    """A step of a race let go at another time."""
    racing = [place for place in places(program) if program.rounds[place[0]].concurrent]
    if not racing:
        return program
    at, session, index = source.choice(racing)
    release = source.choice(
        (
            Release("round", us=source.choice((50, 200, 1000, 5000))),
            Release("flush", fraction=source.randint(0, 10) / 10),
            Release("write", fraction=source.randint(3, 20) / 10),
            Release("answer", us=source.choice((0, 50, 200, 1000))),
            Release("previous", us=source.choice((50, 200, 1000))),
        )
    )
    lane = list(program.rounds[at].lanes[session])
    lane[index] = evolve(lane[index], release=release)
    changed = Round({**program.rounds[at].lanes, session: tuple(lane)})
    return program.with_rounds((*program.rounds[:at], changed, *program.rounds[at + 1 :]))


CHANGES: tuple[Callable[[Program, random.Random], Program], ...] = (
    add_operation,
    add_operation,
    drop_operation,
    replace_operation,
    race_two_rounds,
    another_session,
    another_boundary,
    another_size,
    another_release,
)


def _session(program: Program, source: random.Random) -> str:
    """A session of the program, or a new one of a user of it, or of a new user."""
    user = source.choice((*program.users, f"u{len(program.users)}"))
    return f"{user}/{source.randint(1, 3)}"


def _operation(program: Program, session: str, source: random.Random) -> Operation:
    name = source.choice(sorted(program.tables))
    table = program.tables[name]
    numbers = [c for c, type_ in table.columns if type_ in {"BIGINT", "INT"} and c != table.key]
    texts = [c for c, type_ in table.columns if type_ == "TEXT" and c != table.key]
    key = _key(program, name, session, source)
    choices: list[Operation] = [
        Flush(name),
        Select(name),
        Count(name),
        Get(name, key),
        Delete(name, key),
        AwaitFlush(name),
        _insert(program, name, session, source.choice((1, 1, 2, 3)), source),
    ]
    if any(isinstance(step.op, Subscribe) for step in steps_of(program)):
        choices.append(Subscribe(name))
    if numbers:
        choices.append(Increment(name, key, source.choice(numbers)))
    if texts:
        text = payloads.fingerprint(session, source.randrange(1000, 10_000), 0)
        choices.append(Update(name, key, {source.choice(texts): text}))
    return source.choice(choices)


def _insert(program: Program, name: str, session: str, rows: int, source: random.Random) -> Insert:
    """Rows with keys that nobody has used in the program."""
    table = program.tables[name]
    used = set(_keys(program, name))
    fresh = (key for key in (key_of(n, table.key_type) for n in itertools.count(1)) if key not in used)
    keys = tuple(itertools.islice(fresh, rows))
    operation = source.randrange(1000, 10_000)

    def value(column: str, type_: str, at: int) -> Scalar:
        if column == table.key:
            return keys[at]
        return payloads.fingerprint(session, operation, at) if type_ == "TEXT" else 0

    return Insert(name, tuple(tuple(value(c, t, at) for c, t in table.columns) for at in range(rows)))


def _key(program: Program, name: str, session: str, source: random.Random) -> Scalar:
    """Mostly a key that this user has inserted."""
    own = _keys(program, name, user_of(session))
    return source.choice(own or _keys(program, name) or [key_of(1, program.tables[name].key_type)])


def _keys(program: Program, name: str, user: str | None = None) -> list[Scalar]:
    at = program.tables[name].key_index
    if user is None:
        ops = [step.op for step in steps_of(program)]
    else:
        ops = [operation_at(program, p) for p in places(program) if user_of(p[1]) == user]
    return [row[at] for op in ops if isinstance(op, Insert) and op.table == name for row in op.rows]

"""Ways to make a program smaller, each a function from a program to candidates, most daring first.

None knows whether a candidate still fails; the shrinker asks. A pass that a race would not survive (such as
`sequential`) is still worth its try: a failure that survives it is no race, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TypeAlias

from attrs import evolve

from kalam_props.history.operations import (
    AwaitFlush,
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Pause,
    Scalar,
    Update,
)
from kalam_props.programs import payloads
from kalam_props.programs.model import Program, Round, Session, Step, TableDef, user_of

Reduction: TypeAlias = Callable[[Program], Iterator[Program]]

Place: TypeAlias = tuple[int, Session, int]
"""Round, session, index in the lane."""


def places(program: Program) -> list[Place]:
    """Every step's place, in the order of the program."""
    return [
        (at, session, index)
        for at, round_ in enumerate(program.rounds)
        for session, lane in round_.lanes.items()
        for index in range(len(lane))
    ]


def keep(program: Program, kept: set[Place]) -> Program:
    """The program with only these steps; lanes and rounds that become empty go."""
    rounds = []
    for at, round_ in enumerate(program.rounds):
        lanes = {}
        for session, lane in round_.lanes.items():
            steps = tuple(step for index, step in enumerate(lane) if (at, session, index) in kept)
            if steps:
                lanes[session] = steps
        if lanes:
            rounds.append(Round(lanes))
    return program.with_rounds(tuple(rounds))


def without(program: Program, dropped: set[Place]) -> Program:
    return keep(program, set(places(program)) - dropped)


def map_operations(program: Program, change: Callable[[Operation], Operation]) -> Program:
    """The program with each operation changed."""
    return program.with_rounds(
        tuple(
            Round(
                {s: tuple(evolve(step, op=change(step.op)) for step in lane) for s, lane in r.lanes.items()}
            )
            for r in program.rounds
        )
    )


def drop_users(program: Program) -> Iterator[Program]:
    """One user alone, then without one user."""
    users = program.users
    if len(users) < 2:
        return
    everything = places(program)
    for user in users:
        yield keep(program, {place for place in everything if user_of(place[1]) == user})
    if len(users) > 2:
        for user in users:
            yield keep(program, {place for place in everything if user_of(place[1]) != user})


def drop_rounds(program: Program) -> Iterator[Program]:
    """Without halves, quarters … and single rounds, from the end."""
    yield from _drop_chunks(
        program, [{p for p in places(program) if p[0] == at} for at in range(len(program.rounds))]
    )


def drop_lanes(program: Program) -> Iterator[Program]:
    """Without one lane of a concurrent round."""
    for at, round_ in enumerate(program.rounds):
        if round_.concurrent:
            for session, lane in round_.lanes.items():
                yield without(program, {(at, session, index) for index in range(len(lane))})


def drop_steps(program: Program) -> Iterator[Program]:
    """Without chunks of steps, then single steps, from the end."""
    yield from _drop_chunks(program, [{place} for place in places(program)])


def drop_pairs(program: Program) -> Iterator[Program]:
    """Without two steps that only go together (a delete and the re-insert after it); small programs only."""
    everything = places(program)
    if len(everything) <= 8:
        for first, second in combinations(everything, 2):
            yield without(program, {first, second})


def sequential(program: Program) -> Iterator[Program]:
    """No concurrency at all; then one concurrent round made sequential."""
    concurrent = [at for at, round_ in enumerate(program.rounds) if round_.concurrent]
    if not concurrent:
        return
    yield _in_turns(program, set(concurrent))
    if len(concurrent) > 1:
        for at in concurrent:
            yield _in_turns(program, {at})


def take_out_of_race(program: Program) -> Iterator[Program]:
    """A lane of a race with more than two, done before the others or after them."""
    for at, round_ in enumerate(program.rounds):
        if len(round_.lanes) > 2:
            for session, lane in round_.lanes.items():
                rest = Round({other: steps for other, steps in round_.lanes.items() if other != session})
                alone = Round({session: lane})
                for pair in ((alone, rest), (rest, alone)):
                    yield program.with_rounds((*program.rounds[:at], *pair, *program.rounds[at + 1 :]))


def merge_sessions(program: Program) -> Iterator[Program]:
    """Every session of a user as its first where they do not race; then one user for two."""
    sessions = program.sessions
    for session in sessions:
        first = f"{user_of(session)}/1"
        if session != first:
            yield from _renamed(program, session, first)
    for session, other in combinations(sessions, 2):
        if user_of(session) != user_of(other):
            yield from _renamed(program, other, f"{user_of(session)}/1")
            yield from _renamed(program, other, f"{user_of(session)}/2")


def smaller_batches(program: Program) -> Iterator[Program]:
    """Each insert with one row, with the boundary's rows, with half of its rows, with one row less."""
    for place in places(program):
        op = _at(program, place)
        if isinstance(op, Insert) and len(op.rows) > 1:
            boundary = program.tables[op.table].flush_rows or 1
            sizes = {1, boundary - 1, boundary, len(op.rows) // 2, len(op.rows) - 1}
            for size in sorted(size for size in sizes if 0 < size < len(op.rows)):
                yield _with(program, place, evolve(op, rows=op.rows[:size], statements=None))


def lower_boundary(program: Program) -> Iterator[Program]:
    """A smaller flush boundary, with the batches that reach it made smaller by as much; then none at all."""
    for name, table in program.tables.items():
        boundary = table.flush_rows
        if boundary is None:
            continue
        yield _with_table(program, name, evolve(table, flush_rows=None))
        for lower in sorted({1, 2, 3, boundary // 2, boundary - 1} - {0}):
            if lower < boundary:
                lowered = _with_table(program, name, evolve(table, flush_rows=lower))
                yield map_operations(lowered, _batches_less(name, boundary, lower))
                yield lowered


def plain_values(program: Program) -> Iterator[Program]:
    """Fingerprints only, zeros for NULLs, steps of one, one statement an insert."""
    plain = map_operations(program, _plain)
    if plain != program:
        yield plain


def no_timing(program: Program) -> Iterator[Program]:
    """Without release points, without network faults, without pauses and waits."""
    changes: tuple[Callable[[Step], Step], ...] = (
        lambda step: Step(step.op),
        lambda step: Step(step.op, release=step.release),
        lambda step: Step(step.op, net=step.net),
    )
    for change in changes:
        yield program.with_rounds(
            tuple(
                Round({s: tuple(change(step) for step in lane) for s, lane in r.lanes.items()})
                for r in program.rounds
            )
        )
    waits = {place for place in places(program) if isinstance(_at(program, place), (AwaitFlush, Pause))}
    if waits:
        yield without(program, waits)


def release_together(program: Program) -> Iterator[Program]:
    """Each release point and each network fault alone: without it; an offset halved."""
    for at, session, index in places(program):
        step = program.rounds[at].lanes[session][index]
        if step.release is not None:
            yield _with_step(program, (at, session, index), evolve(step, release=None))
        if step.net is not None:
            yield _with_step(program, (at, session, index), evolve(step, net=None))
        if step.release is not None and step.release.us > 1:
            halved = evolve(step.release, us=step.release.us // 2)
            yield _with_step(program, (at, session, index), evolve(step, release=halved))


def small_keys(program: Program) -> Iterator[Program]:
    """Keys numbered from 1 in the order in which they first appear."""
    numbers: dict[Scalar, int] = {}

    def renumber(op: Operation) -> Operation:
        match op:
            case Insert():
                at = program.tables[op.table].key_index
                rows = tuple((*row[:at], number(row[at]), *row[at + 1 :]) for row in op.rows)
                return evolve(op, rows=rows)
            case Update() | Increment() | Delete() | Get():
                return evolve(op, key=number(op.key))
            case _:
                return op

    def number(key: Scalar) -> Scalar:
        return numbers.setdefault(key, len(numbers) + 1)

    yield map_operations(program, renumber)


REDUCTIONS: tuple[Reduction, ...] = (
    drop_users,
    drop_rounds,
    drop_lanes,
    drop_steps,
    sequential,
    plain_values,
    no_timing,
    release_together,
    lower_boundary,
    smaller_batches,
    take_out_of_race,
    merge_sessions,
    drop_pairs,
    small_keys,
)
"""In the order in which they are tried: what removes most comes first."""


def size(program: Program) -> tuple[int, ...]:
    """What "smaller" means, most important first: operations, then rows, then concurrency."""
    steps = [step for r in program.rounds for lane in r.lanes.values() for step in lane]
    rows = sum(len(step.op.rows) for step in steps if isinstance(step.op, Insert))
    racing = sum(len(r.lanes) - 1 for r in program.rounds)
    users = len(program.users)
    policies = sum(t.flush_rows is not None for t in program.tables.values())
    boundary = sum(t.flush_rows or 0 for t in program.tables.values())
    extras = sum((step.release is not None) + (step.net is not None) for step in steps)
    offsets = sum(step.release.us for step in steps if step.release is not None)
    waits = len(steps) - program.operations
    keys = sum(_key_size(step.op, program) for step in steps)
    text = sum(len(str(step.op)) for step in steps)
    return (
        program.operations,
        rows,
        racing,
        users,
        len(program.sessions),
        extras,
        offsets,
        waits,
        policies,
        boundary,
        text,
        keys,
    )


def _key_size(op: Operation, program: Program) -> int:
    if isinstance(op, Insert):
        at = program.tables[op.table].key_index
        return sum(row[at] for row in op.rows if isinstance(row[at], int))  # type: ignore[misc]
    key = getattr(op, "key", 0)
    return key if isinstance(key, int) else 0


def _drop_chunks(program: Program, chunks: list[set[Place]]) -> Iterator[Program]:
    """Delta debugging (Zeller and Hildebrandt 2002): halves first, then quarters, down to single chunks."""
    width = len(chunks) // 2
    while width >= 1:
        for start in range(len(chunks) - width, -1, -width):
            yield without(program, set().union(*chunks[start : start + width]))
        if len(chunks) % width:
            yield without(program, set().union(*chunks[: len(chunks) % width]))
        width //= 2


def _in_turns(program: Program, at: set[int]) -> Program:
    """These rounds with their lanes one after another: flushes last, as they would be if they raced."""
    rounds: list[Round] = []
    for index, round_ in enumerate(program.rounds):
        if index in at:
            rounds.extend(Round({session: lane}) for session, lane in round_.lanes.items())
        else:
            rounds.append(round_)
    return program.with_rounds(tuple(rounds))


def _renamed(program: Program, old: Session, new: Session) -> Iterator[Program]:
    """A session under another name, where no round has both."""
    if old == new or any(old in r.lanes and new in r.lanes for r in program.rounds):
        return
    yield program.with_rounds(
        tuple(Round({new if s == old else s: lane for s, lane in r.lanes.items()}) for r in program.rounds)
    )


def _at(program: Program, place: Place) -> Operation:
    at, session, index = place
    return program.rounds[at].lanes[session][index].op


def _with(program: Program, place: Place, op: Operation) -> Program:
    at, session, index = place
    return _with_step(program, place, evolve(program.rounds[at].lanes[session][index], op=op))


def _with_step(program: Program, place: Place, step: Step) -> Program:
    at, session, index = place
    lane = list(program.rounds[at].lanes[session])
    lane[index] = step
    changed = Round({**program.rounds[at].lanes, session: tuple(lane)})
    return program.with_rounds((*program.rounds[:at], changed, *program.rounds[at + 1 :]))


def _with_table(program: Program, name: str, table: TableDef) -> Program:
    return evolve(program, tables={**program.tables, name: table})


def _batches_less(table: str, boundary: int, lower: int) -> Callable[[Operation], Operation]:
    def change(op: Operation) -> Operation:
        if not isinstance(op, Insert) or op.table != table or len(op.rows) < boundary - 1:
            return op
        times = max(1, round(len(op.rows) / boundary))
        rows = max(1, len(op.rows) - times * (boundary - lower))
        return evolve(op, rows=op.rows[:rows], statements=None)

    return change


def _plain(op: Operation) -> Operation:
    match op:
        case Insert():
            rows = tuple(tuple(_plain_value(value) for value in row) for row in op.rows)
            return evolve(op, rows=rows, statements=None)
        case Update():
            return evolve(op, set={column: _plain_value(value) for column, value in op.set.items()})
        case Increment():
            return evolve(op, by=1)
        case _:
            return op


def _plain_value(value: Scalar) -> Scalar:
    if value is None:
        return 0
    if isinstance(value, str):
        for text in payloads.AWKWARD.values():
            if value.endswith(text):
                return value.removesuffix(text)
    return value


__all__ = ["REDUCTIONS", "Place", "Reduction", "keep", "places", "size", "without"]

"""Ways to make a program smaller, each a function from a program to candidates, most daring first.

None knows whether a candidate still fails; the shrinker asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import TypeAlias

from attrs import evolve

from kalam_props.history.operations import (
    AwaitFlush,
    Delete,
    Flush,
    Increment,
    Insert,
    Update,
)
from kalam_props.hunt import plainer, races
from kalam_props.hunt.flushing import all_written, rows_written
from kalam_props.hunt.structure import (
    Place,
    in_turns,
    keep,
    keys_of,
    map_sessions,
    map_steps,
    operation_at,
    places,
    with_operation,
    with_table,
    without,
)
from kalam_props.programs.model import Program, Session, Step, user_of

FEW_ROWS = 4
"""Rows of an insert of which each is tried to be left out; of more, only those at its ends."""

Reduction: TypeAlias = Callable[[Program], Iterator[Program]]


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
    if len(everything) <= plainer.FEW_STEPS:
        for first, second in combinations(everything, 2):
            yield without(program, {first, second})


def insert_late(program: Program) -> Iterator[Program]:
    """A row that is inserted only where it was changed: any write may do there."""
    everything = places(program)
    for earlier, later in combinations(everything, 2):
        made, changed = operation_at(program, earlier), operation_at(program, later)
        if (
            isinstance(made, Insert)
            and isinstance(changed, (Update, Increment, Delete))
            and user_of(earlier[1]) == user_of(later[1])
            and made.table == changed.table
            and keys_of(program, made) == {changed.key}
        ):
            yield without(with_operation(program, later, made), {earlier})


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
    """Each insert with one row, with the boundary's rows, with half of them, the first or the last ones.

    And without a single one, where it has few.
    """
    for place in places(program):
        op = operation_at(program, place)
        if isinstance(op, Insert) and len(op.rows) > 1:
            boundary = program.tables[op.table].flush_rows or 1
            sizes = {1, boundary - 1, boundary, len(op.rows) // 2, len(op.rows) - 1}
            possible = [size for size in sorted(sizes) if 0 < size < len(op.rows)]
            fewer = [rows for size in possible for rows in (op.rows[:size], op.rows[-size:])]
            if len(op.rows) <= FEW_ROWS:
                fewer += [op.rows[:at] + op.rows[at + 1 :] for at in range(1, len(op.rows) - 1)]
            for rows in fewer:
                yield with_operation(program, place, evolve(op, rows=rows, statements=None))


def merge_inserts(program: Program) -> Iterator[Program]:
    """Two inserts of one session that follow each other as one of all their rows."""
    everything = places(program)
    for first, second in pairwise(everything):
        one, other = operation_at(program, first), operation_at(program, second)
        if (
            isinstance(one, Insert)
            and isinstance(other, Insert)
            and (first[1], one.table) == (second[1], other.table)
        ):
            both = evolve(one, rows=one.rows + other.rows, statements=None)
            yield without(with_operation(program, first, both), {second})


def less_to_flush(program: Program) -> Iterator[Program]:
    """Without one write, or with one row of an insert, and a boundary that the last write still reaches."""
    for place in places(program):
        op = operation_at(program, place)
        for name, table in program.tables.items():
            if table.flush_rows is None or not rows_written(op, name):
                continue
            fewer = [without(program, {place})]
            if isinstance(op, Insert) and len(op.rows) > 1:
                fewer.append(with_operation(program, place, evolve(op, rows=op.rows[:1], statements=None)))
            for smaller in fewer:
                rows = all_written(smaller, name)
                if rows and rows != table.flush_rows:
                    yield with_table(smaller, name, evolve(table, flush_rows=rows))


def flush_by_rows(program: Program) -> Iterator[Program]:
    """A flush by command left to the table's policy, which asks for it at as many rows as there were.

    Where there are several, all of them, in turn and each waited for: as many rows again are flushed again.
    In a race the last write before it first takes its place: what was aimed at the flush is so still.
    """
    commands: dict[str, list[Place]] = {}
    for place in places(program):
        op = operation_at(program, place)
        if isinstance(op, Flush) and program.tables[op.table].flush_rows is None:
            commands.setdefault(op.table, []).append(place)
    for table, at in commands.items():
        if len(at) > 1:
            in_turn, _ = in_turns(program)
            yield _left_to_the_policy(_waiting(in_turn, table), program, table, at[0])
        for place in at:
            write = _last_write_before(program, place, table)
            if write is not None and program.rounds[place[0]].concurrent:
                written = with_operation(program, place, operation_at(program, write))
                yield _left_to_the_policy(without(written, {write}), program, table, place)
            yield _left_to_the_policy(without(program, {place}), program, table, place)


def _last_write_before(program: Program, place: Place, table: str) -> Place | None:
    """Of the same user, in the round before."""
    writes = [
        other
        for other in places(program)
        if other[0] == place[0] - 1
        and user_of(other[1]) == user_of(place[1])
        and rows_written(operation_at(program, other), table)
    ]
    return writes[-1] if writes else None


def _left_to_the_policy(changed: Program, program: Program, table: str, place: Place) -> Program:
    """With a policy of as many rows as a command in the program flushes."""
    rows = all_written(keep(program, {p for p in places(program) if p < place}), table)
    return with_table(changed, table, evolve(program.tables[table], flush_rows=max(rows, 1)))


def _waiting(program: Program, table: str) -> Program:
    """With a wait in the place of each flush command of a table."""
    wait = Step(AwaitFlush(table))
    return map_steps(
        program, lambda step: wait if isinstance(step.op, Flush) and step.op.table == table else step
    )


REDUCTIONS: tuple[Reduction, ...] = (
    drop_users,
    plainer.fewer_tables,
    drop_rounds,
    drop_lanes,
    drop_steps,
    insert_late,
    races.race_with_the_round_before,
    flush_by_rows,
    races.sequential,
    races.clear_of_flushes,
    plainer.plain_values,
    plainer.quiet_network,
    plainer.no_waits,
    plainer.lower_boundary,
    smaller_batches,
    less_to_flush,
    merge_inserts,
    races.take_out_of_race,
    races.move_out_of_race,
    merge_sessions,
    drop_pairs,
    plainer.smaller_transactions,
    plainer.scans,
    plainer.plain_tables,
    plainer.small_keys,
    plainer.small_names,
)
"""In the order in which they are tried: what removes most comes first."""


def _drop_chunks(program: Program, chunks: list[set[Place]]) -> Iterator[Program]:
    """Delta debugging (Zeller and Hildebrandt 2002): halves first, then quarters, down to single chunks."""
    width = len(chunks) // 2
    while width >= 1:
        for start in range(len(chunks) - width, -1, -width):
            yield without(program, set().union(*chunks[start : start + width]))
        if len(chunks) % width:
            yield without(program, set().union(*chunks[: len(chunks) % width]))
        width //= 2


def _renamed(program: Program, old: Session, new: Session) -> Iterator[Program]:
    """A session under another name, where no round has both."""
    if old == new or any(old in r.lanes and new in r.lanes for r in program.rounds):
        return
    yield map_sessions(program, lambda session: new if session == old else session)

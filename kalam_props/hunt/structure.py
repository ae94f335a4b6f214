"""Programs taken apart and put together: steps, and the places where they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import count
from typing import TypeAlias

from attrs import evolve

from kalam_props.history.operations import (
    Delete,
    Get,
    Increment,
    Insert,
    Kill,
    Operation,
    Restart,
    Scalar,
    Txn,
    Update,
    parts,
)
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Release, Round, Session, Step, TableDef, user_of
from kalam_props.programs.tables import misplaced

Place: TypeAlias = tuple[int, Session, int]
"""Round, session, index in the lane."""


def distinct(programs: Iterable[Program]) -> dict[str, Program]:
    """By their digests, without those in which something is done to a table that is not there then."""
    return {digest(program): program for program in programs if misplaced(program) is None}


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
    """The program with each operation changed, those of transactions too."""

    def changed(op: Operation) -> Operation:
        return evolve(op, ops=tuple(map(changed, op.ops))) if isinstance(op, Txn) else change(op)

    return map_steps(program, lambda step: evolve(step, op=changed(step.op)))


def map_steps(program: Program, change: Callable[[Step], Step]) -> Program:
    """The program with each step changed."""
    return program.with_rounds(
        tuple(
            Round({session: tuple(map(change, lane)) for session, lane in round_.lanes.items()})
            for round_ in program.rounds
        )
    )


def map_sessions(program: Program, name: Callable[[Session], Session]) -> Program:
    """The program with its sessions under other names, two of no round under one."""
    return program.with_rounds(
        tuple(Round({name(session): lane for session, lane in r.lanes.items()}) for r in program.rounds)
    )


def steps_of(program: Program) -> list[Step]:
    """Every step, in the order of the program."""
    return [step for r in program.rounds for lane in r.lanes.values() for step in lane]


def goes_down(program: Program) -> bool:
    """Whether it kills or restarts the server, which leaves no other program alone."""
    return any(isinstance(step.op, (Kill, Restart)) for step in steps_of(program))


def free_session(session: Session, taken: Collection[Session]) -> Session:
    """The first session of the same user that is not taken."""
    names = (f"{user_of(session)}/{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def step_at(program: Program, place: Place) -> Step:
    """The step at a place."""
    at, session, index = place
    return program.rounds[at].lanes[session][index]


def operation_at(program: Program, place: Place) -> Operation:
    """The operation at a place."""
    return step_at(program, place).op


def keys_of(program: Program, op: Operation) -> set[Scalar]:
    """Of the rows that an operation names, or inserts; none of a transaction, whose parts have them."""
    match op:
        case Insert():
            return {row[program.tables[op.table].key_index] for row in op.rows}
        case Update() | Increment() | Delete() | Get():
            return {op.key}
        case _:
            return set()


def tables_of(op: Operation) -> set[str]:
    """The tables to which an operation does something, in a transaction too."""
    return {table for inner in parts(op) if (table := getattr(inner, "table", None)) is not None}


def fills(program: Program, place: Place, table: str | None, session: Session) -> bool:
    """Whether a step inserts into what a session sees of a table: its user's rows, if they are a user's."""
    op = operation_at(program, place)
    if not isinstance(op, Insert) or op.table != table:
        return False
    return program.tables[op.table].type != "user" or user_of(place[1]) == user_of(session)


def map_places(program: Program, changed: Collection[Place], change: Callable[[Step], Step]) -> Program:
    """The program with the steps at these places changed."""
    rounds = []
    for at, round_ in enumerate(program.rounds):
        lanes = {
            session: tuple(
                change(step) if (at, session, index) in changed else step for index, step in enumerate(lane)
            )
            for session, lane in round_.lanes.items()
        }
        rounds.append(Round(lanes))
    return program.with_rounds(tuple(rounds))


def with_operation(program: Program, place: Place, op: Operation) -> Program:
    """The program with another operation at a place."""
    return map_places(program, {place}, lambda step: evolve(step, op=op))


def with_release(program: Program, changed: Collection[Place], release: Release | None) -> Program:
    """The program with another release point at these places."""
    return map_places(program, changed, lambda step: evolve(step, release=release))


def with_table(program: Program, name: str, table: TableDef) -> Program:
    """The program with another definition of a table."""
    return evolve(program, tables={**program.tables, name: table})


def lanes_in_turn(program: Program, at: set[int], *, last_first: bool = False) -> Program:
    """These rounds with their lanes one after another."""
    rounds: list[Round] = []
    for index, round_ in enumerate(program.rounds):
        if index in at:
            lanes = [Round({session: lane}) for session, lane in round_.lanes.items()]
            rounds.extend(reversed(lanes) if last_first else lanes)
        else:
            rounds.append(round_)
    return program.with_rounds(tuple(rounds))


def joined(program: Program) -> Program:
    """The program with what one session does alone, round after round, as one lane of one round."""
    rounds: list[Round] = []
    for round_ in program.rounds:
        if rounds and not round_.concurrent and round_.lanes.keys() == rounds[-1].lanes.keys():
            ((session, lane),) = round_.lanes.items()
            rounds[-1] = Round({session: (*rounds[-1].lanes[session], *lane)})
        else:
            rounds.append(round_)
    return program.with_rounds(tuple(rounds))


def in_turns(program: Program) -> tuple[Program, Program]:
    """The program with no lanes side by side: those of each round in order, and in the opposite order."""
    everywhere = set(range(len(program.rounds)))
    return lanes_in_turn(program, everywhere), lanes_in_turn(program, everywhere, last_first=True)

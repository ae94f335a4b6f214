"""Give a rare failure more chances in one run: its rounds n times on fresh keys, or for n times the users.

What a run costs apart from its operations (a table, waiting for flushes, the closing reads, a server that
goes down and comes up) is paid once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias, cast

from attrs import evolve

from kalam_props.history.operations import AwaitFlush, Flush, Kill, Pause, Recreate, Restart, parts
from kalam_props.hunt.structure import goes_down, keys_of, steps_of
from kalam_props.programs.keys import with_key_type
from kalam_props.programs.model import Program, Round, Session, Step, user_of

RARE = 0.35
"""A program that fails less often than this is worth repeating."""

MOST = 8
LONGEST = 24
"""Repetitions, and operations of an amplified program, at the most: what runs for long is no bargain."""

LONGEST_BESIDE = 48
"""The same where the repetitions run side by side."""

_Lanes: TypeAlias = dict[Session, tuple[Step, ...]]

_NOBODYS = (Kill, Restart, Flush, AwaitFlush, Pause)
"""What is done once, for all users."""


def repetitions(program: Program, rate: float) -> int:
    """How often to repeat so that more than every second run fails; 1: not at all."""
    if not 0 < rate < RARE or not program.operations or amplified(program, 2) is program:
        return 1
    longest = LONGEST_BESIDE if goes_down(program) else LONGEST
    wanted = math.ceil(math.log(0.4) / math.log1p(-rate))
    return max(1, min(wanted, MOST, longest // program.operations))


def amplified(program: Program, times: int) -> Program:
    """The program so often in one; itself where that cannot be done.

    Its rounds one after the other, on keys of their own; only where keys are integers. A flush by command is
    waited for in between: else it would meet what comes next, and fail for that.

    Where the server goes down it does so once: the program beside itself, for other users.
    """
    if times < 2 or any(isinstance(step.op, Recreate) for step in steps_of(program)):
        return program
    return _beside_itself(program, times) if goes_down(program) else _one_after_the_other(program, times)


def _one_after_the_other(program: Program, times: int) -> Program:
    keys = _keys(program)
    if keys is None:
        return program
    stride = max(keys, default=0) - min(keys, default=0) + 1
    flushed = dict.fromkeys(step.op.table for step in steps_of(program) if isinstance(step.op, Flush))
    waits = tuple(Step(AwaitFlush(table)) for table in flushed)
    between = (Round({program.sessions[0]: waits}),) if waits else ()
    rounds = list(program.rounds)
    for again in range(1, times):
        rounds += (*between, *_shifted(program, stride * again).rounds)
    return program.with_rounds(tuple(rounds))


def _beside_itself(program: Program, times: int) -> Program:
    """The same steps of other users at the same time; what is done for all, once, when all are there."""
    if any(table.type != "user" for table in program.tables.values()):
        return program
    tables = {
        name: table if table.flush_rows is None else evolve(table, flush_rows=table.flush_rows * times)
        for name, table in program.tables.items()
    }
    rounds = tuple(Round(_lanes_of_all(lanes, times)) for lanes in _apart(program))
    return Program(tables, rounds)


def _apart(program: Program) -> Iterator[_Lanes]:
    """The lanes of its rounds; each step of a lane that is alone in its round, alone."""
    for round_ in program.rounds:
        if round_.concurrent:
            yield round_.lanes
        else:
            ((session, lane),) = round_.lanes.items()
            for step in lane:
                yield {session: (step,)}


def _lanes_of_all(lanes: _Lanes, times: int) -> _Lanes:
    own = [session for session, lane in lanes.items() if not any(isinstance(s.op, _NOBODYS) for s in lane)]
    others = {_of_another(one, again): lanes[one] for again in range(1, times) for one in own}
    return {**lanes, **others}


def _of_another(session: Session, again: int) -> Session:
    user = user_of(session)
    return f"{user}_{again}{session.removeprefix(user)}"


def _shifted(program: Program, by: int) -> Program:
    """The program on keys that are `by` higher."""
    for name, table in program.tables.items():
        program = with_key_type(program, name, table.key_type, lambda key: cast("int", key) + by)
    return program


def _keys(program: Program) -> list[int] | None:
    """Every key that the program names; None where one is no integer."""
    named = [key for step in steps_of(program) for op in parts(step.op) for key in keys_of(program, op)]
    keys = [key for key in named if isinstance(key, int) and not isinstance(key, bool)]
    return keys if len(keys) == len(named) else None

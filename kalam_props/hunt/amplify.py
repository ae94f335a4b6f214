"""Give a rare failure more chances in one run: the same rounds n times, each time on fresh keys.

What a run costs apart from its operations (a table, waiting for flushes, the closing reads) is paid once.
"""

from __future__ import annotations

import math
from typing import cast

from kalam_props.history.operations import AwaitFlush, Flush, Kill, Recreate, Restart, parts
from kalam_props.hunt.structure import keys_of, steps_of
from kalam_props.programs.keys import with_key_type
from kalam_props.programs.model import Program, Round, Step

RARE = 0.35
"""A program that fails less often than this is worth repeating."""

MOST = 8
LONGEST = 24
"""Repetitions, and operations of an amplified program, at the most: what runs for long is no bargain."""


def repetitions(program: Program, rate: float) -> int:
    """How often to repeat so that more than every second run fails; 1: not at all."""
    if not 0 < rate < RARE or not program.operations or _keys(program) is None or _once_only(program):
        return 1
    wanted = math.ceil(math.log(0.4) / math.log1p(-rate))
    return max(1, min(wanted, MOST, LONGEST // program.operations))


def amplified(program: Program, times: int) -> Program:
    """The program's rounds `times` times, each time on keys of their own; only where keys are integers.

    A flush by command is waited for in between: else it would meet what comes next, and fail for that.
    """
    keys = _keys(program)
    if times < 2 or keys is None or _once_only(program):
        return program
    stride = max(keys, default=0) - min(keys, default=0) + 1
    flushed = dict.fromkeys(step.op.table for step in steps_of(program) if isinstance(step.op, Flush))
    waits = tuple(Step(AwaitFlush(table)) for table in flushed)
    between = (Round({program.sessions[0]: waits}),) if waits else ()
    rounds = list(program.rounds)
    for again in range(1, times):
        rounds += (*between, *_shifted(program, stride * again).rounds)
    return program.with_rounds(tuple(rounds))


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


def _once_only(program: Program) -> bool:
    """Whether something in the program cannot be done a second time, or takes as long as all the rest."""
    return any(isinstance(step.op, (Recreate, Kill, Restart)) for step in steps_of(program))

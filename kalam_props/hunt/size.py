"""Which of two programs is the smaller one."""

from __future__ import annotations

import re

from kalam_props.history.operations import Insert, Operation, Select
from kalam_props.hunt.flushing import meetings
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Program


def size(program: Program) -> tuple[int, ...]:
    """What "smaller" means, most important first: operations, then rows, then concurrency.

    That is lanes side by side, and what may meet a flush that is under way: a wait for it, or a boundary that
    is reached later, makes such a program plainer.
    """
    steps = steps_of(program)
    rows = sum(len(step.op.rows) for step in steps if isinstance(step.op, Insert))
    racing = sum(len(r.lanes) - 1 for r in program.rounds)
    users = len(program.users)
    policies = sum(t.flush_rows is not None for t in program.tables.values())
    boundary = sum(t.flush_rows or 0 for t in program.tables.values())
    extras = sum((step.release is not None) + (step.net is not None) for step in steps)
    waits = len(steps) - program.operations
    releases = [step.release for step in steps if step.release is not None]
    offsets = sum(r.us + (0 if r.fraction in {None, 0.0} else 1) + (r.anchor != "round") for r in releases)
    beside_a_race = sum(len(lane) for r in program.rounds if r.concurrent for lane in r.lanes.values())
    tables = sum(1 + (t.name is not None) + t.namespace for t in program.tables.values())
    columns = sum(len(t.columns) for t in program.tables.values())
    shared = sum(t.type == "shared" for t in program.tables.values())
    other_keys = sum(t.key_type != "BIGINT" for t in program.tables.values())
    no_scans = sum(not isinstance(step.op, Select) for step in steps)
    keys = sum(_key_size(step.op, program) for step in steps)
    text = sum(len(str(step.op)) for step in steps)
    names = sum(int(number) for session in program.sessions for number in re.findall(r"[0-9]+", session))
    return (
        program.operations,
        rows,
        racing,
        meetings(program),
        beside_a_race,
        users,
        len(program.sessions),
        extras,
        offsets,
        waits,
        tables,
        policies,
        boundary,
        shared,
        other_keys,
        columns,
        no_scans,
        text,
        keys,
        names,
    )


def _key_size(op: Operation, program: Program) -> int:
    if isinstance(op, Insert):
        at = program.tables[op.table].key_index
        return sum(row[at] for row in op.rows if isinstance(row[at], int))  # type: ignore[misc]
    key = getattr(op, "key", 0)
    return key if isinstance(key, int) else 0

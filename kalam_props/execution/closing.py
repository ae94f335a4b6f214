"""The rounds that end every execution: what is absent there is lost for good."""

from __future__ import annotations

from kalam_props.drivers import sql
from kalam_props.history.operations import After, AwaitFlush, Count, Insert, Select, parts
from kalam_props.programs.model import Program, Round, Step, user_of
from kalam_props.programs.tables import last


def closing(program: Program) -> tuple[Round, ...]:
    """Wait for flushes, then two scans and a count of every user, of each table that is there at the end."""
    rounds = []
    for name in last(program):
        first = f"{program.users[0]}/1" if program.users else "u0/1"
        rounds.append(Round({first: (Step(AwaitFlush(name)),)}))
        for user in program.users:
            scan = _whole_table(program, name, user)
            rounds.append(Round({f"{user}/1": (*scan, *scan, Step(Count(name)))}))
    return tuple(rounds)


def fence(program: Program, table: str, user: str, number: int) -> Insert:
    """An insert of a user with a key that the program never used: it is told after all that came before.

    `number`: from 1, another one for each fence of an execution.
    """
    definition = program.tables[table]
    used = (
        row[definition.key_index]
        for round_ in program.rounds
        for lane in round_.lanes.values()
        for step in lane
        for op in parts(step.op)
        if isinstance(op, Insert) and op.table == table
        for row in op.rows
    )
    key = max((key for key in used if isinstance(key, int)), default=0) + number
    text = f"fence {number} of {user}"
    values = {
        column: text if type_ == "TEXT" else key if column == definition.key else None
        for column, type_ in definition.columns
    }
    return Insert(table, (tuple(values.values()),))


def _whole_table(program: Program, name: str, user: str) -> tuple[Step, ...]:
    """The reads that see every row of a user: one scan, or pages where one answer cannot hold them.

    A shared table has the rows of all its writers.
    """
    table = program.tables[name]
    keys = sorted(
        key
        for round_ in program.rounds
        for session, lane in round_.lanes.items()
        if table.type == "shared" or user_of(session) == user
        for step in lane
        if isinstance(step.op, Insert) and step.op.table == name
        for row in step.op.rows
        if isinstance(key := row[table.key_index], int)
    )
    if len(keys) < sql.SCAN_LIMIT:
        return (Step(Select(name)),)
    page = sql.SCAN_LIMIT - 1
    starts = [keys[0] - 1, *keys[page - 1 : -1 : page]]
    return tuple(Step(Select(name, After(start, sql.SCAN_LIMIT))) for start in starts)

"""A reproduction for the shell: `kalam` commands, `&` and `wait`, and whether the anomaly was seen.

Every user acts by `EXECUTE AS USER`, so that nobody has to be created but who subscribes: that nobody can do
for another. What a shell cannot do (cut a connection, release a request to the microsecond, restart a server)
stands in the script, beside the operation and at the top.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from kalam_props.checks.verdict import Anomaly
from kalam_props.drivers import sql
from kalam_props.execution.closing import closing
from kalam_props.history.events import History
from kalam_props.history.operations import (
    MAINTENANCE,
    AwaitFlush,
    Flush,
    Kill,
    Operation,
    Pause,
    Recreate,
    Restart,
    Subscribe,
    Txn,
    Unsubscribe,
)
from kalam_props.hunt.structure import steps_of
from kalam_props.programs.model import Net, Program, Round, Step, TableDef, user_of
from kalam_props.programs.tables import before, last
from kalam_props.report.looks import look_for

_TABLE = "@TABLE-{}@"
"""Stands for a qualified table in SQL until the shell variables that name it are put in."""

_USER = "@USER-{}@"
"""Stands for the name of a user, likewise."""

_A_USER = re.compile(_USER.format(r"(\w+)"))

_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'["$`\\]')


@frozen
class _Line:
    """One operation of the script, or a wait."""

    number: int
    command: str
    comment: str


def shell_script(
    program: Program, anomaly: Anomaly, history: History, *, reproduced: tuple[int, int], found_on: str
) -> str:
    """The script's text. `history` shows the anomaly; what to look for is taken from it."""
    rounds = (*program.rounds, *closing(program))
    numbers = _numbers(rounds)
    look = look_for(anomaly, history, numbers)
    tables = program.tables
    blocks = [
        [_lane(numbers, session, at, round_, program) for session in round_.lanes]
        for at, round_ in enumerate(rounds)
    ]
    return _TEMPLATES.get_template("reproduce.sh").render(
        anomaly=anomaly,
        explanation=" ".join(anomaly.explanation.split()),
        seen=reproduced[0],
        runs=reproduced[1],
        found_on=found_on,
        tables=[_shell_name(name, tables[name]) for name in last(program)],
        namespaces=sorted({_namespace(table) for table in tables.values()} - {"$ns"}),
        creates=[
            _in_shell(_create(_TABLE.format(name), tables[name]), tables)
            for name in tables
            if before(program, name) is None
        ],
        blocks=blocks,
        look=look,
        quote=shlex.quote,
        subscribers=sorted(_subscribers(program)),
        watched=any(isinstance(step.op, Subscribe) for step in steps_of(program)),
        outages=sorted({type(s.op).__name__.upper() for s in steps_of(program) if _is_outage(s.op)}),
        limits=list(_limits(program)),
    )


def _subscribers(program: Program) -> set[str]:
    """Users who need a login of their own: who watches a table of users."""
    return {
        user_of(session)
        for round_ in program.rounds
        for session, lane in round_.lanes.items()
        for step in lane
        if isinstance(step.op, Subscribe) and program.tables[step.op.table].type == "user"
    }


def _is_outage(op: Operation) -> bool:
    return isinstance(op, (Kill, Restart))


def _limits(program: Program) -> Iterator[str]:
    """What the program does and a shell cannot."""
    steps = steps_of(program)
    if any(step.release is not None for step in steps):
        yield "Requests left at the moments that stand beside them; here they leave when their process is up."
    if any(step.net is not None for step in steps):
        yield "Connections were cut or slowed where it stands beside an operation; a shell cannot do that."
    if any(_is_outage(step.op) for step in steps):
        yield "The server goes down on the way. How is for you to say: KALAM_RESTART, KALAM_KILL (below)."


def _numbers(rounds: Iterable[Round]) -> dict[tuple[int, str, int], int]:
    """A number for every step: the n-th of the script."""
    places = [
        (at, session, index)
        for at, round_ in enumerate(rounds)
        for session, lane in round_.lanes.items()
        for index in range(len(lane))
    ]
    return {place: number for number, place in enumerate(places, 1)}


def _lane(
    numbers: dict[tuple[int, str, int], int], session: str, at: int, round_: Round, program: Program
) -> list[_Line]:
    lines = []
    for index, step in enumerate(round_.lanes[session]):
        number = numbers[at, session, index]
        lines.append(
            _Line(number, _command(step.op, session, number, program.tables), _comment(session, step))
        )
    return lines


def _comment(session: str, step: Step) -> str:
    """Whose operation it is, and what of it is not done here."""
    words = [session]
    if step.release is not None:
        release = step.release
        at = f"{release.us} us" if release.fraction is None else f"{release.fraction:.0%}"
        after_answer = f"left {at} after the answer to the other's write"
        words.append(after_answer if release.anchor == "answer" else f"left at {at} of the {release.anchor}")
    if step.net is not None:
        words.append(f"its connection: {_net(step.net)}")
    return ", ".join(words)


def _net(net: Net) -> str:
    if net.cut is not None:
        return f"cut {net.cut}"
    fields = {"reset": net.reset, "stall": net.stall, "delay_us": net.delay_us}
    fields |= {"trickle_bytes": net.trickle_bytes, "bandwidth": net.bandwidth}
    return ", ".join(name if value is True else f"{name} {value}" for name, value in fields.items() if value)


def _command(op: Operation, session: str, number: int, tables: dict[str, TableDef]) -> str:
    if isinstance(op, AwaitFlush):
        return 'sleep "$FLUSH_WAIT"'
    if isinstance(op, Pause):
        return f"sleep {op.us / 1e6:g}"
    if isinstance(op, (Kill, Restart)):
        return f"outage KALAM_{type(op).__name__.upper()}"
    user = user_of(session)
    if isinstance(op, Subscribe):
        table = tables[op.table]
        who = "-" if table.type == "shared" else _in_shell(_USER.format(user), tables)
        text = sql.subscription(_TABLE.format(op.table), table)
        return f"subscribe {number} {user} {op.table} {who} {_in_shell(text, tables)}"
    if isinstance(op, Unsubscribe):
        return f"unsubscribe {user} {op.table}"
    name = str(getattr(op.ops[0] if isinstance(op, Txn) else op, "table", ""))
    if isinstance(op, Recreate):
        place = _TABLE.format(name)
        return f"run {number} {_in_shell(f'DROP TABLE {place}; {_create(place, tables[name])}', tables)}"
    if isinstance(op, Flush) and op.scope == "namespace":
        return f'run {number} "STORAGE FLUSH ALL IN {_namespace(tables[name])}"'
    text = sql.render_over(op, {known: (_TABLE.format(known), table) for known, table in tables.items()})
    if not isinstance(op, MAINTENANCE) and tables[name].type == "user":
        text = sql.execute_as(text, _USER.format(user))
    return f"run {number} {_in_shell(text, tables)}"


def _in_shell(text: str, tables: dict[str, TableDef]) -> str:
    """SQL as one word of a shell: as it was sent, but for names, which vary with each run and try."""
    word = '"' + _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text) + '"'
    for name, table in tables.items():
        word = word.replace(_TABLE.format(name), _shell_name(name, table))
    return _A_USER.sub(r"${ns}_\1", word)


def _shell_name(name: str, table: TableDef) -> str:
    return f"{_namespace(table)}.{table.name or name}_$try"


def _namespace(table: TableDef) -> str:
    return "$ns" if table.namespace == 0 else f"${{ns}}_n{table.namespace}"


def _create(qualified: str, table: TableDef) -> str:
    columns = ", ".join(f"{c} {t}{' PRIMARY KEY' if c == table.key else ''}" for c, t in table.columns)
    policy = "" if table.flush_rows is None else f", FLUSH_POLICY = 'rows:{table.flush_rows}'"
    return f"CREATE TABLE {qualified} ({columns}) WITH (TYPE = '{table.type.upper()}'{policy})"


_TEMPLATES = Environment(
    loader=PackageLoader("kalam_props.report"),
    autoescape=False,  # noqa: S701  # a shell script, quoted by shlex
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

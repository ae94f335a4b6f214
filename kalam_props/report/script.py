"""A reproduction for the shell: `kalam` commands, `&` and `wait`, and whether the anomaly was seen.

Every user acts by `EXECUTE AS USER`, so that nobody has to be created; what is looked for in an answer is
text, since a shell has nothing better: the row that is missing or should not be there, or the wrong number.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

from attrs import frozen
from jinja2 import Environment, StrictUndefined

from kalam_props.checks.verdict import Anomaly
from kalam_props.drivers import sql
from kalam_props.execution.closing import closing
from kalam_props.history.events import History, Invoke, Ok
from kalam_props.history.operations import (
    MAINTENANCE,
    AwaitFlush,
    Count,
    Get,
    Insert,
    Operation,
    Pause,
    Row,
    Select,
    Update,
)
from kalam_props.programs.model import Program, Round, TableDef, user_of

_TABLE = "@TABLE-{}@"
"""Stands for a qualified table in SQL until the shell variables that name it are put in."""

_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'["$`\\]')

ABSENT = frozenset({"lost-row", "stale-read", "flickering-row", "torn-batch", "lost-after-crash"})
PRESENT = frozenset({"phantom-row", "foreign-row", "resurrected-row", "failed-but-visible", "corrupt-row"})


@frozen
class Look:
    """What to look for in the answer of one operation.

    `how`: `absent`, `present` or `twice` any of `texts`; or `count`, another number than rows of `than`.
    """

    operation: int
    how: str
    texts: tuple[str, ...] = ()
    than: int = 0


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
    look = _look(anomaly, history, numbers)
    tables = program.tables
    blocks = [
        [_lane(numbers, session, at, round_, program) for session in round_.lanes]
        for at, round_ in enumerate(rounds)
    ]
    return _TEMPLATE.render(
        anomaly=anomaly,
        explanation=" ".join(anomaly.explanation.split()),
        seen=reproduced[0],
        runs=reproduced[1],
        found_on=found_on,
        tables=list(tables),
        creates=[_in_shell(_create(_TABLE.format(name), tables[name]), tables) for name in tables],
        blocks=blocks,
        look=look,
        patterns=" ".join(f"-e {shlex.quote(text)}" for text in look.texts) if look else "",
    )


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
        lines.append(_Line(number, _command(step.op, session, number, program.tables), session))
    return lines


def _command(op: Operation, session: str, number: int, tables: dict[str, TableDef]) -> str:
    if isinstance(op, AwaitFlush):
        return 'sleep "$FLUSH_WAIT"'
    if isinstance(op, Pause):
        return f"sleep {op.us / 1e6:g}"
    name = getattr(op, "table", "")
    if name not in tables:
        return f"echo 'not possible in a shell: {type(op).__name__}' >&2; exit 2"
    text = sql.render(op, _TABLE.format(name), tables[name])
    if not isinstance(op, MAINTENANCE) and tables[name].type == "user":
        text = sql.execute_as(text, f"kp_repro_{user_of(session)}")
    return f"run {number} {_in_shell(text, tables)}"


def _in_shell(text: str, tables: dict[str, TableDef]) -> str:
    """SQL as one word of a shell: as it was sent, but for the names of tables, which vary with each try."""
    word = '"' + _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text) + '"'
    for name in tables:
        word = word.replace(_TABLE.format(name), f"$ns.{name}_$try")
    return word


def _create(qualified: str, table: TableDef) -> str:
    columns = ", ".join(f"{c} {t}{' PRIMARY KEY' if c == table.key else ''}" for c, t in table.columns)
    policy = "" if table.flush_rows is None else f", FLUSH_POLICY = 'rows:{table.flush_rows}'"
    return f"CREATE TABLE {qualified} ({columns}) WITH (TYPE = '{table.type.upper()}'{policy})"


def _look(anomaly: Anomaly, history: History, numbers: dict[tuple[int, str, int], int]) -> Look | None:
    """What to look for, or None where text cannot tell."""
    steps = _steps_of(history, numbers)
    answers = {event.of: event for event in history.events if isinstance(event, Ok)}
    invokes = {event.i: event for event in history.events if isinstance(event, Invoke)}
    reads = [
        invokes[i]
        for i in anomaly.witness
        if i in invokes and isinstance(invokes[i].op, (Select, Get, Count))
    ]
    if not reads or reads[-1].i not in steps or reads[-1].i not in answers:
        return None
    read = reads[-1]
    number = steps[read.i]
    answer = answers[read.i]
    if isinstance(read.op, Count):
        scans = [
            e for e in invokes.values() if isinstance(e.op, Select) and e.user == read.user and e.i in steps
        ]
        return Look(number, "count", than=steps[scans[-1].i]) if scans else None
    table = str(getattr(read.op, "table", ""))
    shape = history.header.tables[table]
    written = _written(history, anomaly)
    if anomaly.name in ABSENT and written:
        return Look(number, "absent", written)
    rows = [row for row in answer.rows or () if row[shape.key_index] == anomaly.key]
    if not rows:
        return None
    if anomaly.name == "duplicate-row":
        return Look(number, "twice", tuple(_row_text(row) for row in rows[:1]))
    return Look(number, "present", tuple(_row_text(row) for row in rows))


def _written(history: History, anomaly: Anomaly) -> tuple[str, ...]:
    """Texts that the row with the anomaly's key was written with, by its user."""
    texts: list[str] = []
    for event in history.events:
        if not isinstance(event, Invoke) or (anomaly.user is not None and event.user != anomaly.user):
            continue
        if isinstance(event.op, Insert):
            key_index = history.header.tables[event.op.table].key_index
            values = [v for row in event.op.rows if row[key_index] == anomaly.key for v in row]
        elif isinstance(event.op, Update) and event.op.key == anomaly.key:
            values = list(event.op.set.values())
        else:
            continue
        texts.extend(value for value in values if isinstance(value, str) and value)
    return tuple(dict.fromkeys(_json_text(text) for text in texts))


def _steps_of(history: History, numbers: dict[tuple[int, str, int], int]) -> dict[int, int]:
    """From the `i` of an invocation to its number in the script: the n-th of a session is its n-th step."""
    by_session: dict[str, list[int]] = {}
    for (_, session, _), number in sorted(numbers.items(), key=lambda item: item[1]):
        by_session.setdefault(session, []).append(number)
    steps: dict[int, int] = {}
    for event in history.events:
        if isinstance(event, Invoke):
            rest = by_session.get(event.p.split("#")[0])
            if rest:
                steps[event.i] = rest.pop(0)
    return steps


def _row_text(row: Row) -> str:
    """A row as `--json` prints it, without spaces: BIGINT values are strings there."""
    values = [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in row]
    return "[" + ",".join("".join(json.dumps(v, ensure_ascii=False).split()) for v in values) + "]"


def _json_text(text: str) -> str:
    return "".join(json.dumps(text, ensure_ascii=False).split())


_TEMPLATE = Environment(
    autoescape=False,  # noqa: S701  # a shell script, quoted by shlex
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
).from_string("""\
#!/bin/sh
# {{ anomaly.name }}
# {{ explanation }}
#
# Found by kalam-props on {{ found_on }}; reproduced in {{ seen }} of {{ runs }} runs.
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_PASSWORD=... sh reproduce.sh [TRIES]
#
# KALAM       the client (default: kalam; the one of kalam-props is kalam-compat)
# KALAM_URL   the server
# KALAM_USER, KALAM_PASSWORD   root, or a user of role dba; or KALAM_TOKEN, which is much quicker
# FLUSH_WAIT  seconds until a flush by row count has surely run (default 2)
#
# Tries until it sees the anomaly (exit 1) or has tried TRIES times (default 50) without (exit 0).
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
FLUSH_WAIT=${FLUSH_WAIT:-2}
TRIES=${1:-50}
OUT=$(mktemp -d) || exit 2
trap 'rm -rf "$OUT"' EXIT

kalam() {
  if [ -n "$KALAM_TOKEN" ]; then
    "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"
  else
    "$KALAM" -u "$URL" --user "${KALAM_USER:-root}" --password "$KALAM_PASSWORD" \\
      --json --no-color --no-spinner -c "$1"
  fi
}

# run NUMBER SQL: the answer goes to a file, without the spaces of the pretty print.
run() {
  kalam "$2" 2>"$OUT/$1.err" | tr -d ' \\n' >"$OUT/$1"
}

# setup SQL: a refusal ends the script with the server's words.
setup() {
  kalam "$1" >"$OUT/setup" 2>&1 || { cat "$OUT/setup" >&2; exit 2; }
}

ns=kp_repro_$$
setup "CREATE NAMESPACE $ns"
trap 'kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1; rm -rf "$OUT"' EXIT
trap 'exit 130' INT TERM

try=0
while [ "$try" -lt "$TRIES" ]; do
  try=$((try + 1))
{% for create in creates %}
  setup {{ create }}
{% endfor %}
{% for lanes in blocks %}

{% if lanes | length == 1 %}
{% for line in lanes[0] %}
  {{ line.command }}   # {{ line.comment }}
{% endfor %}
{% else %}
{% for lane in lanes %}
  (
{% for line in lane %}
    {{ line.command }}   # {{ line.comment }}
{% endfor %}
  ) &
{% endfor %}
  wait
{% endif %}
{% endfor %}

  seen=
{% if look is none %}
  echo "try $try: text cannot tell this anomaly; the answers:"; head -c 2000 "$OUT"/[0-9]*
{% elif look.how == 'absent' %}
  grep -qF {{ patterns }} "$OUT/{{ look.operation }}" || { [ -s "$OUT/{{ look.operation }}" ] && seen=yes; }
{% elif look.how == 'present' %}
  grep -qF {{ patterns }} "$OUT/{{ look.operation }}" && seen=yes
{% elif look.how == 'twice' %}
  [ "$(grep -oF {{ patterns }} "$OUT/{{ look.operation }}" | wc -l)" -gt 1 ] && seen=yes
{% elif look.how == 'count' %}
  counted=$(grep -o '"rows":\\[\\["[0-9]*"\\]\\]' "$OUT/{{ look.operation }}" | tr -dc 0-9)
  scanned=$(grep -o '"row_count":[0-9]*' "$OUT/{{ look.than }}" | tr -dc 0-9)
  [ -n "$counted" ] && [ -n "$scanned" ] && [ "$counted" != "$scanned" ] && seen=yes
{% endif %}
{% for name in tables %}
  kalam "DROP TABLE $ns.{{ name }}_$try" >/dev/null 2>&1
{% endfor %}
  if [ -n "$seen" ]; then
    echo "saw {{ anomaly.name }} at try $try"
{% if look is not none %}
    echo "the answer that shows it:"; cat "$OUT/{{ look.operation }}"; echo
{% endif %}
    exit 1
  fi
done
echo "did not see {{ anomaly.name }} in $TRIES tries"
""")

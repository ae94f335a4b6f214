"""Judge a history file of any size: in columns where they hold it, else user by user, else whole.

What columns find is put into words by the general checks, from an excerpt: the rows, reads and scopes in
question, which is a history like any other. So both ways give the same names, witnesses and sentences.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, field, frozen

from kalam_props.checks import profiles
from kalam_props.checks.acts import acts
from kalam_props.checks.apart import NotApartError, judge_apart
from kalam_props.checks.chains import Conflict, ScopeVerdict, judge_columns
from kalam_props.checks.columns import (
    Columns,
    NotColumnsError,
    ScopeColumns,
    read_columns,
    without_collecting,
)
from kalam_props.checks.finding import Finding
from kalam_props.checks.health import judge_health
from kalam_props.checks.judge import Anomalies, find_anomalies, judge, verdict_of
from kalam_props.checks.verdict import Verdict
from kalam_props.checks.world import Scope
from kalam_props.history.events import (
    Event,
    Fail,
    Header,
    History,
    Info,
    Invoke,
    NetFault,
    Ok,
    ServerEvent,
)
from kalam_props.history.operations import Insert, Row, Scalar, Select
from kalam_props.history.reader import HistoryReader, open_history, read_history

_SMALL = 1 << 20
"""Files of fewer bytes are read whole: it is as quick, and the words are complete."""
PART_BYTES = 12 << 20
"""Text of a history whose events take about 200 MiB."""
_PARTS = 200
_COMPRESSED = 8
_WHOLE = 4_000
"""Scopes with at most so many operations are put into words whole; of larger ones, an excerpt is."""
_WHOLE_TOGETHER = 40_000


def judge_file(
    path: Path, *, expect: str = "linearizable", part_bytes: int = PART_BYTES
) -> tuple[Verdict, bool]:
    """The verdict on a history file, and whether its last line was cut off.

    One that columns cannot hold is judged in parts of about `part_bytes` of its text, if it is longer.

    Raises:
        CorruptInputError: file, line and what was expected.
        UsageError: no such profile.

    """
    profiles.known(expect)
    if path.exists() and path.stat().st_size >= _SMALL:
        try:
            return judge_by_columns(path, expect=expect)
        except NotColumnsError:
            pass
    parts = min(_PARTS, _text_bytes(path) // part_bytes)
    if parts > 1:
        try:
            found, operations, truncated = judge_apart(path, parts, expect=expect)
            return verdict_of(found, operations, expect), truncated
        except NotApartError:
            pass
    history = read_history(path)
    return judge(history, expect=expect), history.truncated


def _text_bytes(path: Path) -> int:
    """About how long a history is; a compressed one counts for what such text is compressed to."""
    if not path.exists():
        return 0
    return path.stat().st_size * (_COMPRESSED if path.suffix == ".gz" else 1)


def judge_by_columns(path: Path, *, expect: str) -> tuple[Verdict, bool]:
    """As `judge_file`, for a history of inserts, scans and counts.

    Raises:
        NotColumnsError: it has something else.
        CorruptInputError: it cannot be read.

    """
    with without_collecting():
        with open_history(path) as reader:
            header, columns = reader.header, read_columns(reader)
            truncated = reader.truncated
        verdicts = [(scope, judge_columns(scope)) for scope in columns.scopes]
    if expect in profiles.RELAXED and any(verdict.verdict == "violated" for _, verdict in verdicts):
        raise NotColumnsError("judged once more with reads relaxed, which takes the whole history")
    found = _anomalies(path, header, verdicts)
    found = evolve(found, findings=(*found.findings, *_health(header, columns)))
    return verdict_of(found, columns.operations, expect), truncated


def _health(header: Header, columns: Columns) -> list[Finding]:
    events = tuple(columns.remarkable)
    return judge_health(History(header, events), acts(events))


@frozen(eq=False)
class _Question:
    """What an excerpt is about."""

    scopes: set[Scope] = field(factory=set)
    """Scopes that are kept whole."""
    keys: dict[str, set[Scalar]] = field(factory=dict)
    """Rows that are kept of every scope, by table."""
    values: set[Scalar] = field(factory=set)
    """Inserts of rows with one of these texts are kept as well."""
    reads: set[int] = field(factory=set)
    """Scans that are kept with these rows."""


def _anomalies(path: Path, header: Header, verdicts: list[tuple[ScopeColumns, ScopeVerdict]]) -> Anomalies:
    question = _Question()
    findings: list[Finding] = []
    unknown: list[str] = []
    sessions: tuple[Finding, ...] = ()
    left = _WHOLE_TOGETHER
    for scope, verdict in verdicts:
        if verdict.verdict == "holds":
            continue
        operations = len(set(scope.statement_i)) + len(scope.scan_i) + len(scope.count_i)
        _ask_about_rows(question, scope, verdict.conflicts)
        if operations <= min(_WHOLE, left):
            left -= operations
            question.scopes.add(_name(header, scope))
        elif verdict.verdict == "unknown":
            unknown.append(f"{scope.table} of {scope.user}: {verdict.unknown}")
        else:
            counted = [conflict for conflict in verdict.conflicts if conflict.counts]
            findings += [_wrong_count(scope, conflict) for conflict in counted]
    if question.scopes or question.keys:
        excerpt = find_anomalies(_excerpt(path, question), expect="linearizable")
        findings += excerpt.findings
        unknown += excerpt.unknown
        sessions = excerpt.sessions
    if not findings and not unknown and any(verdict.verdict == "violated" for _, verdict in verdicts):
        unknown.append("a conflict that was found in columns could not be put into words")
    return Anomalies(tuple(findings), tuple(unknown), sessions)


def _name(header: Header, scope: ScopeColumns) -> Scope:
    return scope.table, scope.user if header.tables[scope.table].type == "user" else None


def _ask_about_rows(question: _Question, scope: ScopeColumns, conflicts: tuple[Conflict, ...]) -> None:
    for conflict in conflicts:
        if not conflict.counts:
            question.keys.setdefault(scope.table, set()).update(conflict.keys)
            question.values.update(conflict.values)
            question.reads.update(conflict.reads)


def _wrong_count(scope: ScopeColumns, conflict: Conflict) -> Finding:
    reads = ", ".join(f"#{read}" for read in conflict.reads)
    if conflict.expected is None:
        words = (
            f"No order of the inserts of {scope.table} in real time gives reads {reads} the numbers of rows "
            "that they show."
        )
    else:
        must, may = conflict.expected
        rows = scope.count_rows[scope.count_i.index(conflict.reads[0])]
        words = (
            f"{reads} counts {rows} rows of {scope.table}. Inserts of {must} rows had been acknowledged "
            f"before it began, and of {may} rows invoked before it was over, so it must lie between these."
        )
    return Finding(
        name="wrong-count",
        witness=conflict.reads,
        words=words,
        table=scope.table,
        user=scope.user,
        quiescent=conflict.expected is not None and conflict.expected[0] == conflict.expected[1],
    )


def _excerpt(path: Path, question: _Question) -> History:
    """The part of a history that a question is about."""
    with open_history(path) as reader:
        events = _events(reader, question)
        return History(reader.header, tuple(events), reader.truncated)


def _events(reader: HistoryReader, question: _Question) -> list[Event]:
    kept: dict[int, tuple[set[Scalar] | None, int]] = {}
    events: list[Event] = []
    for event in reader:
        if isinstance(event, Invoke):
            invoke, keys = _asked(reader.header, event, question)
            if invoke is not None:
                table = getattr(event.op, "table", None)
                kept[event.i] = keys, reader.header.tables[table].key_index if table is not None else 0
                events.append(invoke)
        elif isinstance(event, ServerEvent):
            events.append(event)
        elif isinstance(event, (Ok, Fail, Info, NetFault)) and event.of in kept:
            events.append(_shown(event, *kept[event.of]) if isinstance(event, Ok) else event)
    return events


def _asked(header: Header, invoke: Invoke, question: _Question) -> tuple[Invoke | None, set[Scalar] | None]:
    """What of an invocation belongs to an excerpt; and the keys that it is limited to, None: all."""
    op = invoke.op
    if not isinstance(op, Insert) and not hasattr(op, "table"):
        return invoke, None  # a restart or kill explains errors
    shape = header.tables[op.table]
    if (op.table, invoke.user if shape.type == "user" else None) in question.scopes:
        return invoke, None
    keys = question.keys.get(op.table, set())
    if isinstance(op, Select) and invoke.i in question.reads:
        return invoke, keys
    if isinstance(op, Insert):
        rows, sizes = _rows_of(op, keys, question.values, shape.key_index)
        if rows:
            return evolve(invoke, op=Insert(op.table, rows, sizes)), None if rows == op.rows else keys
    return None, None


def _rows_of(
    op: Insert, keys: set[Scalar], values: set[Scalar], key_index: int
) -> tuple[tuple[Row, ...], tuple[int, ...] | None]:
    rows: list[Row] = []
    sizes: list[int] = []
    at = 0
    for size in op.statements or (len(op.rows),):
        kept = [
            row for row in op.rows[at : at + size] if row[key_index] in keys or not values.isdisjoint(row)
        ]
        at += size
        if kept:
            rows += kept
            sizes.append(len(kept))
    return tuple(rows), tuple(sizes) if len(sizes) > 1 else None


def _shown(event: Ok, keys: set[Scalar] | None, key_index: int) -> Ok:
    if keys is None:
        return event
    if event.rows is None:
        return evolve(event, affected=None)
    return evolve(event, rows=tuple(row for row in event.rows if row[key_index] in keys))

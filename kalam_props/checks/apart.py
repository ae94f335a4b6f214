"""A long history of any operations, judged user by user, so that not all of it is in memory at once.

The lines are dealt out to files, a user's (and a shared table's) all to one of them, and each file is judged
as a history of its own: scopes share no rows, so nothing is lost (see `calls`). Restarts, flushes and network
faults belong to all of them. Only who wrote a row that its own user did not is told by another file; where
one shows such a row, it is judged again beside the writes of others that can explain it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from attrs import field, frozen

from kalam_props.checks.finding import Finding
from kalam_props.checks.judge import Anomalies, find_anomalies
from kalam_props.checks.world import Scope
from kalam_props.history.codec import event_from_json, load
from kalam_props.history.events import Event, Fail, Header, History, Info, Invoke, NetFault, Notify, Ok
from kalam_props.history.operations import Insert, Operation, Row, Scalar, Subscribe, Txn, Update
from kalam_props.history.reader import HistoryReader, open_history

_UNEXPLAINED = frozenset({"phantom-row", "corrupt-row", "foreign-notification"})
"""What the write of another user may explain."""
_IN_EVERY_PART = frozenset({"server-died"})


class NotApartError(Exception):
    """One operation binds what would be judged apart."""


@frozen(eq=False)
class _Dealt:
    header: Header
    operations: int
    truncated: bool


@frozen(eq=False)
class _Strange:
    """Rows that a part shows and that its own users cannot have written."""

    keys: set[tuple[str, Scalar]] = field(factory=set)
    texts: set[str] = field(factory=set)


def judge_apart(path: Path, parts: int, *, expect: str) -> tuple[Anomalies, int, bool]:
    """What is wrong with a history, how many operations it has, and whether its last line was cut off.

    Raises:
        NotApartError: a transaction binds a user's table and a shared one, or two shared ones.
        CorruptInputError: file, line and what was expected.

    """
    with tempfile.TemporaryDirectory(prefix="kalam-props-check-") as folder:
        files = [Path(folder) / f"{part}.jsonl" for part in range(parts)]
        dealt = _deal(path, files)
        findings: list[Finding] = []
        unknown: list[str] = []
        sessions: dict[str, Finding] = {}
        for number, file in enumerate(files):
            found = _judge_part(path, dealt.header, file, expect)
            # That the server died stands in every part.
            findings += [
                finding for finding in found.findings if number == 0 or finding.name != "server-died"
            ]
            unknown += found.unknown
            for broken in found.sessions:
                known = sessions.get(broken.name)
                if known is None or len(broken.witness) < len(known.witness):
                    sessions[broken.name] = broken
    return (
        Anomalies(tuple(findings), tuple(unknown), tuple(sessions.values())),
        dealt.operations,
        dealt.truncated,
    )


def _deal(path: Path, files: list[Path]) -> _Dealt:
    """Write every line to the file of its user or shared table, or to all."""
    with ExitStack() as stack:
        reader = stack.enter_context(open_history(path))
        outputs: list[BinaryIO] = [stack.enter_context(file.open("wb")) for file in files]
        operations = 0
        homes: dict[int, list[BinaryIO]] = {}
        subscriptions: dict[int, list[BinaryIO]] = {}
        for line, event in reader.with_lines():
            to = outputs
            if isinstance(event, Invoke):
                operations += 1
                to = homes[event.i] = _outputs(reader.header, event, outputs)
                if isinstance(event.op, Subscribe):
                    subscriptions[event.i] = to
            elif isinstance(event, (Ok, Fail, Info)):
                to = homes.pop(event.of)
            elif isinstance(event, (Notify, NetFault)):
                to = subscriptions.get(event.of) or homes.get(event.of, outputs)
            for output in to:
                output.write(line if line.endswith(b"\n") else line + b"\n")
        return _Dealt(reader.header, operations, reader.truncated)


def _outputs(header: Header, invoke: Invoke, outputs: list[BinaryIO]) -> list[BinaryIO]:
    tables = _tables(invoke.op)
    if not tables:
        return outputs
    names = {
        f"user {invoke.user}" if header.tables[table].type == "user" else f"table {table}" for table in tables
    }
    places = {crc32(name.encode()) % len(outputs) for name in names}
    if len(places) > 1:
        raise NotApartError
    return [outputs[place] for place in places]


def _tables(op: Operation) -> set[str]:
    if isinstance(op, Txn):
        return {table for inner in op.ops for table in _tables(inner)}
    table = getattr(op, "table", None)
    return set() if table is None else {table}


def _judge_part(path: Path, header: Header, file: Path, expect: str) -> Anomalies:
    history = History(header, tuple(_events(file)))
    found = find_anomalies(history, expect=expect)
    strange = _strange(history, found.findings)
    if not strange.keys:
        return found
    mine = {event.i for event in history.events if isinstance(event, Invoke)}
    with open_history(path) as reader:
        others = list(_writes_of_others(reader, mine, strange))
    together = sorted((*history.events, *others), key=lambda event: (event.t, event.i))
    again = find_anomalies(History(header, tuple(together)), expect=expect)
    # Of the others only some writes are here, so nothing can be said about their rows.
    scopes = {
        _scope(header, table, event.user)
        for event in history.events
        if isinstance(event, Invoke)
        for table in _tables(event.op)
    }
    findings = tuple(
        finding
        for finding in again.findings
        if finding.table is None or _scope(header, finding.table, finding.user) in scopes
    )
    return Anomalies(findings, found.unknown, found.sessions)


def _scope(header: Header, table: str, user: str | None) -> Scope:
    return table, user if header.tables[table].type == "user" else None


def _events(file: Path) -> Iterator[Event]:
    with file.open("rb") as lines:
        for line in lines:
            yield event_from_json(load(line))


def _strange(history: History, findings: Iterable[Finding]) -> _Strange:
    strange = _Strange()
    wanted: dict[int, set[Scalar]] = {}
    for finding in findings:
        if finding.name in _UNEXPLAINED and finding.table is not None:
            strange.keys.add((finding.table, finding.key))  # type: ignore[arg-type]  # a row's key
            for i in finding.witness:
                wanted.setdefault(i, set()).add(finding.key)  # type: ignore[arg-type]
    for event in history.events:
        if isinstance(event, (Ok, Notify)) and event.of in wanted:
            for row in event.rows or ():
                if not wanted[event.of].isdisjoint(row):
                    strange.texts.update(_texts(row))
    return strange


def _texts(row: Row) -> Iterator[str]:
    return (value for value in row if isinstance(value, str) and value)


def _writes_of_others(reader: HistoryReader, mine: set[int], strange: _Strange) -> Iterator[Event]:
    """Inserts and updates in other parts that have to do with these rows, and their answers."""
    kept: set[int] = set()
    for event in reader:
        if isinstance(event, Invoke):
            if event.i not in mine and _has_to_do(reader.header, event.op, strange):
                kept.add(event.i)
                yield event
        elif isinstance(event, (Ok, Fail, Info)) and event.of in kept:
            yield event


def _has_to_do(header: Header, op: Operation, strange: _Strange) -> bool:
    if isinstance(op, Txn):
        return any(_has_to_do(header, inner, strange) for inner in op.ops)
    if isinstance(op, Update):
        return (op.table, op.key) in strange.keys or not strange.texts.isdisjoint(
            _texts(tuple(op.set.values()))
        )
    if isinstance(op, Insert):
        key = header.tables[op.table].key_index
        return any(
            (op.table, row[key]) in strange.keys or not strange.texts.isdisjoint(_texts(row))
            for row in op.rows
        )
    return False

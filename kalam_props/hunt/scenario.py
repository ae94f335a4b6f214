"""The seed scenario: users insert side by side through the CLI, across the flush boundary; then each selects.

The Rust test that this project grew from: 5 users, 150 rows each, `FLUSH ROWS 100`, a short pause every ten
rows; every user must see exactly their rows and no other. Here it is a program like any other, so that all
checks judge it too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from kalam_props.checks.judge import judge
from kalam_props.checks.verdict import Verdict
from kalam_props.drivers.protocol import Reply
from kalam_props.errors import TargetError
from kalam_props.execution.evidence import Evidence, evidence
from kalam_props.execution.run import Limits, execute
from kalam_props.history.events import FlushRun, History, Invoke, Ok
from kalam_props.history.operations import Insert, Operation, Pause, Select
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.workspace import Workspace

TABLE = "user_data"
PAUSE_EVERY = 10
PAUSE_US = 10_000


@frozen
class Scenario:
    """How much: `rows` of each user, `batch` rows an INSERT, a flush at `flush_rows` hot rows."""

    users: int = 5
    rows: int = 150
    flush_rows: int = 100
    batch: int = 1


@frozen
class UserResult:
    """What one user saw at the end."""

    user: str
    seen: int
    expected: int
    foreign: int

    @property
    def passed(self) -> bool:
        return self.seen == self.expected and self.foreign == 0


@frozen
class ScenarioResult:
    """The scenario's summary. Times in seconds, latencies in milliseconds."""

    scenario: Scenario
    inserted: int
    seconds: float
    p50_ms: float
    p99_ms: float
    flush_ms: tuple[float, ...]
    users: tuple[UserResult, ...]
    verdict: Verdict
    evidence: Evidence
    history: Path

    @property
    def passed(self) -> bool:
        return all(user.passed for user in self.users) and not self.verdict.anomalies


Progress: TypeAlias = Callable[[int], None]
"""Told how many rows were inserted by each acknowledged INSERT."""


def program(scenario: Scenario) -> Program:
    """One concurrent round: a lane a user, a row (or batch) an operation, a pause every ten operations."""
    table = TableDef(
        (("id", "BIGINT"), ("message", "TEXT"), ("timestamp", "BIGINT")), "id", flush_rows=scenario.flush_rows
    )
    stamp = int(time.time() * 1000)
    lanes = {f"u{user}/1": _lane(scenario, user, stamp) for user in range(scenario.users)}
    return Program({TABLE: table}, (Round(lanes),))


def run(scenario: Scenario, workspace: Workspace, history: Path, progress: Progress) -> ScenarioResult:
    """Run the scenario once.

    Raises:
        TargetError: a user's INSERT was not acknowledged; names the user, the rows and the answer.

    """

    def observe(process: str, op: Operation, reply: Reply) -> None:
        if not isinstance(op, Insert):
            return
        if reply.error is not None:
            first, last = op.rows[0][0], op.rows[-1][0]
            rows = f"row {first}" if first == last else f"rows {first} to {last}"
            user = process.split("/", maxsplit=1)[0]
            raise TargetError(f"user {user}, {rows}: {reply.error.message.strip()}")
        progress(len(op.rows))

    recorded = execute(program(scenario), workspace, history, Limits(), observe)
    return _summary(scenario, recorded, history)


def _lane(scenario: Scenario, user: int, stamp: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, first in enumerate(range(0, scenario.rows, scenario.batch)):
        if number and number % PAUSE_EVERY == 0:
            steps.append(Step(Pause(PAUSE_US)))
        ids = range(first, min(first + scenario.batch, scenario.rows))
        rows = tuple((row, f"User {user} row {row}", stamp + row) for row in ids)
        steps.append(Step(Insert(TABLE, rows)))
    return tuple(steps)


def _summary(scenario: Scenario, recorded: History, path: Path) -> ScenarioResult:
    inserts = {e.i: e for e in recorded.events if isinstance(e, Invoke) and isinstance(e.op, Insert)}
    rows = {
        e.i: len(e.op.rows) for e in recorded.events if isinstance(e, Invoke) and isinstance(e.op, Insert)
    }
    selects = {e.i: e for e in recorded.events if isinstance(e, Invoke) and isinstance(e.op, Select)}
    answers = {e.of: e for e in recorded.events if isinstance(e, Ok)}
    latencies = [(answers[i].t - event.t) / 1e6 for i, event in inserts.items() if i in answers]
    ends = [answers[i].t for i in inserts if i in answers]
    seconds = (max(ends) - min(event.t for event in inserts.values())) / 1e9
    seen: dict[str, set[tuple[object, ...]]] = {f"u{user}": set() for user in range(scenario.users)}
    for i, event in selects.items():
        if i in answers:
            seen[event.user].update(answers[i].rows or ())
    flushes = [e for e in recorded.events if isinstance(e, FlushRun)]
    return ScenarioResult(
        scenario=scenario,
        inserted=sum(rows[i] for i in inserts if i in answers),
        seconds=seconds,
        p50_ms=statistics.median(latencies),
        p99_ms=sorted(latencies)[min(len(latencies) - 1, int(len(latencies) * 0.99))],
        flush_ms=tuple((e.ended[0] - e.began[0]) / 1e6 for e in flushes),
        users=tuple(_user(user, found, scenario) for user, found in seen.items()),
        verdict=judge(recorded),
        evidence=evidence(recorded, {TABLE: scenario.flush_rows}),
        history=path,
    )


def _user(user: str, rows: set[tuple[object, ...]], scenario: Scenario) -> UserResult:
    own = sum(str(row[1]).startswith(f"User {user[1:]} row ") for row in rows)
    return UserResult(user, len(rows), scenario.rows, len(rows) - own)

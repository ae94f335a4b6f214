"""Run one program on a fresh table: rounds in turn, lanes of a round at once, every event on disk first."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from attrs import define, field, frozen

from kalam_props.drivers import sql
from kalam_props.drivers.protocol import Reply
from kalam_props.errors import UsageError
from kalam_props.execution import flushes
from kalam_props.execution.session import SessionClient
from kalam_props.history.events import Header, History, ServerEvent, TableShape
from kalam_props.history.operations import (
    WRITES,
    After,
    AwaitFlush,
    Count,
    Flush,
    Insert,
    Kill,
    Operation,
    Pause,
    Restart,
    Select,
)
from kalam_props.history.reader import read_history
from kalam_props.history.writer import HistoryWriter
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Round, Session, Step, TableDef, user_of
from kalam_props.targets.target import Target
from kalam_props.targets.workspace import Workspace

FLUSH_WAIT_S = 20.0
"""How long `await-flush` waits for a flush that is running before it goes on."""

UNKNOWN_CHECK_INTERVAL_S = 1.5
"""How long a due flush is given to begin on a server whose check interval is not known."""


@frozen
class Limits:
    """Deadlines of a run, in seconds."""

    operation_s: float = 10.0


@frozen
class Table:
    """A table of one attempt: its definition, and what the server calls it."""

    definition: TableDef
    server_name: str
    qualified: str

    @property
    def shape(self) -> TableShape:
        return TableShape(self.definition.type, self.definition.column_names, self.definition.key)


Observe: TypeAlias = Callable[[str, Operation, Reply], None]
"""Told after each answer: process, operation, reply. What it raises ends the run."""


def execute(
    program: Program,
    workspace: Workspace,
    path: Path,
    limits: Limits | None = None,
    observe: Observe = lambda _process, _op, _reply: None,
) -> History:
    """Run a program once and read its history back from `path`.

    After the program's rounds come the closing ones: `await-flush`, then for every user two scans and a
    count. What is absent there is lost for good; what was absent earlier and is there now was transient.

    Raises:
        SetupRefusedError: a table was refused; never a finding.
        ServerDiedError: a server that we manage ended by itself.
        StorageError: the history cannot be written.
        TargetError: the client cannot be run.

    """
    tables = _create_tables(program, workspace)
    run: _Run | None = None
    try:
        with HistoryWriter(path, _header(program, workspace, tables)) as writer:
            run = _Run(workspace, writer, tables, limits or Limits(), observe)
            try:
                for round_ in (*program.rounds, *closing(program)):
                    run.round(round_)
                run.record_flushes()
            finally:
                run.close()
    finally:
        for table in tables.values():
            workspace.drop_table(table.server_name)
    return read_history(path)


def closing(program: Program) -> tuple[Round, ...]:
    """The rounds that end every run: wait for flushes, then two scans and a count of every user."""
    rounds = []
    for name in program.tables:
        first = f"{program.users[0]}/1" if program.users else "u0/1"
        rounds.append(Round({first: (Step(AwaitFlush(name)),)}))
        for user in program.users:
            scan = _whole_table(program, name, user)
            rounds.append(Round({f"{user}/1": (*scan, *scan, Step(Count(name)))}))
    return tuple(rounds)


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


def _create_tables(program: Program, workspace: Workspace) -> dict[str, Table]:
    attempt = f"{digest(program)[:8]}_{secrets.token_hex(3)}"
    tables = {}
    for name, definition in program.tables.items():
        server_name = f"{name}_{attempt}"
        workspace.target.raise_if_dead("between two programs")
        workspace.create_table(server_name, definition)
        tables[name] = Table(definition, server_name, workspace.qualified(server_name))
    return tables


def _header(program: Program, workspace: Workspace, tables: dict[str, Table]) -> Header:
    target = workspace.target
    return Header(
        target=target.product,
        client=target.driver.client,
        driver=target.driver.name,
        gate=False,
        program=digest(program),
        tables={name: table.shape for name, table in tables.items()},
        identity=workspace.identity.mode,
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


@define
class _Run:
    """The state of one execution: sessions, and what is known of hot rows."""

    workspace: Workspace
    writer: HistoryWriter
    tables: dict[str, Table]
    limits: Limits
    observe: Observe
    sessions: dict[Session, SessionClient] = field(factory=dict)
    unflushed: dict[str, int] = field(factory=dict)
    wall_offset_ns: int = 0
    lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self.wall_offset_ns = time.time_ns() - self.writer.now()

    @property
    def target(self) -> Target:
        return self.workspace.target

    def round(self, round_: Round) -> None:
        """All lanes of a round at once; ends when the last has ended."""
        if len(round_.lanes) == 1:
            ((session, lane),) = round_.lanes.items()
            self.lane(session, lane)
            return
        start = threading.Barrier(len(round_.lanes))
        pool = ThreadPoolExecutor(len(round_.lanes))
        try:
            lanes = [pool.submit(self._lane_at, start, name, lane) for name, lane in round_.lanes.items()]
            for lane_done in lanes:
                lane_done.result()
        except BaseException:
            self.close()  # cuts short what the other lanes wait for
            raise
        finally:
            pool.shutdown()

    def _lane_at(self, start: threading.Barrier, session: Session, lane: tuple[Step, ...]) -> None:
        client = self.client(session)
        start.wait()
        for step in lane:
            self.step(client, step)

    def lane(self, session: Session, lane: tuple[Step, ...]) -> None:
        client = self.client(session)
        for step in lane:
            self.step(client, step)

    def client(self, session: Session) -> SessionClient:
        with self.lock:
            if session not in self.sessions:
                self.sessions[session] = SessionClient(session, self.target.driver, self.target.url)
            return self.sessions[session]

    def step(self, client: SessionClient, step: Step) -> None:
        """One operation: invocation on disk, request, answer on disk."""
        op = step.op
        user = user_of(client.name)
        self.workspace.raise_if_cancelled()
        invoked = self.writer.invoke(
            p=client.process, user=user, op=op, deadline=int(self.limits.operation_s * 1e9)
        )
        if isinstance(op, Pause):
            time.sleep(op.us / 1e6)
            self.writer.ok(invoked)
            return
        if isinstance(op, AwaitFlush):
            self.await_flush(op.table)
            self.writer.ok(invoked)
            return
        if isinstance(op, (Restart, Kill)):
            self.restart(op)
            self.writer.ok(invoked)
            return
        process = client.process
        reply = self.request(client, user, op)
        self.record(client, invoked, op, reply)
        self.observe(process, op, reply)

    def request(self, client: SessionClient, user: str, op: Operation) -> Reply:
        table = self.tables.get(getattr(op, "table", ""))
        if table is None:
            raise UsageError(f"{op!r} cannot be run: this target's programs have no such operation")
        text = sql.render(op, table.qualified, table.definition)
        if isinstance(op, Flush):
            return client.execute(text, self.target.root, self.limits.operation_s)
        credential = self.workspace.credential(user)
        if self.workspace.identity.mode == "execute-as":
            text = sql.execute_as(text, self.workspace.server_user(user))
        return client.execute(text, credential, self.limits.operation_s)

    def record(self, client: SessionClient, invoked: int, op: Operation, reply: Reply) -> None:
        if reply.error is None:
            table = self.tables[op.table]  # type: ignore[union-attr]  # what was requested has a table
            answer = sql.interpret(op, reply, table.shape)
            self.writer.ok(
                invoked,
                affected=answer.affected,
                rows=answer.rows,
                count=answer.count,
                complete=answer.complete,
            )
        elif reply.done is False:
            self.writer.fail(invoked, reply.error)
            return
        else:
            self.writer.info(invoked, reply.error)
            client.begin_again()
            self.notice_death()
        if isinstance(op, WRITES):
            name = str(getattr(op, "table", ""))
            versions = len(op.rows) if isinstance(op, Insert) else 1
            with self.lock:
                self.unflushed[name] = self.unflushed.get(name, 0) + versions

    def await_flush(self, name: str) -> None:
        table = self.tables[name]
        boundary = table.definition.flush_rows
        with self.lock:
            due = boundary is not None and self.unflushed.get(name, 0) >= boundary
            self.unflushed[name] = 0
        interval = self.target.check_interval_s
        flushes.await_no_flush(
            self.target,
            table.qualified,
            due=due,
            quiet_s=UNKNOWN_CHECK_INTERVAL_S if interval is None else 1.5 * interval + 0.02,
            deadline_s=FLUSH_WAIT_S,
        )

    def restart(self, op: Restart | Kill) -> None:
        server = self.target.managed
        if server is None:
            raise UsageError("a program with restart or kill needs a server that we started ourselves")
        for client in self.sessions.values():
            client.close()
        if isinstance(op, Kill):
            server.kill()
            self.writer.server(ServerEvent(0, 0, "killed"))
        else:
            server.stop()
            self.writer.server(ServerEvent(0, 0, "stopped"))
        server.start()
        self.writer.server(ServerEvent(0, 0, "healthy"))

    def notice_death(self) -> None:
        """A managed server that ended by itself is a finding, and ends the run."""
        server = self.target.managed
        if server is not None and not server.running:
            self.writer.server(ServerEvent(0, 0, "died", f"exit {server.exit_code()}: {server.log_tail()}"))
            self.target.raise_if_dead(f"while {self.writer.path} was recorded")

    def record_flushes(self) -> None:
        """The server's own account of the flushes of this run's tables."""
        for name, table in self.tables.items():
            for job in flushes.jobs(self.target, table.qualified):
                if job.began_ms is None or job.ended_ms is None:
                    continue
                self.writer.flush(
                    table=name,
                    job=job.job,
                    began=self.interval(job.began_ms),
                    ended=self.interval(job.ended_ms),
                    rows=job.rows,
                    status=job.status,
                )

    def interval(self, ms: int) -> tuple[int, int]:
        """The nanoseconds of this history that a millisecond of the server's clock may stand for."""
        first = max(0, ms * 1_000_000 - self.wall_offset_ns)
        return first, first + 999_999

    def close(self) -> None:
        for client in self.sessions.values():
            client.close()

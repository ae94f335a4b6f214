"""Run one program on a fresh table: rounds in turn, lanes of a round at once, every event on disk first."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from kalam_props.drivers import sql
from kalam_props.drivers.protocol import Credential, Reply
from kalam_props.errors import CancelledError, UsageError
from kalam_props.execution import flushes
from kalam_props.execution.aim import Aim
from kalam_props.execution.arming import (
    NOTHING_ARMED,
    AimedKill,
    Announced,
    Armed,
    are_requests,
    arm,
    segments,
)
from kalam_props.execution.closing import closing, fence
from kalam_props.execution.outage import bring_down
from kalam_props.execution.releases import Hot
from kalam_props.execution.session import SessionClient, open_session
from kalam_props.execution.settle import Settled, settle
from kalam_props.execution.subscriptions import GIVE_UP_S, LIVE_S, QUIET_S, Subscriptions
from kalam_props.history.events import (
    JOB_HANGS,
    MALFORMED,
    Error,
    Header,
    History,
    Interval,
    Released,
    ServerEvent,
    TableShape,
)
from kalam_props.history.operations import (
    MAINTENANCE,
    WRITES,
    AwaitFlush,
    Flush,
    Kill,
    Operation,
    Pause,
    Recreate,
    Restart,
    Subscribe,
    Unsubscribe,
    parts,
    row_versions,
)
from kalam_props.history.reader import read_history
from kalam_props.history.writer import HistoryWriter
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Round, Session, Step, TableDef, user_of
from kalam_props.programs.tables import before, last
from kalam_props.targets.target import Target
from kalam_props.targets.workspace import Workspace

FLUSH_WAIT_S = 20.0
"""How long `await-flush` waits for a flush that is running before it goes on."""

AIMED_KILL_S = 10.0
"""How long a server may take to end that the gate is to kill; longer than the gate holds anything back."""

UNKNOWN_CHECK_INTERVAL_S = 1.5
"""How long a due flush is given to begin on a server whose check interval is not known."""


@frozen
class Limits:
    """Deadlines of a run, in seconds. `stalled_s`: of a request whose answer the program holds back."""

    operation_s: float = 10.0
    stalled_s: float = 0.5


@frozen
class Table:
    """A table of one attempt: its definition, what the server calls it, and the table before it there."""

    definition: TableDef
    server_name: str
    qualified: str
    earlier: str | None = None

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
    aim: Aim | None = None,
) -> History:
    """Run a program once and read its history back from `path`.

    Where the target has a gate, requests go through it, and are released as the program says; `aim` says
    where flushes are expected.

    After the program's rounds come the closing ones: `await-flush`, then for every user two scans and a
    count. What is absent there is lost for good; what was absent earlier and is there now was transient.
    Subscriptions go on until they were told of everything, or surely will not be.

    A request that is not answered by its deadline ends the program, without the closing rounds: it tells
    enough, and each of those that follow may take as long.

    Raises:
        SetupRefusedError: a table was refused; never a finding.
        ServerDiedError: a server that we manage ended by itself.
        StorageError: the history cannot be written.
        TargetError: the client cannot be run.

    """
    tables = _create_tables(program, workspace)
    try:
        with HistoryWriter(path, _header(program, workspace, tables)) as writer:
            run = _Run(workspace, writer, tables, limits or Limits(), observe, aim or Aim())
            try:
                for round_ in (*program.rounds, *closing(program)):
                    if not run.over.is_set():
                        run.round(round_)
                if not run.over.is_set():
                    run.await_notifications(program)
                run.record_flushes()
                run.notice_death()
            finally:
                run.leave()
    finally:
        for name in last(program):
            workspace.drop_table(tables[name].server_name, tables[name].definition.namespace)
    return read_history(path)


def _create_tables(program: Program, workspace: Workspace) -> dict[str, Table]:
    attempt = f"{digest(program)[:8]}_{secrets.token_hex(3)}"
    tables = {}
    for name, definition in program.tables.items():
        server_name = f"{definition.name or name}_{attempt}"
        earlier = before(program, name)
        if earlier is None:
            workspace.target.raise_if_dead("between two programs")
            workspace.create_table(server_name, definition)
        qualified = workspace.qualified(server_name, definition.namespace)
        tables[name] = Table(definition, server_name, qualified, earlier)
    return tables


def _header(program: Program, workspace: Workspace, tables: dict[str, Table]) -> Header:
    target = workspace.target
    return Header(
        target=target.product,
        client=target.driver.client,
        driver=target.driver.name,
        gate=target.gate is not None,
        program=digest(program),
        tables={name: table.shape for name, table in tables.items()},
        identity=workspace.identity.mode,
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def _never_answered(settled: Settled, took_ns: int, deadline_s: float) -> bool:
    """Whether a request to which nobody did anything had no answer by its deadline."""
    late = settled.error is not None and settled.error.code == "timeout" and took_ns >= deadline_s * 1e9
    return late and settled.net is None


@define
class _Run:
    """The state of one execution: sessions, and what is known of hot rows."""

    workspace: Workspace
    writer: HistoryWriter
    tables: dict[str, Table]
    limits: Limits
    observe: Observe
    aim: Aim
    sessions: dict[Session, SessionClient] = field(factory=dict)
    unflushed: dict[str, int] = field(factory=dict)
    wall_offset_ns: int = 0
    lock: threading.Lock = field(factory=threading.Lock)
    broken: threading.Event = field(factory=threading.Event)
    going_down: threading.Event = field(factory=threading.Event)
    subscriptions: Subscriptions = field(init=False)
    over: threading.Event = field(factory=threading.Event)
    outages: int = 0
    """Begun and ended, each counted."""
    jobs_of_earlier: dict[str, frozenset[str]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        target = self.target
        self.subscriptions = Subscriptions(self.writer, target.driver, target.url, target.gate)
        self.wall_offset_ns = time.time_ns() - self.writer.now()

    @property
    def target(self) -> Target:
        return self.workspace.target

    def round(self, round_: Round) -> None:
        """All lanes of a round at once; ends when the last has ended."""
        lanes = [(self.client(session), segments(lane)) for session, lane in round_.lanes.items() if lane]
        heads = [(client, cut[0]) for client, cut in lanes if are_requests(cut[0])]
        if len(lanes) == 1:
            with self.arm(heads) as armed:
                self.lane(*lanes[0], armed)
            return
        kill = self.aimed_kill(lanes) if heads else None
        start = threading.Barrier(len(lanes))
        with ThreadPoolExecutor(len(lanes)) as pool:
            try:
                # A session's client may take long to start, and would be late for its own round.
                for connected in [pool.submit(self.connect, client, head) for client, head in heads]:
                    connected.result()
                if kill is not None:
                    self.going_down.set()
                with self.arm(heads, kill) as armed:
                    running = [pool.submit(self.lane_at, start, *lane, armed) for lane in lanes]
                    for done in as_completed(running):
                        done.result()
            except BaseException:
                self.broken.set()
                self.close()  # cuts short what the other lanes wait for
                raise

    def lane_at(
        self, start: threading.Barrier, client: SessionClient, cut: list[tuple[Step, ...]], armed: Armed
    ) -> None:
        start.wait()
        self.lane(client, cut, armed)

    def lane(self, client: SessionClient, cut: list[tuple[Step, ...]], armed: Armed) -> None:
        """The segments of a lane in turn; the first, if it is one of requests, was armed with the round."""
        for number, segment in enumerate(cut):
            if not are_requests(segment):
                for step in segment:
                    if not self.over.is_set():
                        self.wait(client, step)
            elif number == 0:
                self.requests(client, segment, armed)
            else:
                with self.arm([(client, segment)]) as alone:
                    self.requests(client, segment, alone)

    def client(self, session: Session) -> SessionClient:
        if session not in self.sessions:
            target = self.target
            self.sessions[session] = open_session(session, target.driver, target.url, target.gate)
        return self.sessions[session]

    def connect(self, client: SessionClient, head: Sequence[Step]) -> None:
        for step in head:
            client.connect(self.credential(client, step.op))

    def aimed_kill(self, lanes: Sequence[tuple[SessionClient, Sequence[Sequence[Step]]]]) -> AimedKill | None:
        """The kill that begins a lane and has a release point: the gate does it, among the requests."""
        server = self.target.managed
        if server is None or server.pid is None or self.target.gate is None:
            return None
        firsts = (segments[0][0] for _, segments in lanes)
        aimed = next((s for s in firsts if isinstance(s.op, Kill) and s.release is not None), None)
        return None if aimed is None else AimedKill(aimed, server.pid)

    def arm(
        self, lanes: Sequence[tuple[SessionClient, Sequence[Step]]], kill: AimedKill | None = None
    ) -> Armed:
        """Announce to the gate, where there is one, what these sessions are about to ask."""
        if self.target.gate is None or not lanes:
            return NOTHING_ARMED
        with self.lock:
            hot = {
                name: Hot(self.unflushed.get(name, 0), table.definition.flush_rows)
                for name, table in self.tables.items()
            }
        return arm(
            self.target.gate,
            lanes,
            lambda client, step: self.target.driver.as_sent(self.text(client, step.op)),
            lambda step: self.table(step.op).qualified,
            aim=self.aim,
            hot=hot,
            kill=kill,
        )

    def invoke(
        self, client: SessionClient, op: Operation, deadline_s: float, release: Released | None = None
    ) -> int:
        self.workspace.raise_if_cancelled()
        if self.broken.is_set():
            raise CancelledError("another lane of the round could not go on")
        return self.writer.invoke(
            p=client.process,
            user=user_of(client.name),
            op=op,
            deadline=int(deadline_s * 1e9),
            release=release,
        )

    def wait(self, client: SessionClient, step: Step) -> None:
        """An operation that is no request: invocation on disk, wait, end on disk."""
        op = step.op
        if isinstance(op, Subscribe):
            self.subscribe(client, op)
            return
        invoked = self.invoke(client, op, self.limits.operation_s)
        error: Error | None = None
        if isinstance(op, Pause):
            time.sleep(op.us / 1e6)
        elif isinstance(op, AwaitFlush):
            error = self.await_flush(op.table)
        elif isinstance(op, (Restart, Kill)):
            if self.going_down.is_set() and self.target.managed is not None:
                self.target.managed.await_end(AIMED_KILL_S)
            elif step.release is not None:
                time.sleep(step.release.us / 1e6)
            error = self.restart(op)
        elif isinstance(op, Unsubscribe):
            self.subscriptions.close(user_of(client.name), op.table)
        if error is None:
            self.writer.ok(invoked)
        else:
            self.writer.info(invoked, error)

    def subscribe(self, client: SessionClient, op: Subscribe) -> None:
        """Until it is live; what it is told from then on goes to the history by itself."""
        if self.workspace.identity.mode == "execute-as" and not self.by_root(op):
            raise UsageError(
                "a program with subscribe needs users with a login of their own, since nobody can subscribe "
                "for another; --driver http has them where the client's program does not let them in"
            )
        user, table, credential = user_of(client.name), self.table(op), self.credential(client, op)
        invoked = self.invoke(client, op, LIVE_S)
        reply = self.subscriptions.open(
            invoked, user, op.table, table.definition, credential, table.qualified
        )
        if reply.error is None:
            self.writer.ok(invoked)
            self.subscriptions.is_live(invoked)
        elif reply.done is False:
            self.writer.fail(invoked, reply.error)
        else:
            self.writer.info(invoked, reply.error)
        if reply.error is not None:
            self.notice_death()

    def await_notifications(self, program: Program) -> None:
        """Wait until every subscription was told of all that it can expect, or of a fence behind it."""
        give_up = time.monotonic() + GIVE_UP_S
        number = 0
        while not self.subscriptions.await_told(QUIET_S) and time.monotonic() < give_up:
            for live in self.subscriptions.behind():
                number += 1
                op = fence(program, live.table, live.user, number)
                self.subscriptions.fence(live.user, op)
                self.round(Round({f"{live.user}/1": (Step(op),)}))

    def requests(self, client: SessionClient, segment: Sequence[Step], armed: Armed) -> None:
        for index, step in enumerate(segment):
            if not self.over.is_set():
                self.request(client, step, armed.get(client.name, index))

    def request(self, client: SessionClient, step: Step, announced: Announced | None) -> None:
        """One request: invocation on disk, request, answer on disk."""
        op = step.op
        text, credential = self.text(client, op), self.credential(client, op)
        stalled = announced is not None and step.net is not None and step.net.stall
        deadline_s = self.limits.stalled_s if stalled else self.limits.operation_s
        release = None if announced is None else announced.placed.release
        began, outages = self.writer.now(), self.outages
        invoked = self.invoke(client, op, deadline_s, release)
        process = client.process
        reply = client.execute(text, credential, deadline_s)
        settled = settle(reply, None if announced is None else announced.collect())
        settled, answer = self.interpret(op, reply, settled)
        self.record(invoked, op, reply, settled, answer)
        if answer is not None and settled.attempts == 1:
            self.subscriptions.answered(user_of(client.name), op, answer.affected, began)
        if isinstance(op, Recreate):
            self.recreated(op.table, settled)
        undisturbed = self.outages == outages and not self.going_down.is_set()
        if undisturbed and _never_answered(settled, self.writer.now() - began, deadline_s):
            self.over.set()
        if settled.spent:
            client.begin_again()
        if settled.error is not None:
            self.notice_death()
        if self.going_down.is_set():
            client.rest()
        self.observe(process, op, reply)

    def text(self, client: SessionClient, op: Operation) -> str:
        """The SQL of an operation, in the words of whoever speaks for the user."""
        table = self.table(op)
        if isinstance(op, Recreate):
            creation = self.workspace.creation(table.server_name, table.definition)
            return f"DROP TABLE {table.qualified}; {creation}"
        text = sql.render(op, table.qualified, table.definition)
        if self.by_root(op) or self.workspace.identity.mode != "execute-as":
            return text
        form = self.workspace.capabilities.execute_as or "EXECUTE AS USER"
        return sql.execute_as(text, self.workspace.server_user(user_of(client.name)), form)

    def recreated(self, name: str, settled: Settled) -> None:
        """A table that may not be there ends the program: nothing done by its name would be about it."""
        if settled.error is not None:
            self.over.set()
            return
        jobs = flushes.jobs(self.target, self.tables[name].qualified)
        self.jobs_of_earlier[name] = frozenset(job.job for job in jobs)

    def credential(self, client: SessionClient, op: Operation) -> Credential:
        return self.target.root if self.by_root(op) else self.workspace.credential(user_of(client.name))

    def by_root(self, op: Operation) -> bool:
        """What users may not do: maintenance, and writing to a shared table, which is private by default."""
        return isinstance(op, MAINTENANCE) or self.table(op).definition.type == "shared"

    def table(self, op: Operation) -> Table:
        # A transaction is over one table here: its answer is read by that table's columns.
        names = {getattr(inner, "table", "") for inner in parts(op)}
        table = self.tables.get(names.pop()) if len(names) == 1 else None
        if table is None:
            raise UsageError(f"{op!r} cannot be run: this target's programs have no such operation")
        return table

    def interpret(self, op: Operation, reply: Reply, settled: Settled) -> tuple[Settled, sql.Answer | None]:
        """What was answered, if it was; an answer that does not fit its statement is none that counts."""
        if settled.error is not None:
            return settled, None
        try:
            return settled, sql.interpret(op, reply, self.table(op).shape)
        except sql.MalformedAnswerError as error:
            wrong = Error("server", str(error), MALFORMED)
            return evolve(settled, outcome="info", error=wrong, spent=True), None

    def record(
        self, invoked: int, op: Operation, reply: Reply, settled: Settled, answer: sql.Answer | None
    ) -> None:
        """How a request ended, on disk."""
        wire = self.on_our_clock(settled.wire)
        if settled.net is not None:
            self.writer.net(invoked, settled.net)
        if answer is not None:
            job = flushes.job_of(reply) if isinstance(op, Flush) else None
            self.writer.ok(
                invoked,
                affected=answer.affected,
                rows=answer.rows,
                count=answer.count,
                complete=answer.complete,
                results=answer.results if job is None else ({"job": job},),
                wire=wire,
                attempts=settled.attempts,
            )
        elif settled.error is not None and settled.outcome == "fail":
            self.writer.fail(invoked, settled.error, wire=wire, attempts=settled.attempts)
            return
        elif settled.error is not None:
            self.writer.info(invoked, settled.error, wire=wire, attempts=settled.attempts)
        if isinstance(op, WRITES):
            with self.lock:
                for inner in parts(op):
                    name = str(getattr(inner, "table", ""))
                    self.unflushed[name] = self.unflushed.get(name, 0) + row_versions(inner)

    def on_our_clock(self, wire: Interval | None) -> Interval | None:
        if wire is None:
            return None
        first, last = wire
        return self.writer.at(first), None if last is None else self.writer.at(last)

    def await_flush(self, name: str) -> Error | None:
        """Wait until no flush is open or due; an error when one is open for too long."""
        table = self.tables[name]
        boundary = table.definition.flush_rows
        with self.lock:
            due = boundary is not None and self.unflushed.get(name, 0) >= boundary
            self.unflushed[name] = 0
        interval = self.target.check_interval_s
        found = flushes.await_no_flush(
            self.target,
            table.qualified,
            due=due,
            quiet_s=UNKNOWN_CHECK_INTERVAL_S if interval is None else 1.5 * interval + 0.02,
            deadline_s=FLUSH_WAIT_S,
        )
        hanging = [job for job in found if job.open]
        if not hanging:
            return None
        jobs = ", ".join(f"{job.job} ({job.status})" for job in hanging)
        return Error("timeout", f"after {FLUSH_WAIT_S:g} s a flush has not ended: {jobs}", JOB_HANGS)

    def restart(self, op: Restart | Kill) -> Error | None:
        self.going_down.set()
        self.outages += 1
        if isinstance(op, Restart):  # a server that is told to stop waits for connections that are open
            self.subscriptions.close_all()
        error = bring_down(op, self.workspace, self.writer, self.rest)
        self.going_down.clear()
        self.outages += 1
        return error

    def rest(self) -> None:
        """Close every connection that is idle."""
        self.target.rest()
        for client in list(self.sessions.values()):
            client.rest()

    def notice_death(self) -> None:
        """A managed server that ended by itself is a finding, and ends the run."""
        server = self.target.managed
        if server is not None and not self.going_down.is_set() and not server.running:
            self.writer.server(ServerEvent(0, 0, "died", f"exit {server.exit_code()}: {server.log_tail()}"))
            self.target.raise_if_dead(f"while {self.writer.path} was recorded")

    def record_flushes(self) -> None:
        """The server's own account of the flushes of this run's tables."""
        for name, table in self.tables.items():
            if table.earlier is not None and name not in self.jobs_of_earlier:
                continue  # the program ended before it was created again
            for job in flushes.jobs(self.target, table.qualified):
                if job.began_ms is None or job.ended_ms is None or not self.is_of(job.job, name):
                    continue
                self.writer.flush(
                    table=name,
                    job=job.job,
                    began=self.interval(job.began_ms),
                    ended=self.interval(job.ended_ms),
                    rows=job.rows,
                    status=job.status,
                )

    def is_of(self, job: str, name: str) -> bool:
        """Whether a job is about a table, and not about one that has its name before it or after it."""
        later = next((other for other, table in self.tables.items() if table.earlier == name), None)
        until = self.jobs_of_earlier.get(later) if later is not None else None
        return job not in self.jobs_of_earlier.get(name, ()) and (until is None or job in until)

    def interval(self, ms: int) -> tuple[int, int]:
        """The nanoseconds of this history that a millisecond of the server's clock may stand for."""
        first = max(0, ms * 1_000_000 - self.wall_offset_ns)
        return first, first + 999_999

    def close(self) -> None:
        """End every connection; a session that goes on opens new ones."""
        self.subscriptions.close_all()
        for client in list(self.sessions.values()):
            client.close()

    def leave(self) -> None:
        self.subscriptions.close_all()
        for client in self.sessions.values():
            client.leave()

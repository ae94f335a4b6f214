"""The base of the state machines that draw programs: what is in the table as far as a model can tell.

A machine only draws. It is a Hypothesis `RuleBasedStateMachine` whose rules add steps to rounds, and whose
`teardown` hands the finished program to `run_program`. Subclass it, add rules, and call `add`:

    class WithMyRule(FlushRaces):
        @rule(session=SESSIONS)
        def insert_then_count(self, session):
            self.insert(session, size=1)
            self.add(Count("t"), session, join=False)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from attrs import define, evolve, field, frozen
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Operation,
    Row,
    Scalar,
    Select,
    Update,
    kind,
)
from kalam_props.programs import payloads
from kalam_props.programs.model import Net, Program, Release, Round, Step, TableDef, user_of

TABLE = "t"

SESSIONS = st.integers(0, 5)
"""Index of a session, taken modulo those that the program has."""

KEYS = st.integers(0, 15)
"""Index of a key among those that fit, taken modulo their number."""

JOINS = st.integers(0, 2).map(bool)
"""Whether a step joins the current round (two times in three) or begins one; simplest: begins one."""

PAYLOADS = st.one_of(st.just(payloads.PLAIN), *[st.just(payloads.PLAIN)] * 8, st.sampled_from(payloads.KINDS))
"""Kind of a payload: one in ten may be awkward."""


READING = frozenset({"select", "get", "count"})
"""Kinds of what meets other requests (`ProgramMachine.meet`) that only read."""


@frozen
class Size:
    """How many rows: `n` of them, or as many as bring the hot rows to `times` the boundary, plus `n`."""

    times: int
    n: int


SIZES: st.SearchStrategy[Size] = st.one_of(
    st.builds(Size, st.just(0), st.integers(1, 3)),
    st.builds(Size, st.sampled_from([1, 1, 1, 2]), st.integers(-1, 1)),
)
"""Sizes of a batch: small, or at the flush boundary -1, 0, +1, or at twice the boundary."""

RunProgram: TypeAlias = Callable[[Program], None]


@define
class UserModel:
    """Keys of one user: what should be there, what was deleted, and the next one never used."""

    live: list[int] = field(factory=list)
    deleted: list[int] = field(factory=list)
    next: int = 1

    def delete(self, key: int) -> None:
        """From here on a key that was live is one that was deleted."""
        if key in self.live:
            self.live.remove(key)
            self.deleted.append(key)


class ProgramMachine(RuleBasedStateMachine):
    """Draws a program for one table `t` with the columns `id BIGINT` (key), `v TEXT`, `n BIGINT` at least.

    Attributes:
        run_program: what to do with a finished program; bound by `bind`.
        without: kinds of operations that are not drawn.
        steps: how many rules a program has at the most. The default of Hypothesis draws programs that take
            seconds each.
        max_users, max_sessions: how many at most.
        flush_rows: the flush boundaries to draw from; None: no flush by row count.
        table_def: columns and type of the table; columns that are not mentioned above are TEXT.
        needs: features of a target without which its programs cannot run (`targets.capabilities.Feature`).
        at_best: features without which only some kinds of operations are not drawn, and those kinds.

    """

    run_program: ClassVar[RunProgram | None] = None
    without: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    at_best: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    steps: ClassVar[int] = 14
    max_users: ClassVar[int] = 3
    max_sessions: ClassVar[int] = 2
    flush_rows: ClassVar[tuple[int | None, ...]] = (3, 4, 5, 8, 12)
    table_def: ClassVar[TableDef] = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id")

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[dict[str, list[Step]]] = []
        self.on = TABLE
        self.tables = {TABLE: evolve(self.table_def, flush_rows=3)}
        self.user_count = 1
        self.session_count = 1
        self.hot_rows: dict[str, int] = {}
        self.drawn = 0
        self.models: dict[tuple[str, str], UserModel] = {}
        self.last: tuple[str, int] | None = None

    @initialize(users=st.integers(0, 5), sessions=st.integers(0, 3), boundary=st.integers(0, 15))
    def shape(self, users: int, sessions: int, boundary: int) -> None:
        """How many users, sessions a user, and the flush boundary."""
        self.user_count = 1 + users % self.max_users
        self.session_count = 1 + sessions % self.max_sessions
        rows = self.flush_rows[boundary % len(self.flush_rows)]
        self.tables = {name: evolve(table, flush_rows=rows) for name, table in self.tables.items()}

    @property
    def table(self) -> TableDef:
        """The table that rules are about, `on`; one machine has several."""
        return self.tables[self.on]

    @table.setter
    def table(self, changed: TableDef) -> None:
        self.tables[self.on] = changed

    @property
    def hot(self) -> int:
        """Hot row versions of that table, as far as a model can tell."""
        return self.hot_rows.get(self.on, 0)

    @hot.setter
    def hot(self, rows: int) -> None:
        self.hot_rows[self.on] = rows

    def session(self, index: int) -> str:
        """The session at an index, modulo those that there are: users first, then their second sessions."""
        index %= self.user_count * self.session_count
        return f"u{index % self.user_count}/{1 + index // self.user_count}"

    def add(self, op: Operation, session: int | str, *, join: bool) -> None:
        """Add a step to the current round (`join`) or to a new one."""
        name = session if isinstance(session, str) else self.session(session)
        self.last = None
        if kind(op) in self.without:
            return
        if not join or not self.rounds:
            self.rounds.append({})
        lane = self.rounds[-1].setdefault(name, [])
        lane.append(Step(op))
        self.last = (name, len(lane) - 1)
        self.drawn += 1
        if isinstance(op, (AwaitFlush, Flush)):
            self.hot = 0

    def when(self, release: Release | None, net: Net | None = None) -> None:
        """Give the step that was added last a release point and a network fault; none if it was left out."""
        if self.last is not None:
            session, at = self.last
            lane = self.rounds[-1][session]
            lane[at] = evolve(lane[at], release=release, net=net)

    def new_round(self) -> None:
        """Begin a round: what is added with `join` from here on runs concurrently."""
        self.last = None
        if not self.rounds or self.rounds[-1]:
            self.rounds.append({})

    def insert(
        self,
        session: int,
        size: Size,
        *,
        payload: str = payloads.PLAIN,
        join: bool = False,
        null_n: bool = False,
    ) -> None:
        """Insert rows with keys that this user never used."""
        name = self.session(session)
        self._insert(name, self.fresh_keys(name, self.rows_for(size)), payload, join=join, null_n=null_n)

    def insert_fresh(self, session: str, rows: int) -> None:
        """Insert so many rows with keys that the session's user never used, joined to the round."""
        self._insert(session, self.fresh_keys(session, rows), payloads.PLAIN, join=True, null_n=False)

    def reinsert(self, session: int, key: int, *, payload: str = payloads.PLAIN, join: bool = False) -> None:
        """Insert a key that was deleted before, if there is one."""
        name = self.session(session)
        model = self.model(name)
        if model.deleted:
            again = model.deleted.pop(key % len(model.deleted))
            self._insert(name, [again], payload, join=join, null_n=False)

    def insert_existing(self, session: int, key: int, *, join: bool = False) -> None:
        """Insert a key that should be there: the server must refuse it."""
        name = self.session(session)
        model = self.model(name)
        if model.live:
            again = model.live[key % len(model.live)]
            self.add(Insert(self.on, (self._row(name, again, 0, payloads.PLAIN, None),)), name, join=join)

    def insert_beside_existing(self, session: str, rows: int, key: int) -> None:
        """Insert so many fresh rows and one that should be there, joined: the server must refuse them all."""
        model = self.model(session)
        if model.live:
            keys = [*self.fresh_keys(session, rows), model.live[key % len(model.live)]]
            batch = tuple(self._row(session, one, at, payloads.PLAIN, 0) for at, one in enumerate(keys))
            self.add(Insert(self.on, batch), session, join=True)

    def update(self, session: int, key: int, *, payload: str = payloads.PLAIN, join: bool = False) -> None:
        name = self.session(session)
        value = payloads.payload(payload, payloads.fingerprint(name, self.drawn, 0))
        self.add(Update(self.on, self.key(name, key), {"v": value}), name, join=join)
        self.hot += 1

    def increment(self, session: int, key: int, *, by: int = 1, join: bool = False) -> None:
        name = self.session(session)
        self.add(Increment(self.on, self.key(name, key), "n", by), name, join=join)
        self.hot += 1

    def delete(self, session: int, key: int, *, join: bool = False) -> None:
        name = self.session(session)
        chosen = self.key(name, key)
        self.add(Delete(self.on, chosen), name, join=join)
        self.model(name).delete(chosen)
        self.hot += 1

    def on_key(self, kind: str, session: str, key: int) -> None:
        """One operation on a key, joined to the round; what is left of the row is anybody's guess."""
        match kind:
            case "insert":
                self.add(
                    Insert(self.on, (self._row(session, key, 0, payloads.PLAIN, 0),)), session, join=True
                )
            case "update":
                value = payloads.payload(payloads.PLAIN, payloads.fingerprint(session, self.drawn, 0))
                self.add(Update(self.on, key, {"v": value}), session, join=True)
            case "increment":
                self.add(Increment(self.on, key, "n"), session, join=True)
            case "delete":
                self.add(Delete(self.on, key), session, join=True)
            case "get":
                self.add(Get(self.on, key), session, join=True)
            case _:
                raise ValueError(f"{kind!r} is not an operation on a key")
        self.hot += kind != "get"

    def meet(self, kind: str, session: str, key: int) -> None:
        """What meets other requests, joined: a read of all rows, an insert of `another`, or one `on_key`."""
        match kind:
            case "select":
                self.add(Select(self.on), session, join=True)
            case "count":
                self.add(Count(self.on), session, join=True)
            case "another":
                self.insert_fresh(session, 1)
            case _:
                self.on_key(kind, session, key)

    def select(self, session: int, *, join: bool = False) -> None:
        self.add(Select(self.on), session, join=join)

    def get(self, session: int, key: int, *, join: bool = False) -> None:
        name = self.session(session)
        self.add(Get(self.on, self.key(name, key)), name, join=join)

    def count(self, session: int, *, join: bool = False) -> None:
        self.add(Count(self.on), session, join=join)

    def flush(self, session: int, *, join: bool = False) -> None:
        self.add(Flush(self.on), session, join=join)

    def await_flush(self, session: int, *, join: bool = False) -> None:
        self.add(AwaitFlush(self.on), session, join=join)

    def model(self, session: str) -> UserModel:
        """Of the session's user; a shared table's keys are everybody's."""
        owner = "everybody" if self.table.type == "shared" else user_of(session)
        return self.models.setdefault((self.on, owner), UserModel())

    def key(self, session: str, index: int) -> int:
        """A key of the user: mostly one that should be there, at times one that should not."""
        live = self.model(session).live
        return live[index % len(live)] if live and index != 15 else 1 + index

    def rows_for(self, size: Size) -> int:
        """How many rows a size means now, at least one."""
        boundary = self.table.flush_rows or 1
        aimed = size.times * boundary - self.hot + size.n if size.times else size.n
        return max(1, aimed)

    def program(self) -> Program:
        """The program drawn so far."""
        rounds = (
            Round({name: tuple(lane) for name, lane in lanes.items()}) for lanes in self.rounds if lanes
        )
        return Program(dict(self.tables), tuple(rounds))

    def teardown(self) -> None:
        # Hypothesis also tears down draws that it aborted; those programs are not whole.
        if sys.exc_info()[0] is not None:
            return
        program = self.program()
        run = type(self).run_program
        if program.operations and run is not None:
            run(program)

    def fresh_keys(self, session: str, rows: int) -> list[int]:
        """Keys that the session's user never used, and will not use again."""
        model = self.model(session)
        keys = list(range(model.next, model.next + rows))
        model.next += rows
        return keys

    def _insert(self, session: str, keys: list[int], payload: str, *, join: bool, null_n: bool) -> None:
        n = None if null_n else 0
        rows = tuple(
            self._row(session, key, at, payload if at == 0 else payloads.PLAIN, n)
            for at, key in enumerate(keys)
        )
        self.add(Insert(self.on, rows), session, join=join)
        self.model(session).live.extend(keys)
        self.hot += len(keys)

    def _row(self, session: str, key: int, at: int, payload: str, n: Scalar) -> Row:
        text = payloads.payload(payload, payloads.fingerprint(session, self.drawn, at))
        values: dict[str, Scalar] = {"id": key, "v": text, "n": n}
        return tuple(values.get(column) for column in self.table.column_names)


def bind(
    machine: type[ProgramMachine], run_program: RunProgram, without: frozenset[str] = frozenset()
) -> type[ProgramMachine]:
    """The machine with `run_program` called for each program that it draws."""
    left_out = machine.without | without
    return type(machine.__name__, (machine,), {"run_program": staticmethod(run_program), "without": left_out})


def fitted(machine: type[ProgramMachine], lacks: Iterable[str]) -> type[ProgramMachine]:
    """The machine without the kinds of operations for which a target lacks a feature."""
    left_out = frozenset[str]().union(*(machine.at_best.get(feature, frozenset()) for feature in lacks))
    return (
        type(machine.__name__, (machine,), {"without": machine.without | left_out}) if left_out else machine
    )

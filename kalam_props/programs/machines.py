"""The machines: which operations meet. Each hunts one kind of bug."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from attrs import evolve, frozen
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from kalam_props.history.operations import (
    AddColumn,
    Compact,
    Count,
    Delete,
    Flush,
    Insert,
    Kill,
    Operation,
    Pause,
    Recreate,
    Restart,
    Select,
    Subscribe,
    Txn,
    Unsubscribe,
    Update,
    kind,
)
from kalam_props.programs import payloads
from kalam_props.programs.keys import key_of, with_key_type
from kalam_props.programs.machine import (
    JOINS,
    KEYS,
    PAYLOADS,
    SESSIONS,
    SIZES,
    TABLE,
    ProgramMachine,
    Size,
)
from kalam_props.programs.model import Net, Program, Release, TableDef
from kalam_props.programs.moments import (
    AT_ITS_ANSWER,
    MOMENTS,
    at_flush,
    at_write,
    in_comb,
    in_race,
    in_writes,
    swept,
)
from kalam_props.programs.tables import before, is_named


class Inserts(ProgramMachine):
    """Rules that insert: fresh keys, batches at the flush boundary."""

    @rule(session=SESSIONS, size=SIZES, payload=PAYLOADS, join=JOINS, null_n=st.integers(0, 9))
    def insert_rows(self, session: int, size: Size, payload: str, join: bool, null_n: int) -> None:  # noqa: FBT001
        self.insert(session, size, payload=payload, join=join, null_n=null_n == 9)

    @rule(session=SESSIONS, times=st.integers(1, 2), delta=st.integers(-1, 1))
    def insert_to_boundary(self, session: int, times: int, delta: int) -> None:
        self.insert(session, Size(times, delta))


class Reads(ProgramMachine):
    """Rules that read: scans, point reads, counts."""

    @rule(session=SESSIONS, join=JOINS)
    def scan(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.select(session, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def point_read(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.get(session, key, join=join)

    @rule(session=SESSIONS, join=JOINS)
    def count_rows(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.count(session, join=join)


class Writes(ProgramMachine):
    """Rules that change rows: updates, increments, deletes, inserts of deleted and of live keys."""

    @rule(session=SESSIONS, key=KEYS, payload=PAYLOADS, join=JOINS)
    def update_row(self, session: int, key: int, payload: str, join: bool) -> None:  # noqa: FBT001
        self.update(session, key, payload=payload, join=join)

    @rule(session=SESSIONS, key=KEYS, by=st.integers(1, 3), join=JOINS)
    def increment_row(self, session: int, key: int, by: int, join: bool) -> None:  # noqa: FBT001
        self.increment(session, key, by=by, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def delete_row(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.delete(session, key, join=join)

    @rule(session=SESSIONS, key=KEYS, payload=PAYLOADS, join=JOINS)
    def reinsert_row(self, session: int, key: int, payload: str, join: bool) -> None:  # noqa: FBT001
        self.reinsert(session, key, payload=payload, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def insert_live_key(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.insert_existing(session, key, join=join)


class Flushes(ProgramMachine):
    """Rules that flush, and that wait for a flush."""

    @rule(session=SESSIONS, join=JOINS)
    def flush_table(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.flush(session, join=join)

    @rule(session=SESSIONS)
    def wait_for_flush(self, session: int) -> None:
        self.await_flush(session)


@frozen
class Action:
    """One drawn step of a race; `pick` chooses the kind among those of the machine."""

    pick: int
    session: int
    key: int
    size: Size
    moment: int


NETWORK_FAULTS: st.SearchStrategy[Net] = st.sampled_from(
    (
        Net(delay_us=2_000),
        Net(cut="before-forward"),
        Net(cut="after-forward"),
        Net(cut="after-forward"),
        Net(reset=True),
        Net(delay_us=50_000),
        Net(trickle_bytes=64),
        Net(bandwidth=20_000),
        Net(stall=True),
    )
)
"""What can happen to one request; the mildest first. A stall costs its deadline, and is rare for it."""

ACTIONS = st.builds(Action, pick=st.integers(0, 11), session=SESSIONS, key=KEYS, size=SIZES, moment=MOMENTS)


class Races(ProgramMachine):
    """One rule that draws a whole round: a flush among reads and writes of several lanes."""

    race_kinds: ClassVar[tuple[str, ...]] = ("insert", "select", "count", "get")

    @rule(
        actions=st.lists(ACTIONS, min_size=2, max_size=6),
        flush=st.sampled_from(("none", "command", "policy")),
    )
    def race(self, actions: list[Action], flush: str) -> None:
        """Concurrent lanes; with a flush by command in its own lane, or by an insert over the boundary."""
        self.new_round()
        lanes = self.user_count * self.session_count
        if flush == "policy":
            self.insert(0, Size(1, 0), join=True)
        release = in_race if flush == "none" else at_flush
        for at, action in enumerate(actions):
            # Neighbours go to different lanes, so that a race is one even if all drew the same session.
            self.act(action, (action.session + at) % lanes)
            self.when(release(action.moment))
        if flush == "command":
            # A session of its own: the flush starts when the round does, not behind another operation.
            self.flush_concurrently(lanes)

    def act(self, action: Action, session: int) -> None:
        self.last = None  # an action may find nothing to do
        chosen = self.race_kinds[action.pick % len(self.race_kinds)]
        match chosen:
            case "insert":
                self.insert(session, action.size, join=True)
            case "select":
                self.select(session, join=True)
            case "count":
                self.count(session, join=True)
            case "get":
                self.get(session, action.key, join=True)
            case "update":
                self.update(session, action.key, join=True)
            case "increment":
                self.increment(session, action.key, join=True)
            case "delete":
                self.delete(session, action.key, join=True)
            case "reinsert":
                self.reinsert(session, action.key, join=True)

    def flush_concurrently(self, lanes: int) -> None:
        busy = self.rounds[-1]
        free = [name for name in map(self.session, range(lanes)) if name not in busy]
        self.add(Flush(self.on), free[0] if free else f"u0/{self.max_sessions + 1}", join=True)


CONTENDERS = st.lists(st.integers(0, 11), min_size=1, max_size=2)
"""Kinds of operations that meet a write."""

FEW_MEETINGS = st.lists(st.integers(0, 11), min_size=1, max_size=3)
"""Kinds of those that meet a flush: with more, a server on few cores does each too late."""


@frozen
class Contest:
    """A write and what meets it, `moment` in it; drawn as one argument. The numbers choose kinds."""

    write: int
    contenders: list[int]
    moment: int


CONTESTS = st.builds(Contest, write=st.integers(0, 3), contenders=CONTENDERS, moment=MOMENTS)


class Contention(ProgramMachine):
    """One rule that draws rounds in which sessions of one user do something to one row at once."""

    contended: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("increment", ("increment", "update", "increment", "get")),
        ("update", ("increment", "get", "increment", "update")),
        ("insert", ("insert", "another", "insert", "select", "insert", "get")),
        ("delete", ("delete", "increment", "delete", "update", "delete", "insert")),
    )
    """What is done to a row, and what meets it: mostly what shows that one of them did not see the other."""

    @rule(user=SESSIONS, key=KEYS, contests=st.lists(CONTESTS, min_size=1, max_size=4))
    def contend(self, user: int, key: int, contests: list[Contest]) -> None:
        """A round each: little beside the rest of a program, and one of few meets what it is aimed at."""
        for at, contest in enumerate(contests):
            self.meet_write(user, key + at, contest)

    def meet_write(self, user: int, key: int, contest: Contest) -> None:
        """A write, and others at it; each in a session of its own, so that all are on the wire together.

        An insert is one of a row that is not there.
        """
        index = user % self.user_count
        owner = f"u{index}"
        written, kinds = self.contended[contest.write]
        model = self.model(owner)
        if written == "insert":
            (chosen,) = self.fresh_keys(owner, 1)
            model.live.append(chosen)
        else:
            if not model.live:
                self.insert(index, Size(0, 1))
            chosen = model.live[key % len(model.live)]
        if written == "delete":  # the next round is about another row
            model.live.remove(chosen)
            model.deleted.append(chosen)
        self.new_round()
        self.on_key(written, f"{owner}/1", chosen)
        for number, pick in enumerate(contest.contenders):
            session = f"{owner}/{number + 2}"
            self.meet(kinds[pick % len(kinds)], session, chosen)
            self.when(at_write(swept(contest.moment, number)))


@frozen
class Watch:
    """Inserts of one session, and what other sessions of its user read meanwhile; drawn as one argument.

    Attributes:
        statements, rows: how many statements, of how many rows each; one where another session writes too.
        refused: the last statement has a key that is there already.
        beside: another session inserts a row when the first has its answer: a scan of both may see only the
            second. In one session the second would wait until its client has started.
        readers: sessions that read; `pick` chooses what.

    """

    user: int
    statements: int
    rows: int
    refused: bool
    beside: bool
    readers: int
    pick: int
    moment: int


WATCHES = st.builds(
    Watch,
    user=SESSIONS,
    statements=st.integers(1, 3),
    rows=st.integers(1, 3),
    refused=st.booleans(),
    beside=st.booleans(),
    readers=st.integers(1, 3),
    pick=st.integers(0, 11),
    moment=MOMENTS,
)


class Watching(ProgramMachine):
    """One rule that lets some sessions read the rows that another one of their user is inserting."""

    watching_kinds: ClassVar[tuple[str, ...]] = ("select", "count", "select")

    @rule(watch=WATCHES)
    def write_watched(self, watch: Watch) -> None:
        """A batch, several statements, or a batch that must be refused as a whole."""
        index = watch.user % self.user_count
        owner = f"u{index}"
        if watch.refused and not self.model(owner).live:
            self.insert(index, Size(0, 1))
        self.new_round()
        writer = f"{owner}/1"
        statements = 1 if watch.beside else watch.statements
        for number in range(statements):
            if watch.refused and number == statements - 1:
                self.insert_beside_existing(writer, watch.rows, watch.pick)
            else:
                self.insert_fresh(writer, watch.rows)
        if watch.beside:
            self.insert_fresh(f"{owner}/{2 + watch.readers}", 1)
            self.when(AT_ITS_ANSWER)
        for number in range(watch.readers):
            chosen = self.watching_kinds[(watch.pick + number) % len(self.watching_kinds)]
            read = Select(self.on) if chosen == "select" else Count(self.on)
            self.add(read, f"{owner}/{2 + number}", join=True)
            # Of two writes that follow each other, one read has begun before either is done.
            if number or not watch.beside:
                self.when(in_writes(swept(watch.moment, number), statements))


@frozen
class Comb:
    """The same operation, `teeth` times, in a flush of some rows; `pick` chooses its kind.

    Drawn as one argument: Hypothesis takes the rule with the fewest for the simplest, and begins with a
    program of nothing else.
    """

    user: int
    rows: int
    key: int
    pick: int
    teeth: int
    moment: int
    by_rows: bool


COMBS = st.builds(
    Comb,
    user=SESSIONS,
    rows=st.integers(1, 3),
    key=KEYS,
    pick=st.integers(0, 11),
    teeth=st.integers(1, 4),
    moment=MOMENTS,
    by_rows=st.booleans(),
)


class FlushMeetings(ProgramMachine):
    """Rules that put rows of a user where a flush will take them, and operations of that user into it."""

    meeting_kinds: ClassVar[tuple[str, ...]] = (
        *("select", "another", "count", "update", "select", "get", "count", "delete"),
    )
    comb_kinds: ClassVar[tuple[str, ...]] = (
        *("select", "count", "select", "count", "get", "another", "update", "delete"),
    )

    @rule(
        user=SESSIONS,
        rows=st.integers(1, 3),
        payload=PAYLOADS,
        key=KEYS,
        meetings=FEW_MEETINGS,
        moment=MOMENTS,
        by_rows=st.booleans(),
    )
    def meet_flush(
        self,
        user: int,
        rows: int,
        payload: str,
        key: int,
        meetings: list[int],
        moment: int,
        by_rows: bool,  # noqa: FBT001
    ) -> None:
        """Different operations, anywhere in the flush."""
        releases = [at_flush(swept(moment, number)) for number in range(len(meetings))]
        kinds = [self.meeting_kinds[pick % len(self.meeting_kinds)] for pick in meetings]
        self.into_flush(user, rows, payload, key, kinds, releases, by_rows=by_rows)

    @rule(comb=COMBS)
    def comb_flush(self, comb: Comb) -> None:
        """The same operation by one or several sessions, one shortly after the other, where it publishes.

        How long a flush takes varies by more than a race lasts: one of them is there when it is over.
        """
        kinds = [self.comb_kinds[comb.pick % len(self.comb_kinds)]] * comb.teeth
        releases = [in_comb(comb.moment, tooth, comb.teeth) for tooth in range(comb.teeth)]
        self.into_flush(comb.user, comb.rows, payloads.PLAIN, comb.key, kinds, releases, by_rows=comb.by_rows)

    def into_flush(
        self,
        user: int,
        rows: int,
        payload: str,
        key: int,
        kinds: Sequence[str],
        releases: Sequence[Release | None],
        *,
        by_rows: bool,
    ) -> None:
        """A flush of nothing meets nobody: first rows, and so few that no flush by row count takes them.

        Then each operation in a session of its own, and one that causes the flush: the command, or an insert
        of as many rows as the boundary.
        """
        index = user % self.user_count
        owner = f"u{index}"
        boundary = self.table.flush_rows
        if boundary is not None:
            rows = min(rows, boundary - 1)
            if self.hot + rows >= boundary:
                self.await_flush(index)
        self.insert(index, Size(0, rows), payload=payload)
        chosen = self.key(f"{owner}/1", key)
        self.new_round()
        cause = f"{owner}/{len(kinds) + 1}"
        if by_rows and boundary is not None:
            # So many that it is certainly this one, however many of the rows before are really there.
            self.insert_fresh(cause, boundary)
        else:
            self.add(Flush(self.on), cause, join=True)
        for number, (chosen_kind, release) in enumerate(zip(kinds, releases, strict=True), 1):
            session = f"{owner}/{number}"
            self.meet(chosen_kind, session, chosen)
            self.when(release)


class Isolation(Inserts, Reads, Races):
    """Users with the same keys insert, read and flush side by side: nobody sees another's rows."""

    max_users = 4
    race_kinds = ("insert", "select", "get", "count")


class ExactCounts(Inserts, Reads, Flushes, Races, FlushMeetings, Watching):
    """Rows come in batches that meet the flush boundary; every count and scan must be exact."""

    race_kinds = ("insert", "count", "select")
    meeting_kinds = ("count", "select", "another")
    comb_kinds = ("count", "select")


class FlushRaces(Inserts, Reads, Flushes, Races, FlushMeetings, Contention, Writes):
    """Everything that may meet a flush: reads, inserts, updates, deletes, inserts of deleted keys."""

    race_kinds = ("insert", "select", "count", "get", "update", "delete", "reinsert", "increment")


class Meetings(FlushMeetings):
    """Nothing but operations that meet a flush: for windows of a millisecond and less.

    Short programs: each meeting is a chance of its own, and few of them are sooner made small.
    """

    steps = 5
    max_users = 2
    flush_rows = (None, 3, None, 5)


class Writers(Contention):
    """Nothing but writes of one user that meet each other: for windows of a millisecond and less.

    Without a flush a round is over soon, so that a program has many.
    """

    steps = 6
    max_users = 2
    flush_rows = (None, None, None, 12)


class Watchers(Watching):
    """Nothing but inserts that are read while they run: for what shows half of them."""

    steps = 6
    max_users = 2
    flush_rows = (None, None, None, 12)


class Updates(Inserts, Writes, Reads, Races, Contention, Watching):
    """Few rows, many writers: updates and increments of the same row, deletes and re-inserts."""

    max_users = 2
    max_sessions = 3
    flush_rows = (4, 8)
    race_kinds = ("increment", "update", "get", "select", "delete", "reinsert")


class LossyNetwork(Inserts, Reads, Writes, Races):
    """Connections are cut, answers delayed or withheld: what has no answer was done once, or never."""

    max_users = 2
    race_kinds = ("insert", "select", "update", "delete", "increment", "get")

    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=3), net=NETWORK_FAULTS)
    def lose(self, actions: list[Action], net: Net) -> None:
        """A network fault for the first of a few concurrent operations."""
        self.new_round()
        lanes = self.user_count * self.session_count
        for at, action in enumerate(actions):
            self.act(action, (action.session + at) % lanes)
            self.when(in_race(action.moment), net if at == 0 else None)


PAUSES_US = st.sampled_from((0, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 50_000, 80_000))
"""How long after the answer to its lane's first request the server goes down: within a flush, or after."""


@frozen
class Outage:
    """How a server goes down; drawn as one argument.

    Attributes:
        flush: of what was written before, of the race by command or by row count, or none.
        pause_us: how long after the answer to its lane's first request, where it is not aimed.
        moment: of the race, or of its flush, where it is aimed.

    """

    flush: str
    how: str
    pause_us: int
    moment: int


OUTAGES = st.lists(
    st.builds(
        Outage,
        flush=st.sampled_from(("before", "command", "before", "policy", "before", "none")),
        how=st.sampled_from(("kill", "restart", "late kill")),
        pause_us=PAUSES_US,
        moment=MOMENTS,
    ),
    min_size=1,
    max_size=3,
)


FEW_ACTIONS = st.lists(ACTIONS, min_size=2, max_size=6)


class Crashes(Inserts, Flushes, Races):
    """The server is killed or restarted among inserts, updates, deletes and flushes; nothing may be lost."""

    needs = frozenset({"crash"})
    max_users = 4
    # Mostly none: a flush by row count would take what was changed since the last one, and is to go down hot.
    flush_rows = (None, 4, None, 12)
    max_outages: ClassVar[int] = 4
    race_kinds = ("insert", "update", "delete", "insert", "increment", "reinsert", "select")

    def __init__(self) -> None:
        super().__init__()
        self.outages = 0
        self.at_the_end: tuple[list[Action], list[Outage]] = ([], [])

    @initialize(actions=FEW_ACTIONS, outages=OUTAGES)
    def keep_for_the_end(self, actions: list[Action], outages: list[Outage]) -> None:
        """What goes on at the end of a program that would be without an outage."""
        self.at_the_end = actions, outages[:1]

    @rule(actions=FEW_ACTIONS, outages=OUTAGES)
    def go_down(self, actions: list[Action], outages: list[Outage]) -> None:
        """Races in which the server goes down, one after the other.

        Before each, every user's writes are acknowledged and, mostly, hot: what a server may not lose. They
        are of rows that were just flushed, mostly, which nothing may bring back.
        """
        for outage in outages[: self.max_outages - self.outages]:
            self.outages += 1
            self.change_what_is_cold(actions, flush=outage.flush == "before")
            self.race_and_go_down(actions, outage)

    def change_what_is_cold(self, actions: list[Action], *, flush: bool) -> None:
        """Each user changes one of its last rows, after a flush of them, and inserts others."""
        if flush:
            self.new_round()
            for user in range(self.user_count):
                self.insert(user, Size(0, 2), join=True)
            self.flush(0)
            self.await_flush(0)
        self.new_round()
        for user in range(self.user_count):
            action = actions[user % len(actions)]
            change = self.delete if action.pick % 2 else self.update
            recent = len(self.model(self.session(user)).live) - 1 - action.key % 2
            change(user, max(0, recent), join=True)
            self.insert(user, Size(0, 1), join=True)

    def race_and_go_down(self, actions: list[Action], outage: Outage) -> None:
        """A kill is aimed at the requests of the race, or at the flush among them.

        A late one, and a restart, come a while after an answer: when their clients have gone.
        """
        self.race(actions, "policy" if outage.flush == "policy" else "none")
        by_command = outage.flush == "command"
        lane, beside = f"u0/{self.max_sessions + 1}", f"u0/{self.max_sessions + 2}"
        # A lane that begins with a request is released with the others', and not while they start.
        self.add(Flush(self.on) if by_command else Count(self.on), lane, join=True)
        if outage.how == "kill":
            self.add(Kill(), beside, join=True)
            aimed = at_flush(outage.moment) if by_command else in_race(outage.moment)
            self.when(aimed or Release(us=100 * outage.moment))
        else:
            if outage.pause_us:
                self.add(Pause(outage.pause_us), lane, join=True)
            self.add(Restart() if outage.how == "restart" else Kill(), lane, join=True)
        self.new_round()
        # What a kill cut may or may not be there: the model no longer knows how many rows are hot.
        self.hot = 0

    def program(self) -> Program:
        """With an outage at its end where none was drawn: it is another machine's otherwise."""
        if not self.outages:
            self.go_down(*self.at_the_end)
        return super().program()


class Columns(Inserts, Writes, Reads, Races):
    """The key is not the first column; sessions change different columns of the same rows at once."""

    max_users = 2
    max_sessions = 3
    table_def = TableDef((("v", "TEXT"), ("n", "BIGINT"), ("id", "BIGINT"), ("w", "TEXT")), "id")
    race_kinds: ClassVar[tuple[str, ...]] = (
        "update",
        "second",
        "increment",
        "get",
        "delete",
        "second",
        "select",
    )

    def act(self, action: Action, session: int) -> None:
        if self.race_kinds[action.pick % len(self.race_kinds)] == "second":
            self.update_second(session, action.key, join=True)
        else:
            super().act(action, session)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def update_second_column(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.update_second(session, key, join=join)

    def update_second(self, session: int, key: int, *, join: bool) -> None:
        name = self.session(session)
        value = payloads.payload(payloads.PLAIN, payloads.fingerprint(name, self.drawn, 0))
        self.add(Update(self.on, self.key(name, key), {"w": value}), name, join=join)
        self.hot += 1


class Shared(Columns):
    """A shared table with several writers: everybody sees and changes every row."""

    needs = frozenset({"shared-tables"})
    table_def = evolve(Columns.table_def, type="shared")
    race_kinds = ("update", "second", "increment", "get", "delete", "insert", "select", "reinsert")


class Keys(Inserts, Writes, Races):
    """Keys that are texts, one the prefix of another or in the other case; less often numbers below zero."""

    needs = frozenset({"text-keys", "int-keys"})
    key_types: ClassVar[tuple[str, ...]] = ("TEXT", "TEXT", "INT", "TEXT", "TEXT", "TEXT")
    max_users = 2
    race_kinds = ("insert", "get", "update", "delete", "select", "reinsert")

    def __init__(self) -> None:
        super().__init__()
        self.key_type = self.key_types[0]

    @initialize(which=st.integers(0, 5))
    def choose_keys(self, which: int) -> None:
        self.key_type = self.key_types[which % len(self.key_types)]

    def program(self) -> Program:
        drawn, kind = super().program(), self.key_type
        # What a machine draws as a key is a number.
        return with_key_type(
            drawn, TABLE, kind, lambda key: key_of(key, kind) if isinstance(key, int) else key
        )


class UuidKeys(Keys):
    """Keys that are UUIDs, which some servers let one declare and then accept no row with."""

    needs = frozenset({"uuid-keys"})
    key_types = ("UUID",)


class Maintenance(Inserts, Writes, Reads, Races):
    """Every form of flush, compaction, and new columns, while rows come and go; none changes a row."""

    needs = frozenset({"flush-namespace", "compact", "add-column"})
    race_kinds = ("insert", "select", "count", "update", "delete", "get")

    def __init__(self) -> None:
        super().__init__()
        self.columns_added = 0

    @rule(
        actions=st.lists(ACTIONS, min_size=1, max_size=5),
        kinds=st.lists(
            st.sampled_from(("flush-namespace", "compact", "add-column", "flush")), min_size=1, max_size=3
        ),
    )
    def maintain(self, actions: list[Action], kinds: list[str]) -> None:
        """Maintenance in a lane of its own, beside reads and writes."""
        self.race(actions, "none")
        lane = f"u0/{self.max_sessions + 1}"
        for chosen in kinds:
            match chosen:
                case "flush-namespace":
                    self.add(Flush(self.on, "namespace"), lane, join=True)
                case "compact":
                    self.add(Compact(self.on), lane, join=True)
                case "add-column":
                    self.columns_added += 1
                    self.add(AddColumn(self.on, f"x{self.columns_added}"), lane, join=True)
                case _:
                    self.add(Flush(self.on), lane, join=True)


class Transactions(Inserts, Reads, Flushes, Races):
    """Transactions are seen whole or not at all, and never when they were refused or rolled back.

    Nothing but their updates changes a row, and only one column of it: which of two concurrent ones to
    different columns wins within a snapshot is not promised.
    """

    needs = frozenset({"transactions"})
    race_kinds = ("txn", "select", "delete", "txn", "insert", "get")

    def act(self, action: Action, session: int) -> None:
        if self.race_kinds[action.pick % len(self.race_kinds)] == "txn":
            self.transact(session, action.key % 4, action.key, rollback=action.pick % 3 == 0, join=True)
        else:
            super().act(action, session)

    @rule(session=SESSIONS, inserts=st.integers(0, 3), key=KEYS, rollback=st.booleans())
    def transaction(self, session: int, inserts: int, key: int, rollback: bool) -> None:  # noqa: FBT001
        self.transact(session, inserts, key, rollback=rollback, join=False)

    def transact(self, session: int, inserts: int, key: int, *, rollback: bool, join: bool) -> None:
        """So many inserts of one row each; an update of a row that was there before, a delete of another."""
        name = self.session(session)
        model = self.model(name)
        fresh = list(range(model.next, model.next + inserts))
        model.next += inserts
        ops: list[Operation] = [
            Insert(self.on, (self._row(name, new, at, payloads.PLAIN, 0),)) for at, new in enumerate(fresh)
        ]
        if model.live:
            gone = model.live[key % len(model.live)]
            changed = model.live[(key + 1) % len(model.live)]
            value = payloads.payload(payloads.PLAIN, payloads.fingerprint(name, self.drawn, inserts))
            ops += [Update(self.on, changed, {"v": value}), Delete(self.on, gone)]
            if not rollback:
                model.live.remove(gone)
        if ops:
            self.add(Txn(tuple(ops), rollback=rollback), name, join=join)
            if not rollback:
                model.live.extend(fresh)
                self.hot += len(ops)


APART_US = st.sampled_from((4_000, 2_000, 3_000, 5_000, 7_000, 9_000))
"""From the beginning of one change to that of the next: somewhat more than a statement takes."""


class Notifications(Inserts, Writes, Flushes, Races):
    """Users watch the table while rows come, change, go and are flushed.

    Each is told of every change of its own rows, once, those of one row in their order, and of nobody else's.
    """

    needs = frozenset({"subscriptions"})
    at_best = MappingProxyType({"crash": frozenset({"kill", "restart"})})
    max_users = 3  # where there is one only, nothing of another can be told
    max_outages: ClassVar[int] = 1
    max_watched: ClassVar[int] = 3
    race_kinds = ("insert", "update", "increment", "delete", "insert", "reinsert")
    # No increment: what one made of a row does not say which one did.
    close_kinds: ClassVar[tuple[str, ...]] = ("insert", "update", "insert", "delete")

    def __init__(self) -> None:
        super().__init__()
        self.watched = 0
        self.outages = 0

    def watch(self, session: int, *, join: bool) -> None:
        """One more subscription, of which each is a client of its own."""
        if self.watched < self.max_watched:
            self.watched += 1
            self.add(Subscribe(self.on), session, join=join)

    @rule(session=SESSIONS, join=JOINS)
    def subscribe(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.watch(session, join=join)

    @rule(session=SESSIONS, actions=st.lists(ACTIONS, min_size=2, max_size=6))
    def watch_a_race(self, session: int, actions: list[Action]) -> None:
        """A subscription, then changes of several sessions at once."""
        self.watch(session, join=False)
        self.race(actions, "none")

    @rule(user=SESSIONS, picks=st.lists(st.integers(0, 3), min_size=3, max_size=5), apart=APART_US)
    def watch_close_changes(self, user: int, picks: list[int], apart: int) -> None:
        """A subscription, then changes by sessions of its user, each begun when the last is just over.

        In one lane they would be a client's start apart, in which any notification has long been delivered.
        """
        index = user % self.user_count
        owner = f"u{index}"
        self.watch(index, join=False)
        self.insert(index, Size(0, 2))
        self.new_round()
        for number, pick in enumerate(picks):
            session, model = f"{owner}/{number + 1}", self.model(owner)
            match self.close_kinds[pick]:
                case "insert":
                    self.on_key("insert", session, model.next)
                    model.live.append(model.next)
                    model.next += 1
                case changed:
                    self.on_key(changed, session, model.live[-1 - pick % 2])
            if number:
                self.when(Release(us=number * apart))

    @rule(actions=st.lists(ACTIONS, min_size=2, max_size=4), kill=st.booleans(), rarely=st.integers(0, 9))
    def go_down(self, actions: list[Action], kill: bool, rarely: int) -> None:  # noqa: FBT001
        """The server goes down among changes that are told; who watches next is told as before."""
        op = Kill() if kill else Restart()
        if rarely < 9 or self.outages == self.max_outages or kind(op) in self.without:
            return
        self.outages += 1
        self.race(actions, "none")
        # As in `Crashes`: it is to go down among the others' requests, and not while they start.
        lane = f"u0/{self.max_sessions + 1}"
        self.add(Count(TABLE), lane, join=True)
        self.add(op, lane, join=True)
        self.new_round()
        self.hot = 0
        self.watched = 0

    @rule(session=SESSIONS, rarely=st.integers(0, 3))
    def unsubscribe(self, session: int, rarely: int) -> None:
        if self.watched and rarely == 3:
            self.add(Unsubscribe(self.on), session, join=False)


@frozen
class Again:
    """Rows, and a flush that may still run when their table is dropped and created; drawn as one argument.

    Attributes:
        flush: of the table, of its namespace, or none.
        actions: on other tables, meanwhile.

    """

    rows: int
    flush: str
    actions: list[Action]


AGAIN = st.lists(
    st.builds(
        Again,
        rows=st.integers(1, 3),
        flush=st.sampled_from(("none", "table", "namespace")),
        actions=st.lists(ACTIONS, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


AT_THE_END = 5
"""So often a table is created again where a program did not: what happens one time in ten is seen soon."""


class Tables(Inserts, Races):
    """Tables that could be taken for each other: of one namespace, of one name, and of one name in turn.

    All have the same keys. A table that is dropped and created again is a new one, whatever a flush of the
    old one is doing.
    """

    needs = frozenset({"recreate", "flush-namespace"})
    max_users = 2
    race_kinds = ("insert", "select", "delete", "get", "update", "count")
    also: ClassVar[tuple[tuple[str, str | None, int], ...]] = (("s", None, 0), ("t_far", TABLE, 1))
    max_generations: ClassVar[int] = 9

    def __init__(self) -> None:
        super().__init__()
        for name, called, namespace in self.also:
            self.tables[name] = evolve(self.table_def, name=called, namespace=namespace)
        self.current = list(self.tables)
        self.generations = 1

    @rule(which=SESSIONS)
    def turn_to(self, which: int) -> None:
        """What follows is about another table."""
        self.on = self.current[which % len(self.current)]
        self.last = None

    def act(self, action: Action, session: int) -> None:
        self.turn_to(action.key + action.pick)
        super().act(action, session)

    @rule(session=SESSIONS, join=JOINS)
    def flush_namespace(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.add(Flush(self.on, "namespace"), session, join=join)

    @rule(which=SESSIONS, again=AGAIN)
    def create_again(self, which: int, again: list[Again]) -> None:
        """A table, time after time; others go on."""
        self.turn_to(which)
        self.create_repeatedly(again)

    def create_repeatedly(self, again: list[Again]) -> None:
        for one in again:
            if "recreate" not in self.without and self.generations < self.max_generations:
                self._create_again(one)

    def _create_again(self, again: Again) -> None:
        self.generations += 1
        old, place = self.on, self.current.index(self.on)
        self.insert(0, Size(0, again.rows))
        new = f"{self.table.name or old}_{self.generations}"
        self.tables[new] = evolve(self.table, name=self.table.name or old)
        self.new_round()
        lane = f"u0/{self.max_sessions + 1}"
        if again.flush != "none":
            self.add(Flush(old, "namespace" if again.flush == "namespace" else "table"), lane, join=True)
        self.add(Recreate(new), lane, join=True)
        self.current[place] = new
        others = [name for name in self.current if name != new]
        for at, action in enumerate(again.actions):
            self.on = others[action.key % len(others)]
            super().act(action, action.session + at)
            self.when(in_race(action.moment))
        self.on = new
        self.new_round()

    def program(self) -> Program:
        """Only the tables that something is done to; one is created again at the end, if none was before.

        Hypothesis leaves some rules out of each program, and whole turns came and went without that one.
        """
        if self.generations == 1:
            self.create_repeatedly([Again(rows=1, flush="none", actions=[])] * AT_THE_END)
        drawn = super().program()
        named = {name for name in drawn.tables if is_named(drawn, name)}
        named |= {earlier for name in named if (earlier := before(drawn, name)) is not None}
        return evolve(drawn, tables={name: t for name, t in drawn.tables.items() if name in named})


MACHINES: Mapping[str, type[ProgramMachine]] = MappingProxyType(
    {
        "meetings": Meetings,
        "writers": Writers,
        "watchers": Watchers,
        "notifications": Notifications,
        "crashes": Crashes,
        "flush-races": FlushRaces,
        "exact-counts": ExactCounts,
        "isolation": Isolation,
        "updates": Updates,
        "lossy-network": LossyNetwork,
        "columns": Columns,
        "shared": Shared,
        "maintenance": Maintenance,
        "transactions": Transactions,
        "keys": Keys,
        "uuid-keys": UuidKeys,
        "tables": Tables,
    }
)
"""The machines by the name that `--machine` takes, in the order in which a hunt takes turns."""

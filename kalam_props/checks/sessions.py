"""The session guarantees that a history proves broken (Terry et al., Session Guarantees for Weakly Consistent
Replicated Data, 1994), row by row.

- `read-your-writes`: a session wrote a row, and then reads a state of it from before that write.
- `monotonic-reads`: a session reads a row, and then a state of it from before what it had seen.
- `monotonic-writes`: a session wrote two rows, and a read shows the second write without the first.
- `writes-follow-reads`: a session saw a row, then wrote another, and a read shows that write and a state of
  the first row from before what the session had seen.

That a state is from before a write is certain only if every write that can have left the row in that state
was over before that write began (or if the row was absent, and no delete may have come later). Nothing is
said where the history leaves it open. Each of them is part of linearizability: what is broken is found there
too, and told here in the terms of a client. A session goes on after an operation of unknown outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from attrs import define, field, frozen

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.contents import Contents
from kalam_props.checks.finding import Finding
from kalam_props.checks.parts import Look, Scan
from kalam_props.checks.writes import Writes, Wrote
from kalam_props.history.operations import Txn

GUARANTEES: tuple[str, ...] = (
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
)
_WORK = 300_000
"""Writes of rows that are looked at; only histories that are violated anyway come here."""


@frozen(eq=False)
class _Read:
    act: Act
    scope: int
    states: Mapping[int, int | None]
    """By cell, what it shows; a complete scan shows all others of its scope as absent."""
    whole: bool

    def knows(self, cell: int, scope: int) -> bool:
        return cell in self.states or (self.whole and scope == self.scope)


@frozen(eq=False)
class _Session:
    writes: list[tuple[int, Wrote]] = field(factory=list)
    """Cells and acknowledged writes that certainly changed them, in order."""
    reads: list[_Read] = field(factory=list)


def broken_guarantees(writes: Writes, contents: Contents, acts: Iterable[Act]) -> list[Finding]:
    """One finding for each session guarantee that is certainly broken, with the smallest witness met."""
    sessions, reads = _sessions(writes, contents, acts)
    best: dict[str, Finding] = {}
    judge = _Judge(writes)
    with suppress(_TooMuchError):
        alone = _shown_alone(judge, reads)
        for session in sessions.values():
            for finding in _of_session(judge, session, alone):
                known = best.get(finding.name)
                if known is None or len(finding.witness) < len(known.witness):
                    best[finding.name] = finding
    return [best[name] for name in GUARANTEES if name in best]


def _sessions(
    writes: Writes, contents: Contents, acts: Iterable[Act]
) -> tuple[dict[str, _Session], list[_Read]]:
    by_act: dict[int, list[tuple[int, Wrote]]] = {}
    for cell, wrotes in writes.by_cell.items():
        for wrote in wrotes:
            if _certainly_done(wrote):
                by_act.setdefault(wrote.act.i, []).append((cell, wrote))
    sessions: dict[str, _Session] = {}
    reads = []
    for act in acts:
        session = sessions.setdefault(act.p.split("#")[0], _Session())
        session.writes.extend(by_act.get(act.i, ()))
        part = contents.claims.get(act.i)
        if isinstance(part, (Look, Scan)) and act.end is not None:
            read = _read(writes, act, part)
            session.reads.append(read)
            reads.append(read)
    return sessions, reads


def _read(writes: Writes, act: Act, part: Look | Scan) -> _Read:
    scope = writes.world.scope(act.op.table, act.user)  # type: ignore[union-attr]  # a read names a table
    if isinstance(part, Look):
        return _Read(act, scope, part.claims, whole=False)
    return _Read(act, scope, part.seen, whole=not part.besides)


def _certainly_done(wrote: Wrote) -> bool:
    act = wrote.act
    if isinstance(act.op, Txn):  # another of its operations may undo it, and its answer sums them up
        return False
    if wrote.refused or act.outcome != "ok" or act.answer is None:
        return False
    return wrote.kind == "insert" or act.answer.affected == 1


class _TooMuchError(Exception):
    pass


@define(eq=False)
class _Judge:
    """Whether one state of a row is certainly older than a write of it; counts the work."""

    writes: Writes
    left: int = _WORK

    def older(self, cell: int, state: int | None, than: Wrote) -> bool:
        return all(
            other.act.end is not None and other.act.end < than.act.start for other in self.able(cell, state)
        )

    def able(self, cell: int, state: int | None) -> list[Wrote]:
        """The writes that can have left a row in this state.

        Raises:
            _TooMuchError: the work allowed is done.

        """
        of = self.writes.of(cell)
        self.left -= 1 + len(of)
        if self.left < 0:
            raise _TooMuchError
        if state is None:
            return [wrote for wrote in of if wrote.kind == "delete"]
        row = self.writes.world.rows[state]
        return [
            wrote
            for wrote in of
            if wrote.kind == "increment"
            or (wrote.kind == "insert" and wrote.row == row)
            or (wrote.kind == "update" and all(row[at] == item for at, item in wrote.values.items()))
        ]


def _of_session(judge: _Judge, session: _Session, alone: Mapping[int, list[_Read]]) -> Iterator[Finding]:
    for cell, wrote in session.writes:
        for read in session.reads:
            if read.act.i > wrote.act.i and _forgot(judge, read, cell, [wrote]):
                yield _finding(judge, "read-your-writes", cell, [wrote.act], read)
    seen = list(_seen(judge, session))
    for first, cell, able in seen:
        for read in session.reads:
            if read.act.i > first.act.i and _forgot(judge, read, cell, able):
                yield _finding(judge, "monotonic-reads", cell, [first.act], read)
    for _, later in session.writes:
        for read in alone.get(id(later), ()):
            for cell, before in session.writes:
                if before.act.i < later.act.i and _forgot(judge, read, cell, [before]):
                    yield _finding(judge, "monotonic-writes", cell, [before.act, later.act], read)
            for first, cell, able in seen:
                if first.act.i < later.act.i and _forgot(judge, read, cell, able):
                    yield _finding(judge, "writes-follow-reads", cell, [first.act, later.act], read)


def _seen(judge: _Judge, session: _Session) -> Iterator[tuple[_Read, int, list[Wrote]]]:
    """What a session saw: each read with a cell, and the writes of which one must have been before it."""
    for read in session.reads:
        for cell, state in read.states.items():
            if state is not None:
                yield read, cell, judge.able(cell, state)


def _forgot(judge: _Judge, read: _Read, cell: int, wrotes: list[Wrote]) -> bool:
    """Whether a read shows a state of the row from before each of these writes."""
    judge.left -= 1
    if not wrotes or not read.knows(cell, judge.writes.world.scope_of(cell)):
        return False
    return all(judge.older(cell, read.states.get(cell), wrote) for wrote in wrotes)


def _shown_alone(judge: _Judge, reads: Iterable[_Read]) -> dict[int, list[_Read]]:
    """For writes, by identity, the reads that show what only that write can have left."""
    alone: dict[int, list[_Read]] = {}
    for read in reads:
        for cell, state in read.states.items():
            if state is not None:
                able = judge.able(cell, state)
                if len(able) == 1:
                    alone.setdefault(id(able[0]), []).append(read)
    return alone


_WORDS = {
    "read-your-writes": "the session wrote the row, and later sees it as it was before",
    "monotonic-reads": "the session saw the row, and later sees it as it was before that",
    "monotonic-writes": "the second of two writes of a session shows, and the first does not",
    "writes-follow-reads": "a write shows without what its session had seen before it wrote",
}


def _finding(judge: _Judge, name: str, cell: int, before: list[Act], read: _Read) -> Finding:
    world = judge.writes.world
    state = read.states.get(cell)
    shown = "no such row" if state is None else words.row(world.row_of(state))
    table, user = world.scopes[world.scope_of(cell)]
    return Finding(
        name=name,
        witness=tuple(sorted({*(act.i for act in before), read.act.i})),
        words=(
            f"{words.listing(before)}; then {words.done(read.act)}, with {shown} for row "
            f"{words.value(world.key_of(cell))}: {_WORDS[name]}."
        ),
        table=table,
        user=user or read.act.user,
        key=world.key_of(cell),
    )

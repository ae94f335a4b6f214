"""Live notifications: foreign, twice, out of order, missed.

They are no reads: one may arrive late, so its content is held against the writes, never against the rows of
that moment. What is asked: its write was invoked before; each write is told once; writes are told in their
order, also those of several rows; and a write that was never told, though a later one was, is missed.
Rows that are there already when a subscription begins may come late as well, and then tell of a write too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.finding import Finding
from kalam_props.checks.health import PATIENCE, disturbances
from kalam_props.checks.world import Canonical, canonical_row
from kalam_props.checks.writes import Writes, Wrote
from kalam_props.history.events import CONNECTION_LOST, History, NetFault, Notify
from kalam_props.history.operations import Subscribe, Txn, Unsubscribe

REFERENCE = frozenset({"reference", "kalam_props-reference"})
"""The target that promises every notification, as it calls itself; KalamDB promises at most one."""


@frozen(eq=False)
class _Told:
    """One row of one notification, and the writes that it can be about."""

    t: int
    change: str
    cell: int
    version: int | None
    writes: tuple[Wrote, ...]


@frozen(eq=False)
class _Subscription:
    """`told`: changes with the writes behind them. `seen`: writes that were told in another way."""

    act: Act
    scope: int
    end: int
    over: bool
    told: list[_Told] = field(factory=list)
    seen: list[Wrote] = field(factory=list)


def judge_notifications(history: History, writes: Writes, acts: Sequence[Act]) -> list[Finding]:
    """Judge what every subscription was told."""
    findings: list[Finding] = []
    for subscription in _subscriptions(history, writes, acts):
        for event in history.events:
            if isinstance(event, Notify) and event.of == subscription.act.i:
                findings += _judge_event(writes, subscription, event)
        findings += _twice(writes, subscription)
        findings += _out_of_order(writes, subscription)
        findings += _missed(history, writes, subscription, acts)
        findings += _lost(history, subscription, acts)
    return findings


def _subscriptions(history: History, writes: Writes, acts: Sequence[Act]) -> list[_Subscription]:
    last = history.events[-1].t if history.events else 0
    found = []
    for act in acts:
        if isinstance(act.op, Subscribe):
            ends = [
                other.start
                for other in acts
                if isinstance(other.op, Unsubscribe)
                and other.op.table == act.op.table
                and other.user == act.user
                and other.start >= act.start
            ]
            scope = writes.world.scope(act.op.table, act.user)
            found.append(_Subscription(act, scope, min(ends, default=last), over=bool(ends)))
    return found


def _judge_event(writes: Writes, subscription: _Subscription, event: Notify) -> list[Finding]:
    findings = []
    world = writes.world
    table, _ = world.scopes[subscription.scope]
    key_index = world.tables[table].key_index
    for plain_row in (event.rows if event.change != "delete" else event.old or event.rows) or ():
        row = canonical_row(plain_row)
        cell = world.cell(subscription.scope, row[key_index])
        version = None if event.change == "delete" else world.version(row)
        said = (
            f"The subscription #{subscription.act.i} was told at {words.at(event.t)}: {_what(event.change)} "
        )
        said += words.row(plain_row)
        candidates = _candidates(writes, cell, version, event.change)
        begun = tuple(wrote for wrote in candidates if wrote.act.start <= event.t)
        if not candidates:
            findings.append(_unexplained(writes, subscription, event, cell, version, said))
        elif not begun:
            first = candidates[0].act
            subscription.seen.extend(candidates)
            findings.append(
                _finding(
                    writes,
                    "reordered-notification",
                    subscription,
                    cell,
                    [first],
                    f"{said}, before its write was invoked: {words.done(first)}.",
                )
            )
        elif event.change == "initial":
            subscription.seen.extend(begun)
        else:
            subscription.told.append(_Told(event.t, event.change, cell, version, begun))
    return findings


def _candidates(writes: Writes, cell: int, version: int | None, change: str) -> tuple[Wrote, ...]:
    """The writes of this scope that the notification can be about."""
    row = None if version is None else writes.world.rows[version]
    if change == "delete":
        return tuple(
            wrote for wrote in writes.of(cell) if wrote.kind == "delete" and _affected(wrote.act) != 0
        )
    if change == "insert":
        return tuple(wrote for wrote in writes.of(cell) if wrote.kind == "insert" and wrote.row == row)
    if row is None or version is None or writes.since(cell, version) is None:
        return ()
    if change == "initial":
        return tuple(writes.of(cell))
    return tuple(
        wrote for wrote in writes.of(cell) if _affected(wrote.act) != 0 and _can_update_to(wrote, row)
    )


def _can_update_to(wrote: Wrote, row: tuple[Canonical, ...]) -> bool:
    return wrote.kind == "increment" or (
        wrote.kind == "update" and all(row[at] == item for at, item in wrote.values.items())
    )


def _affected(act: Act) -> int | None:
    return None if act.outcome != "ok" or act.answer is None else act.answer.affected


def _unexplained(
    writes: Writes,
    subscription: _Subscription,
    event: Notify,
    cell: int,
    version: int | None,
    said: str,
) -> Finding:
    world = writes.world
    refused = [
        wrote.act
        for wrote in writes.refused(cell)
        if wrote.act.start <= event.t and _explains(writes, wrote, cell, version, event.change)
    ]
    if refused:
        sentence = f"{said}, which only a refused write explains: {words.listing(refused)}."
        return _finding(writes, "failed-but-visible", subscription, cell, refused[:1], sentence)
    table, user = world.scopes[subscription.scope]
    for scope, (other_table, other_user) in enumerate(world.scopes):
        other = world.known_cell(scope, world.cells[cell][1])
        if other_table != table or other_user == user or other is None:
            continue
        theirs = _candidates(writes, other, version, event.change)
        if theirs:
            sentence = f"{said}. {subscription.act.user} never did; it is what {theirs[0].act.user} did: "
            sentence += f"{words.done(theirs[0].act)}."
            return _finding(writes, "foreign-notification", subscription, cell, [theirs[0].act], sentence)
    sentence = f"{said}, and nobody ever wrote that."
    return _finding(writes, "foreign-notification", subscription, cell, [], sentence)


def _explains(writes: Writes, wrote: Wrote, cell: int, version: int | None, change: str) -> bool:
    """Whether a refused write, had it been done, can be what was told."""
    if version is None:
        return wrote.kind == change
    if writes.since_if_done(cell, version) is None:
        return False
    row = writes.world.rows[version]
    return (
        change == "initial"
        or (change == wrote.kind == "insert" and wrote.row == row)
        or (change == "update" and _can_update_to(wrote, row))
    )


def _twice(writes: Writes, subscription: _Subscription) -> list[Finding]:
    """More notifications of one content than writes that can have given it."""
    findings = []
    alike: dict[tuple[int, str, int | None], list[_Told]] = {}
    for told in subscription.told:
        alike.setdefault((told.cell, told.change, told.version), []).append(told)
    for (cell, change, version), several in alike.items():
        able = _candidates(writes, cell, version, change)
        if len(several) > sum(wrote.act.times for wrote in able):
            key = words.value(writes.world.key_of(cell))
            times = words.some(words.at(told.t) for told in several)
            sentence = (
                f"The subscription #{subscription.act.i} was told {len(several)} times ({times}): "
                f"{_what(change)} row {key}, which happened at most {len(able)} times: "
                f"{words.listing([wrote.act for wrote in able])}."
            )
            acts = [wrote.act for wrote in able]
            findings.append(_finding(writes, "duplicate-notification", subscription, cell, acts, sentence))
    return findings


def _out_of_order(writes: Writes, subscription: _Subscription) -> list[Finding]:
    """Two writes, the second begun after the first was over, told the other way round.

    Of any rows of the table: what KalamDB documents is order for one user and table.
    """
    before: _Told | None = None
    told_already: set[int] = set()
    findings = []
    for told in subscription.told:
        if len(told.writes) != 1 or id(told.writes[0]) in told_already:
            continue
        told_already.add(id(told.writes[0]))
        act = told.writes[0].act
        if before is not None and act.end is not None and act.end < before.writes[0].act.start:
            sentence = (
                f"The subscription #{subscription.act.i} was told of {words.done(before.writes[0].act)} at "
                f"{words.at(before.t)} and only at {words.at(told.t)} of {words.done(act)}, "
                "which was over before the other began."
            )
            acts = [act, before.writes[0].act]
            findings.append(
                _finding(writes, "reordered-notification", subscription, told.cell, acts, sentence)
            )
        if before is None or act.start > before.writes[0].act.start:
            before = told
    return findings


def _missed(
    history: History, writes: Writes, subscription: _Subscription, acts: Sequence[Act]
) -> list[Finding]:
    act = subscription.act
    if act.outcome != "ok" or act.returned is None:
        return []
    broken = any(isinstance(event, NetFault) and event.of == act.i for event in history.events)
    down = disturbances(history.events, acts)
    if broken or any(
        first <= subscription.end and (last is None or last >= act.start) for first, last in down
    ):
        return []  # the connection was not there all the time
    told = {id(wrote) for one in subscription.told for wrote in one.writes}
    told |= {id(wrote) for wrote in subscription.seen}
    sure = [one for one in subscription.told if len(one.writes) == 1]
    findings = []
    for cell, wrotes in writes.by_cell.items():
        if writes.world.scope_of(cell) != subscription.scope:
            continue
        for wrote in wrotes:
            if id(wrote) in told or not _must_be_told(writes, cell, wrote):
                continue
            end = wrote.act.end
            if end is None or wrote.act.start <= act.returned or end > subscription.end - subscription.over:
                continue
            findings.append(_missed_one(history, writes, subscription, cell, wrote.act, sure))
    return findings


def _lost(history: History, subscription: _Subscription, acts: Sequence[Act]) -> list[Finding]:
    """A connection that ended by itself. Told, and held against nobody: its client may have ended it."""
    down = disturbances(history.events, acts)
    return [
        Finding(
            name="server-error",
            witness=(subscription.act.i,),
            words=f"The subscription #{subscription.act.i} ended by itself: {event.what}.",
            table=getattr(subscription.act.op, "table", None),
            user=subscription.act.user,
            certain=False,
        )
        for event in history.events
        if isinstance(event, NetFault)
        and event.of == subscription.act.i
        and event.what.startswith(CONNECTION_LOST)
        and not any(first <= event.t for first, _ in down)
    ]


def _missed_one(
    history: History,
    writes: Writes,
    subscription: _Subscription,
    cell: int,
    act: Act,
    sure: Iterable[_Told],
) -> Finding:
    end = act.end or act.start
    overtaken = next((one for one in sure if one.writes[0].act.start > end), None)
    acts = [act] if overtaken is None else [act, overtaken.writes[0].act]
    sentence = f"The subscription #{subscription.act.i} was never told of {words.done(act)}"
    if overtaken is not None:
        sentence += f", though it was told of the later {words.done(overtaken.writes[0].act)}"
    else:
        sentence += f", in {(subscription.end - end) / 1e9:.3f} s"
    promised = history.header.target.name in REFERENCE
    proven = overtaken is not None or subscription.end - end >= PATIENCE
    return _finding(
        writes, "missed-notification", subscription, cell, acts, sentence + ".", certain=promised and proven
    )


def _must_be_told(writes: Writes, cell: int, wrote: Wrote) -> bool:
    """Whether a write certainly changed its row: a server says nothing of an update that changes nothing."""
    if wrote.refused or wrote.act.outcome != "ok":
        return False
    if wrote.kind == "insert":
        return True
    if _affected(wrote.act) != 1 or isinstance(wrote.act.op, Txn):  # a transaction's answer sums up
        return False
    if wrote.kind == "delete":
        return True
    return wrote.kind == "update" and any(
        not any(_gave(other, column, item) for other in writes.by_cell[cell] if other is not wrote)
        for column, item in wrote.values.items()
    )


def _gave(wrote: Wrote, column: int, item: object) -> bool:
    if wrote.kind == "increment":
        return column in wrote.values
    return wrote.row[column] == item if wrote.row is not None else wrote.values.get(column, _NEVER) == item


_NEVER = object()


def _what(change: str) -> str:
    return {"insert": "inserted", "update": "updated to", "delete": "deleted", "initial": "already there"}[
        change
    ]


def _finding(
    writes: Writes,
    name: str,
    subscription: _Subscription,
    cell: int,
    acts: Iterable[Act],
    sentence: str,
    *,
    certain: bool = True,
) -> Finding:
    table, user = writes.world.scopes[subscription.scope]
    return Finding(
        name=name,
        witness=tuple(sorted({subscription.act.i, *(act.i for act in acts)})),
        words=sentence,
        table=table,
        user=user or subscription.act.user,
        key=writes.world.key_of(cell),
        certain=certain,
    )

"""Row by row: each cell is a register of its own. What is wrong there gets its name and its proof.

The search over orders says at which operation a cell's history cannot go on; what that operation could have
answered instead, and what other reads of the row show, say what to call it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve, field, frozen

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.calls import NOTHING, Group, within
from kalam_props.checks.contents import Contents
from kalam_props.checks.finding import Finding
from kalam_props.checks.orders import DONE, Call, find_order
from kalam_props.checks.parts import Change, Look, Part, Put, Remove, Scan, Sequence, Size, Taken
from kalam_props.checks.witness import minimise
from kalam_props.checks.world import World
from kalam_props.checks.writes import Writes
from kalam_props.history.operations import Increment, Update

_PER_CELL = 40
"""Operations of one cell that are accused at most: the first tells what, the last whether it is for good."""


_MANY = 6
"""Writes that a witness lists at most where all of them belong to it."""


_MOST_VERSIONS = 200
"""Contents of a row that are tried; increments alone can make endlessly many."""

_LOST_AT_MOST = 16
"""Changes that are left open, the last ones, to see whether their loss explains a value: each costs time."""


@frozen(eq=False)
class Evidence:
    """What the naming of an anomaly looks up."""

    world: World
    writes: Writes
    contents: Contents
    acts: dict[int, Act]
    crashes: tuple[int, ...]
    """Instants at which the server was killed or died."""


@frozen(eq=False)
class RowVerdicts:
    """What the cells of a group say one by one."""

    findings: list[Finding] = field(factory=list)
    condemned: set[int] = field(factory=set)
    undecided: set[int] = field(factory=set)


@frozen(eq=False)
class _Accused:
    """An operation that no order of its cell can place, and what it could have answered."""

    act: Act
    call: Call
    shown: int | None
    legal: tuple[int | None, ...]
    before: list[Call]


def judge_rows(evidence: Evidence, group: Group) -> RowVerdicts:
    """Judge every cell of a group by itself."""
    verdicts = RowVerdicts()
    for cell, calls in by_cell(evidence.world, group).items():
        accused = _accused(evidence.world, cell, calls, evidence.acts)
        if accused is None:
            verdicts.undecided.add(cell)
        elif accused:
            verdicts.condemned.add(cell)
            verdicts.findings.extend(_findings(evidence, cell, accused, _last_read(calls)))
    return verdicts


def _last_read(calls: Iterable[Call]) -> int:
    """The read of a cell that was invoked last."""
    return max((call for call in calls if _reads(call)), key=lambda call: call.start, default=_NONE).i


_NONE = Call(-1, 0, None, ())


def by_cell(world: World, group: Group) -> dict[int, list[Call]]:
    """The history of each cell that was written or seen."""
    cells: dict[int, list[Call]] = {}
    scans: list[tuple[Call, Scan]] = []
    for call in group.calls:
        touched: set[int] = set()
        for stage in call.options:
            for part, _ in stage:
                if isinstance(part, Scan):
                    scans.append((call, part))
                    touched |= part.seen.keys()
                elif not isinstance(part, Size):
                    touched |= part.cells or set()
        for cell in sorted(touched):
            cells.setdefault(cell, [])
    only = {cell: frozenset((cell,)) for cell in cells}
    for call in group.calls:
        for cell in _touched(world, call, cells):
            projected = _within_cell(call, only[cell])
            if projected is not None:
                cells[cell].append(projected)
    return cells


def _touched(world: World, call: Call, cells: Iterable[int]) -> Iterable[int]:
    touched: set[int] = set()
    for stage in call.options:
        for part, _ in stage:
            if isinstance(part, Scan):
                return [cell for cell in cells if world.scope_of(cell) == part.scope]
            if part.cells is not None:
                touched |= part.cells
            elif not isinstance(part, Size):
                return cells
    return touched


def _within_cell(call: Call, cell: frozenset[int]) -> Call | None:
    projected = within([call], cell)
    return projected[0] if projected else None


def _accused(world: World, cell: int, calls: list[Call], acts: dict[int, Act]) -> list[_Accused] | None:
    """The operations that the cell's history trips over, one after the other; None: could not be decided."""
    accused: list[_Accused] = []
    calls = list(calls)
    while len(accused) < _PER_CELL:
        found = find_order(world, calls)
        if found.verdict == "unknown":
            return accused or None
        if found.stuck is None:
            return accused
        call = calls[found.stuck]
        before = [other for other in calls if call.end is None or other.start <= call.end]
        legal = _legal_versions(world, cell, before, call)
        accused.append(_Accused(acts[call.i], call, _shown(call, cell), legal, before))
        without_claim = excused(call)
        if without_claim is None:
            return accused
        calls[found.stuck] = without_claim
    return accused


def _shown(call: Call, cell: int) -> int | None:
    part = call.options[0][0][0]
    return part.claims.get(cell) if isinstance(part, Look) else None


def _legal_versions(world: World, cell: int, calls: list[Call], accused: Call) -> tuple[int | None, ...]:
    """What a read in the place of the accused operation could have shown."""
    legal: list[int | None] = []
    for version in (None, *_versions(calls)):
        probe = Call(accused.i, accused.start, accused.end, (((Look({cell: version}), DONE),),))
        candidate = [probe if call is accused else call for call in calls]
        found = find_order(world, candidate)
        if found.verdict == "holds" or (found.stuck is not None and candidate[found.stuck] is not probe):
            legal.append(version)
    return tuple(legal)


def _versions(calls: Iterable[Call]) -> list[int]:
    """Contents that some order of the writes can give the cell: those of few changes, and those of all.

    Not every one where there are many: each change may come at any time, and what is asked is what was shown.
    """
    parts = [part for call in calls for part in _parts(call)]
    puts = [version for part in parts if isinstance(part, Put) for _, version in part.pairs]
    changes = [part.change for part in parts if isinstance(part, Change)]
    found = dict.fromkeys(puts)
    for version in puts:
        for change in changes:
            version = change(version)  # noqa: PLW2901 - one after the other, as they were invoked
            found[version] = None
    edge = deque(found)
    while edge and len(found) < _MOST_VERSIONS:
        version = edge.popleft()
        for change in changes:
            new = change(version)
            if new not in found:
                found[new] = None
                edge.append(new)
    return sorted(found)


def _parts(call: Call) -> Iterator[Part]:
    """What a call can do, those of a transaction one by one."""
    for stage in call.options:
        for part, _ in stage:
            yield from part.parts if isinstance(part, Sequence) else (part,)


def excused(call: Call) -> Call | None:
    """The call without the claims that it was accused for; None when it has none that can be left out.

    What it wrote stays written, also in a transaction: else what others saw of that would accuse them.
    """
    parts = [part for stage in call.options for part, _ in stage]
    if any(isinstance(part, Put) for part in parts) or not any(map(_claims, parts)):
        return None
    stages = tuple(tuple((_unclaimed(part), after) for part, after in stage) for stage in call.options)
    return Call(call.i, call.start, call.end, stages, required=call.required)


def _claims(part: Part) -> bool:
    if isinstance(part, Sequence):
        return part.snapshot or any(map(_claims, part.parts))
    if isinstance(part, (Change, Remove)):
        return part.affected is not None
    return part is not NOTHING and not isinstance(part, Put)


def _unclaimed(part: Part) -> Part:
    match part:
        case Change():
            return Change(part.cell, part.change, None)
        case Remove():
            return Remove(part.cell, None)
        case Sequence(snapshot=False):
            return evolve(part, parts=tuple(map(_unclaimed, part.parts)))
        case Put():
            return part
        case _:
            return NOTHING


def _findings(evidence: Evidence, cell: int, accused: list[_Accused], last_read: int) -> list[Finding]:
    bad = {one.act.i for one in accused}
    findings: list[Finding] = []
    told: set[str] = set()
    for one in accused:
        name, others, why = _name(evidence, cell, one, bad)
        if name in told:
            continue
        told.add(name)
        witness = minimise(evidence.world, one.before, one.call.i, None)
        proves = sorted({*witness.proves, *(other.i for other in others)})
        table, user = evidence.world.scopes[evidence.world.scope_of(cell)]
        findings.append(
            Finding(
                name=name,
                witness=tuple(proves),
                words=_words(evidence, cell, one, [evidence.acts[i] for i in proves], why),
                table=table,
                user=user or one.act.user,
                key=evidence.world.key_of(cell),
                quiescent=name != "resurrected-row" or last_read in bad,
            )
        )
    return findings


def _name(evidence: Evidence, cell: int, one: _Accused, bad: set[int]) -> tuple[str, list[Act], str]:
    """The anomaly's name, the other reads that justify the name, and why it is this one."""
    part = one.call.options[0][0][0]
    if isinstance(part, Put):
        return "wrongly-accepted", [], "a key that is there cannot be inserted again"
    if isinstance(part, (Change, Remove)):
        return "wrong-affected", [], "the rows that it says it changed do not fit the row's state"
    if isinstance(part, Taken) or one.act.outcome == "fail":
        return "wrongly-refused", [], "the refusal does not fit the row's state"
    if one.shown is None:
        return _name_of_missing(evidence, cell, one, bad)
    if all(version is None for version in one.legal):
        unexpected = _name_of_unexpected(evidence, cell, one)
        if unexpected is not None:
            return unexpected
    return _name_of_wrong_value(evidence, cell, one, bad)


def _name_of_missing(
    evidence: Evidence, cell: int, one: _Accused, bad: set[int]
) -> tuple[str, list[Act], str]:
    act = one.act
    again = [
        wrote
        for wrote in evidence.writes.of(cell)
        if wrote.kind == "insert" and (wrote.act.end is None or wrote.act.end >= act.start)
    ]
    deletes = [wrote for wrote in evidence.writes.of(cell) if wrote.kind == "delete"]
    good = [
        (read, version)
        for read, version in evidence.contents.sightings.get(cell, ())
        if read.i not in bad and read.end is not None
    ]
    later = [
        read
        for read, version in good
        if act.end is not None and read.start > act.end and (version in one.legal or not again)
    ]
    earlier = [
        read
        for read, version in good
        if read.end is not None
        and read.end < act.start
        and (version in one.legal or not any(d.act.end is None or d.act.end >= read.start for d in deletes))
    ]
    since = max([_certain_from(one), *(read.start for read in earlier)])
    if later:
        gap = f"{words.at(later[0].start)} it was there again (#{later[0].i})"
        if earlier:
            return "flickering-row", [earlier[-1], later[0]], f"#{earlier[-1].i} had seen it, and at {gap}"
        lag = (
            f"it was there by {words.at(since)}, so this is stale by at least {words.span(act.start - since)}"
        )
        return "stale-read", [later[0]], f"{lag}; at {gap}" if since else f"at {gap}"
    if any(since < crash <= (act.end or act.start) for crash in evidence.crashes):
        return (
            "lost-after-crash",
            earlier[-1:],
            "the server was killed in between, and no later read shows it",
        )
    refused = [
        wrote.act
        for wrote in evidence.writes.refused(cell)
        if wrote.kind == "delete"
        and (act.end is None or wrote.act.start <= act.end)
        and not any(wrote.act.end is None or read.start > wrote.act.end for read in earlier)
    ]
    if refused:
        return "failed-but-visible", refused[:1], "only a delete that was refused would explain it"
    seen = f"#{earlier[-1].i} had seen it as late as {words.at(earlier[-1].start)}; " if earlier else ""
    return "lost-row", earlier[-1:], f"{seen}from {words.at(act.start)} on no read shows it"


def _reads(call: Call) -> bool:
    return all(part.pure for stage in call.options for part, _ in stage)


def _certain_from(one: _Accused) -> int:
    """When the last insert that the accused read should have seen was over, at the latest."""
    ends = [
        call.end
        for call in one.before
        if call.end is not None
        and call.end < one.act.start
        and any(isinstance(part, Put) for stage in call.options for part, _ in stage)
    ]
    return max(ends, default=0)


def _name_of_unexpected(evidence: Evidence, cell: int, one: _Accused) -> tuple[str, list[Act], str] | None:
    deletes = [
        wrote
        for wrote in evidence.writes.of(cell)
        if wrote.kind == "delete" and wrote.act.end is not None and wrote.act.end < one.act.start
    ]
    if deletes:
        return "resurrected-row", [], "it was deleted, and no later insert can have brought it back"
    if _was_ever_there(evidence.world, one):
        return None  # an old version
    return "phantom-row", [], "no insert can have taken effect by then"


def _name_of_wrong_value(
    evidence: Evidence, cell: int, one: _Accused, bad: set[int]
) -> tuple[str, list[Act], str]:
    if not _was_ever_there(evidence.world, one):
        lost = _lost_changes(evidence, one)
        if lost:
            without = words.some(f"#{act.i}" for act in lost)
            why = f"no order of its writes gives the row these values, but one of those without {without}"
            return "lost-update", lost, why
        if lost is not None:
            return "lost-update", [], "a change of the row that another read saw was undone"
        written = [evidence.acts[i] for i in dict.fromkeys(call.i for call in one.before if not _reads(call))]
        return "corrupt-row", written[-_MANY:], "no order of its writes gives the row these values"
    act = one.act
    later = [
        read
        for read, _ in evidence.contents.sightings.get(cell, ())
        if act.end is not None and read.start > act.end
    ]
    if later and later[-1].i not in bad:
        return (
            "stale-value",
            [later[-1]],
            f"that was an older version; #{later[-1].i} shows a right one again",
        )
    after = [wrote.act for wrote in evidence.writes.of(cell) if wrote.act.start > act.start]
    if after and not later:
        return (
            "stale-value",
            [],
            f"that was an older version; nothing read the row again before #{after[0].i}",
        )
    return "lost-update", [], "that is an older version, and no later read shows a right one"


def _lost_changes(evidence: Evidence, one: _Accused) -> list[Act] | None:
    """Changes that were acknowledged, and without which the row is as it was shown; none that is not needed.

    An empty list: all of them in some order give it, but in none that other reads allow. None: nothing does.

    With all of them left open, an order that has the row so is looked for; then with one after the other, the
    first one first, required again unless that leaves no such order. Other reads say nothing of that: they
    may have seen a change that another one then undid.
    """
    one = evolve(one, before=[call for call in one.before if call is one.call or not _reads(call)])
    done = [
        call
        for call in one.before
        if call.end is not None
        and call.end < one.call.start
        and isinstance(evidence.acts[call.i].op, (Increment, Update))
        and evidence.acts[call.i].outcome == "ok"
    ]
    lost = {call.i: evolve(call, required=False) for call in done[-_LOST_AT_MOST:]}
    if not _has_been_there(evidence.world, one, lost):
        return None
    for i in list(lost):
        others = {other: call for other, call in lost.items() if other != i}
        if _has_been_there(evidence.world, one, others):
            lost = others
    return [evidence.acts[i] for i in lost]


def _has_been_there(world: World, one: _Accused, left_open: Mapping[int, Call]) -> bool:
    """Whether an order, in which some calls may have had no effect, gives the row what was shown."""
    before = [left_open.get(call.i, call) for call in one.before]
    return _when_shown(world, evolve(one, before=before)) is True


def _was_ever_there(world: World, one: _Accused) -> bool:
    """Whether some order of the writes gives the row what was shown, at any time before the read was over."""
    return _when_shown(world, one) is not False


def _when_shown(world: World, one: _Accused) -> bool | None:
    """Whether there is such an order; None: it could not be decided."""
    if one.shown not in _versions(one.before):
        return False
    earlier = evolve(one.call, start=0)
    calls = [earlier if call is one.call else call for call in one.before]
    found = find_order(world, calls)
    if found.verdict == "unknown":
        return None
    return found.stuck is None or calls[found.stuck] is not earlier


def _words(evidence: Evidence, cell: int, one: _Accused, proof: list[Act], why: str) -> str:
    world = evidence.world
    key = words.value(world.key_of(cell))
    expected = words.some(
        "no row" if version is None else words.row(world.row_of(version)) for version in one.legal
    )
    others = [act for act in proof if act.i != one.act.i]
    base = f" Given {words.listing(others)}:" if others else ""
    part = one.call.options[0][0][0]
    if isinstance(part, Look) and one.act.outcome == "ok":
        shown = "no such row" if one.shown is None else words.row(world.row_of(one.shown))
        what = f"shows {shown} for row {key}; every legal order of these operations has {expected} there"
    else:
        what = f"cannot be right: every legal order of these operations has {expected} for row {key} then"
    return f"{words.done(one.act)}.{base} #{one.act.i} {what}; {why}."

"""What reads show, row by row: rows that no order of the writes can explain, whatever the times.

Foreign rows, rows that nobody wrote, values that nobody wrote, rows of refused writes, keys shown twice. What
is condemned here is taken out of the read, so that the search over orders judges the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.finding import Finding
from kalam_props.checks.parts import Look, Part, Scan, Size
from kalam_props.checks.world import Canonical, World, canonical, canonical_row
from kalam_props.checks.writes import Writes, Wrote
from kalam_props.history.events import Ok
from kalam_props.history.operations import Count, Get, Operation, Row, Select, Txn

_MANY = 6
"""Writes that a witness lists at most where all of a row's belong to it."""


@frozen(eq=False)
class Contents:
    """What the reads of a history claim, and what is wrong with them by themselves."""

    claims: dict[int, Part] = field(factory=dict)
    """By invocation: what the answer of a read claims."""
    inner: dict[int, tuple[Part | None, ...]] = field(factory=dict)
    """By invocation of a transaction: what the answer of each of its operations claims."""
    sightings: dict[int, list[tuple[Act, int]]] = field(factory=dict)
    """By cell: the reads that showed it, with the version shown."""
    findings: list[Finding] = field(factory=list)


@frozen(eq=False)
class _Shown:
    """The cells that one answer shows."""

    seen: dict[int, int] = field(factory=dict)
    besides: set[int] = field(factory=set)


def read_contents(writes: Writes, acts: list[Act]) -> Contents:
    """Judge what every answered read shows, and say what it claims."""
    contents = Contents()
    for act in acts:
        answer = act.answer
        if act.outcome != "ok" or answer is None:
            continue
        if isinstance(act.op, Txn):
            results = answer.results or ()
            if len(results) == len(act.op.ops):  # some servers sum up: then no answer belongs to an operation
                contents.inner[act.i] = tuple(
                    _inner_claim(writes, act, op, result, contents)
                    for op, result in zip(act.op.ops, results, strict=True)
                )
            continue
        claim = _claim(writes, act, act.op, answer, contents)
        if claim is not None:
            contents.claims[act.i] = claim
    return contents


def _inner_claim(
    writes: Writes, act: Act, op: Operation, result: dict[str, object], contents: Contents
) -> Part | None:
    if not isinstance(op, (Select, Get, Count)):
        return None
    rows, count = result.get("rows"), result.get("count")
    shown = rows if isinstance(rows, (list, tuple)) else None  # from a file, or from the run itself
    width = len(writes.world.tables[op.table].columns)
    answer = Ok(
        i=act.i,
        t=act.invoked,
        of=act.i,
        rows=None if shown is None else tuple(tuple(row) for row in shown if len(row) == width),
        count=count if isinstance(count, int) else None,
        complete=result.get("complete") is not False,
    )
    return _claim(writes, act, op, answer, contents)


def _claim(writes: Writes, act: Act, op: Operation, answer: Ok, contents: Contents) -> Part | None:
    if isinstance(op, Count) and answer.count is not None:
        return Size(writes.world.scope(op.table, act.user), answer.count, writes.world)
    if not isinstance(op, (Select, Get)) or answer.rows is None:
        return None
    scope = writes.world.scope(op.table, act.user)
    shown = _shown(writes, act, op, scope, answer.rows, contents.findings)
    for cell, version in shown.seen.items():
        contents.sightings.setdefault(cell, []).append((act, version))
    complete = answer.complete
    if isinstance(op, Select) and op.where is not None:
        complete = complete and len(answer.rows) < op.where.limit
    return _part(writes.world, op, scope, shown, complete=complete)


def _part(world: World, op: Select | Get, scope: int, shown: _Shown, *, complete: bool) -> Part | None:
    if isinstance(op, Get):
        cell = world.cell(scope, canonical(op.key))
        if cell in shown.besides or (not complete and cell not in shown.seen):
            return None
        return Look({cell: shown.seen.get(cell)})
    if not complete:
        return Look(shown.seen) if shown.seen else None
    if op.where is None:
        return Scan(scope, shown.seen, frozenset(shown.besides), world)
    inside = [
        cell
        for cell, (home, key) in enumerate(world.cells)
        if home == scope and cell not in shown.besides and _after(key, op.where.after)
    ]
    return Look({cell: shown.seen.get(cell) for cell in inside}) if inside else None


def _after(key: Canonical, after: object) -> bool:
    """Whether a page that begins after `after` holds `key`; None is where the first page begins."""
    if after is None:
        return True
    try:
        return bool(key > after)  # type: ignore[operator]
    except TypeError:  # keys that do not compare: nothing is claimed about them
        return False


def _shown(
    writes: Writes,
    act: Act,
    op: Select | Get,
    scope: int,
    rows: tuple[Row, ...],
    findings: list[Finding],
) -> _Shown:
    world = writes.world
    key_index = world.tables[op.table].key_index
    shown = _Shown()
    for plain_row in rows:
        row = canonical_row(plain_row)
        cell, version = world.cell(scope, row[key_index]), world.version(row)
        if not _asked_for(op, row[key_index]):
            shown.besides.add(cell)
            if isinstance(op, Get):
                shown.besides.add(world.cell(scope, canonical(op.key)))
            findings.append(_not_asked_for(world, act, op, cell, version))
            continue
        since = writes.since(cell, version)
        explained = since is not None and (act.end is None or since <= act.end)
        if not explained:
            shown.besides.add(cell)
            findings.append(_unexplained(writes, act, cell, version))
        elif cell in shown.seen:
            shown.besides.add(cell)
            findings.append(_twice(world, act, cell, shown.seen[cell], version))
        else:
            shown.seen[cell] = version
    for cell in shown.besides:
        shown.seen.pop(cell, None)
    return shown


def _asked_for(op: Select | Get, key: Canonical) -> bool:
    if isinstance(op, Get):
        return key == canonical(op.key)
    if op.where is None or op.where.after is None:
        return True
    try:
        return bool(key > op.where.after)  # type: ignore[operator]
    except TypeError:  # no order that both sides know
        return True


def _finding(world: World, name: str, act: Act, cell: int, sentence: str, others: list[Act]) -> Finding:
    table, user = world.scopes[world.scope_of(cell)]
    witness = sorted({act.i, *(other.i for other in others)})
    return Finding(
        name=name,
        witness=tuple(witness),
        words=sentence,
        table=table,
        user=user or act.user,
        key=world.key_of(cell),
    )


def _not_asked_for(world: World, act: Act, op: Select | Get, cell: int, version: int) -> Finding:
    asked = (
        f"row {words.value(op.key)}"
        if isinstance(op, Get)
        else f"rows after {words.value(op.where.after)}"
        if op.where is not None
        else "all rows"
    )
    shown = words.row(world.row_of(version))
    sentence = f"#{act.i} ({act.p}) asked for {asked} and was shown {shown}, which is not among them."
    return _finding(world, "corrupt-row", act, cell, sentence, [])


def _twice(world: World, act: Act, cell: int, first: int, second: int) -> Finding:
    key = words.value(world.key_of(cell))
    if first == second:
        what = f"row {key} twice: {words.row(world.row_of(first))}"
    else:
        what = (
            f"row {key} in two versions: {words.row(world.row_of(first))} and "
            f"{words.row(world.row_of(second))}"
        )
    sentence = f"One answer, that of #{act.i} ({act.p}), shows {what}. A key names one row at most."
    return _finding(world, "duplicate-row", act, cell, sentence, [])


def _unexplained(writes: Writes, act: Act, cell: int, version: int) -> Finding:
    """Name a row that no write of its own scope can have given."""
    world = writes.world
    shown = f"#{act.i} ({act.p}) shows {words.row(world.row_of(version))}"
    foreign = _foreign_writer(writes, act, cell, version)
    if foreign is not None:
        sentence = (
            f"{shown}, but nothing that {act.user} did can have written it: it is what "
            f"{foreign.act.user} wrote with {words.done(foreign.act)}. "
            "Rows of a user table belong to their user."
        )
        return _finding(world, "foreign-row", act, cell, sentence, [foreign.act])
    since = writes.since_if_done(cell, version)
    if since is not None and (act.end is None or since <= act.end) and writes.refused(cell):
        refused = [wrote.act for wrote in writes.refused(cell) if _gives(wrote, world.rows[version])]
        sentence = f"{shown}, which only a refused write explains: {words.listing(refused)}."
        return _finding(world, "failed-but-visible", act, cell, sentence, refused)
    inserts = [
        wrote.act
        for wrote in writes.of(cell)
        if wrote.kind == "insert" and (act.end is None or wrote.act.start <= act.end)
    ]
    if not inserts:
        return _phantom(writes, act, cell, version, shown)
    wrote_it = [wrote.act for wrote in writes.of(cell) if act.end is None or wrote.act.start <= act.end]
    several = wrote_it[-_MANY:]
    sentence = f"{shown}, {_corruption(writes, cell, version)}. Its writes: {words.listing(several)}."
    return _finding(world, "corrupt-row", act, cell, sentence, several)


def _phantom(writes: Writes, act: Act, cell: int, version: int, shown: str) -> Finding:
    """Name a row that nobody had inserted by then: where else it is, or what inserted the key later."""
    world = writes.world
    later = [wrote for wrote in writes.of(cell) if wrote.kind == "insert"]
    same = [wrote for wrote in later if _gives(wrote, world.rows[version])]
    elsewhere = None if same else _writer_elsewhere(writes, act, cell, version)
    if elsewhere is not None:
        others = [elsewhere]
        why = f"but nobody wrote it there; the same row is that of another table: {words.done(elsewhere)}"
    elif later:
        others = [(same or later)[0].act]
        why = f"but that row was only inserted later: {words.done(others[0])}"
    else:
        others = []
        why = "but nobody wrote it"
    return _finding(world, "phantom-row", act, cell, f"{shown}, {why}.", others)


def _writer_elsewhere(writes: Writes, act: Act, cell: int, version: int) -> Act | None:
    """What wrote a text of a row to another table, one that is gone perhaps, where all of it can have been.

    Of this user's writes, or else of all, the first. Numbers alone tell nobody where they come from.
    """
    world = writes.world
    table, user = world.scopes[world.scope_of(cell)]
    shape, row = world.tables[table], world.rows[version]
    texts = {
        column: item
        for column, item in enumerate(row)
        if column != shape.key_index and isinstance(item, str) and item
    }
    found: list[tuple[bool, int, Act]] = []
    for scope, (other_table, other_user) in enumerate(world.scopes):
        other = world.known_cell(scope, world.key_of(cell))
        alike = world.tables[other_table].columns == shape.columns
        if other is None or other_table == table or not alike:
            continue
        since = writes.since(other, version)
        if since is not None and (act.end is None or since <= act.end):
            found += [
                (other_user != user, wrote.act.start, wrote.act)
                for wrote in writes.of(other)
                if any(_given(wrote, column) == item for column, item in texts.items())
            ]
    return min(found, key=lambda one: one[:2])[2] if found else None


def _given(wrote: Wrote, column: int) -> Canonical:
    """What a write gave a column, if it did."""
    return wrote.row[column] if wrote.row is not None else wrote.values.get(column)


def _corruption(writes: Writes, cell: int, version: int) -> str:
    world = writes.world
    row = world.rows[version]
    scope = world.scope_of(cell)
    for other, wrotes in writes.by_cell.items():
        if other == cell or world.scope_of(other) != scope:
            continue
        for wrote in wrotes:
            if any(isinstance(item, str) and item and item in row for item in _values(wrote)):
                return (
                    f"but row {words.value(world.key_of(cell))} never had that value: it was written to row "
                    f"{words.value(world.key_of(other))} by {words.done(wrote.act)}"
                )
    return f"but no write ever gave row {words.value(world.key_of(cell))} those values"


def _foreign_writer(writes: Writes, act: Act, cell: int, version: int) -> Wrote | None:
    """A write of another user that explains the row, or all of it that this user's writes do not."""
    world = writes.world
    row = world.rows[version]
    table, user = world.scopes[world.scope_of(cell)]
    if user is None:
        return None
    for other_scope, (other_table, other_user) in enumerate(world.scopes):
        if other_table != table or other_user == user:
            continue
        other = world.known_cell(other_scope, world.cells[cell][1])
        if other is None:
            continue
        since = writes.since(other, version)
        if since is not None and (act.end is None or since <= act.end):
            # An increment may have led to any row that was inserted; it alone tells nobody whose row it is.
            wrotes = sorted(writes.of(other), key=lambda wrote: wrote.kind == "increment")
            return next((wrote for wrote in wrotes if _gives(wrote, row)), wrotes[0])
    own = {item for wrote in writes.of(cell) for item in _values(wrote)} | {world.cells[cell][1]}
    strange = [item for item in row if isinstance(item, str) and item and item not in own]
    for item in strange:
        for other, wrote in _all(writes):
            other_table, other_user = world.scopes[world.scope_of(other)]
            if other_table == table and other_user != user and item in _values(wrote) and not wrote.refused:
                return wrote
    return None


def _all(writes: Writes) -> Iterator[tuple[int, Wrote]]:
    for cell, wrotes in writes.by_cell.items():
        for wrote in wrotes:
            yield cell, wrote


def _values(wrote: Wrote) -> tuple[Canonical, ...]:
    return wrote.row if wrote.row is not None else tuple(wrote.values.values())


def _gives(wrote: Wrote, row: tuple[Canonical, ...]) -> bool:
    """Whether a write left some of its values in this row."""
    if wrote.row is not None:
        return wrote.row == row or any(
            isinstance(mine, str) and mine == theirs for mine, theirs in zip(wrote.row, row, strict=True)
        )
    if wrote.kind == "increment":
        return True
    return any(row[column] == item for column, item in wrote.values.items())

"""Operations as the search over orders wants them, in groups that can be judged apart.

Scopes share no rows, so each is an object of its own (linearizability is local: Herlihy & Wing, 1990), unless
a transaction binds several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from kalam_props.checks.acts import Act, certainly_nothing_done
from kalam_props.checks.contents import Contents
from kalam_props.checks.orders import DONE, Call, Options
from kalam_props.checks.parts import Change, Look, Part, Put, Remove, Taken
from kalam_props.checks.parts import Sequence as Transaction
from kalam_props.checks.world import Canonical, World, canonical, canonical_row
from kalam_props.checks.writes import Writes, statements_of
from kalam_props.history.operations import Delete, Get, Increment, Insert, Operation, Row, Txn, Update, parts


@frozen(eq=False)
class Group:
    """Scopes that have to be judged together, and the operations on them in order of invocation.

    `unsupported`: why this group cannot be judged, or None.
    """

    scopes: tuple[int, ...]
    calls: list[Call] = field(factory=list)
    unsupported: str | None = None


_RowChange: TypeAlias = Callable[[tuple[Canonical, ...]], tuple[Canonical, ...]]


class UnsupportedError(Exception):
    """An operation whose effect this model does not know."""


def group_calls(writes: Writes, acts: Sequence[Act], contents: Contents) -> list[Group]:
    """The operations of every group of scopes."""
    world = writes.world
    touched = {act.i: _scopes(world, act) for act in acts}
    leader = _bind([scopes for scopes in touched.values() if len(scopes) > 1], len(world.scopes))
    members: dict[int, list[int]] = {}
    for scope, first in enumerate(leader):
        members.setdefault(first, []).append(scope)
    groups = {first: Group(tuple(scopes)) for first, scopes in members.items()}
    for act in acts:
        if not touched[act.i]:
            continue
        first = leader[min(touched[act.i])]
        try:
            groups[first].calls.extend(_calls(writes, act, contents))
        except UnsupportedError as error:
            groups[first] = evolve(groups[first], unsupported=str(error))
    return list(groups.values())


def within(calls: Iterable[Call], cells: frozenset[int]) -> list[Call]:
    """What the operations do to and claim about `cells` alone. Legal orders of the whole stay legal here."""
    kept = []
    for call in calls:
        options = _options_within(call.options, cells)
        if options is not None:
            kept.append(Call(call.i, call.start, call.end, options, call.required))
    return kept


def _options_within(options: Options, cells: frozenset[int]) -> Options | None:
    if len(options) == 1 and len(options[0]) == 1:  # nearly all
        part, after = options[0][0]
        projected = part.within(cells)
        return None if projected is None else (((projected, after),),)
    stages = [[(part.within(cells), after) for part, after in stage] for stage in options]
    if all(part is None for stage in stages for part, _ in stage):
        return None
    # A stage that is not about these cells stays as one that does nothing, so that stages keep their numbers.
    return tuple(
        tuple((NOTHING if part is None else part, after) for part, after in stage) for stage in stages
    )


NOTHING = Look({})
"""Does nothing and claims nothing."""


def _scopes(world: World, act: Act) -> set[int]:
    ops = parts(act.op)
    tables = {table for op in ops for table in _tables(op)}
    return {world.scope(table, act.user) for table in tables}


def _tables(op: Operation) -> tuple[str, ...]:
    table = getattr(op, "table", None)
    return () if table is None else (table,)


def _bind(bound: list[set[int]], count: int) -> list[int]:
    """For each scope the smallest of those that it is bound to."""
    leader = list(range(count))

    def find(scope: int) -> int:
        while leader[scope] != scope:
            leader[scope] = leader[leader[scope]]
            scope = leader[scope]
        return scope

    for scopes in bound:
        roots = sorted({find(scope) for scope in scopes})
        for root in roots[1:]:
            leader[root] = roots[0]
    return [find(scope) for scope in range(count)]


def _calls(writes: Writes, act: Act, contents: Contents) -> list[Call]:
    if act.i in contents.claims:
        return [_single(act, contents.claims[act.i])]
    if isinstance(act.op, Txn):
        call = _txn(writes, act, act.op, contents.inner.get(act.i, ()))
    else:
        compiler = _COMPILERS.get(type(act.op))
        call = compiler(writes, act, act.op) if compiler is not None else None
    # Sent k times: it may have taken effect k times, each at its own instant.
    return [call] * act.times if call is not None else []


def _single(act: Act, part: Part) -> Call:
    return Call(act.i, act.start, act.end, (((part, DONE),),), required=act.end is not None)


def _insert(writes: Writes, act: Act, op: Insert) -> Call | None:
    world = writes.world
    scope = world.scope(op.table, act.user)
    statements = statements_of(op)
    puts = [_put(world, scope, op.table, rows) for rows in statements]
    if act.outcome != "fail":
        return Call(act.i, act.start, act.end, _one_after_another(puts), required=act.end is not None)
    if act.error is not None and act.error.code == "duplicate-key":
        refusals = [_refusal(put, rows) for put, rows in zip(puts, statements, strict=True)]
        stages: list[tuple[tuple[Part, int], ...]] = [
            ((refusal, DONE), (put, stage + 1))
            for stage, (put, refusal) in enumerate(zip(puts[:-1], refusals[:-1], strict=True))
        ]
        return Call(act.i, act.start, act.end, (*stages, ((refusals[-1], DONE),)))
    if certainly_nothing_done(act):
        return None
    # Refused for another reason at one of its statements: those before it are done, however many.
    return Call(act.i, act.start, act.end, _one_after_another(puts[:-1]), required=False)


def _one_after_another(parts: Sequence[Part]) -> Options:
    last = len(parts) - 1
    return tuple(((part, DONE if stage == last else stage + 1),) for stage, part in enumerate(parts))


def _put(world: World, scope: int, table: str, rows: Iterable[Row]) -> Put:
    key_index = world.tables[table].key_index
    pairs: dict[int, int] = {}
    for row in rows:
        whole = canonical_row(row)
        pairs.setdefault(world.cell(scope, whole[key_index]), world.version(whole))
    return Put(tuple(pairs.items()))


def _refusal(put: Put, rows: Sequence[Row]) -> Part:
    """What a duplicate-key refusal claims: nothing where the statement itself names a key twice."""
    return Taken(put.cells) if len(put.pairs) == len(rows) else NOTHING


def _update(writes: Writes, act: Act, op: Update) -> Call | None:
    world = writes.world
    columns = world.tables[op.table].columns
    values = {columns.index(name): canonical(value) for name, value in op.set.items()}
    key = canonical(op.key)
    if values.get(world.tables[op.table].key_index, key) != key:
        raise UnsupportedError(f"#{act.i} changes the key of a row, which this model does not follow")

    def change(row: tuple[Canonical, ...]) -> tuple[Canonical, ...]:
        return tuple([values.get(column, value) for column, value in enumerate(row)])

    return _row_write(writes, act, op, lambda cell: Change(cell, _memo(world, change), _affected(act)))


def _increment(writes: Writes, act: Act, op: Increment) -> Call | None:
    world = writes.world
    column = world.tables[op.table].columns.index(op.column)

    def change(row: tuple[Canonical, ...]) -> tuple[Canonical, ...]:
        number = row[column]
        if number is None:  # NULL + 1 is NULL
            return row
        if not isinstance(number, (int, float)):
            raise UnsupportedError(f"#{act.i} adds to {op.column}, which holds no number")
        return (*row[:column], number + op.by, *row[column + 1 :])

    return _row_write(writes, act, op, lambda cell: Change(cell, _memo(world, change), _affected(act)))


def _delete(writes: Writes, act: Act, op: Delete) -> Call | None:
    return _row_write(writes, act, op, lambda cell: Remove(cell, _affected(act)))


def _row_write(
    writes: Writes, act: Act, op: Update | Increment | Delete, part: Callable[[int], Part]
) -> Call | None:
    cell = writes.world.cell(writes.world.scope(op.table, act.user), canonical(op.key))
    if act.outcome == "fail":
        return _not_found(act, cell)
    return _single(act, part(cell))


def _not_found(act: Act, cell: int) -> Call | None:
    if act.error is not None and act.error.code == "not-found":
        return _single(act, Look({cell: None}))
    return None


def _get(writes: Writes, act: Act, op: Get) -> Call | None:
    if act.outcome != "fail":
        return None  # an answered one is among the claims; without an answer it says nothing
    cell = writes.world.cell(writes.world.scope(op.table, act.user), canonical(op.key))
    return _not_found(act, cell)


def _txn(writes: Writes, act: Act, op: Txn, claims: tuple[Part | None, ...]) -> Call | None:
    """A snapshot for its reads, then its commit: what KalamDB documents; writes of it commit as one.

    What its single writes answer is not judged: servers sum up the answers of a request.
    """
    if act.outcome == "fail":
        return None
    inside = evolve(act, outcome="info", answer=None, end=None)
    world = writes.world
    done: list[Part] = []
    seen: list[Part] = []
    for inner, claim in zip(op.ops, claims or (None,) * len(op.ops), strict=True):
        compiler = _COMPILERS.get(type(inner))
        call = compiler(writes, evolve(inside, op=inner), inner) if compiler is not None else None
        parts = [part for stage in call.options for part, _ in stage] if call is not None else []
        done += parts
        seen += parts if claim is None else [claim]
    stages: list[Part] = []
    if any(claim is not None for claim in claims):
        stages.append(Transaction(tuple(seen), snapshot=True, world=world))
    if done:
        stages.append(Transaction(tuple(done), snapshot=False, world=world))
    if not stages:
        return None
    return Call(act.i, act.start, act.end, _one_after_another(stages), required=act.end is not None)


def _affected(act: Act) -> int | None:
    affected = None if act.outcome != "ok" or act.answer is None else act.answer.affected
    return affected if affected in (0, 1) else None  # any other answer is condemned by itself


def _memo(world: World, change: _RowChange) -> Callable[[int], int]:
    known: dict[int, int] = {}

    def changed(version: int) -> int:
        new = known.get(version)
        if new is None:
            new = known[version] = world.version(change(world.rows[version]))
        return new

    return changed


_COMPILERS: dict[type, Callable[[Writes, Act, Any], Call | None]] = {
    Insert: _insert,
    Update: _update,
    Increment: _increment,
    Delete: _delete,
    Get: _get,
}

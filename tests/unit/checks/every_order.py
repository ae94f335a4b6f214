"""Is there a legal order? By trying them all: slow, simple, and written without looking at the checks.

A history is legal when, for the rows of every user (and for a shared table), its operations can be put in
one order in which each takes effect at an instant between its two ends and every answer is what a plain
table would have answered. Operations of unknown outcome may come at any later place, or nowhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from attrs import evolve, frozen

from kalam_props.history.events import Fail, History, Info, Invoke, Ok, TableShape
from kalam_props.history.operations import Count, Delete, Get, Increment, Insert, Select, Txn, Update

FOREVER = 10**18
READS = (Select, Get, Count)


@frozen
class Step:
    """One atomic piece of an operation: a statement. `after`: the piece of the same operation before it."""

    op: object
    start: int
    end: int
    must: bool
    claims: bool
    answer: object = None
    refused: str | None = None
    after: int | None = None


@frozen
class View:
    """What the reads of a transaction saw at one instant, besides its own writes."""

    ops: tuple
    results: tuple[dict, ...]


@frozen
class Commit:
    """The writes of a transaction."""

    ops: tuple


def legal(history: History) -> bool:
    """Whether every scope's operations have a legal order."""
    return _legal(history, lambda step: step)


def legal_with_late_reads(history: History) -> bool:
    """As `legal`, where a read may show the table as it was at any time up to its end."""
    return _legal(
        history, lambda step: evolve(step, start=0) if isinstance(step.op, (*READS, View)) else step
    )


def _legal(history: History, relaxed: Callable[[Step], Step]) -> bool:
    scopes: dict[tuple, list[list[list[Step]]]] = {}
    answers = {event.of: event for event in history.events if isinstance(event, (Ok, Fail, Info))}
    for event in history.events:
        table = _table(getattr(event, "op", None))
        if isinstance(event, Invoke) and table is not None:
            shape = history.header.tables[table]
            scope = (table, event.user if shape.type == "user" else None)
            stories = _stories(event, answers.get(event.i))
            stories = [[relaxed(step) for step in story] for story in stories]
            scopes.setdefault(scope, []).append(stories)
    return all(
        any(
            _some_order(_numbered(stories), history.header.tables[table])
            for stories in itertools.product(*operations)
        )
        for (table, _), operations in scopes.items()
    )


def _table(op) -> str | None:
    return op.ops[0].table if isinstance(op, Txn) else getattr(op, "table", None)


def _numbered(stories: tuple[list[Step], ...]) -> list[Step]:
    """The steps of all operations in one list; each statement knows the place of the one before it."""
    steps: list[Step] = []
    for story in stories:
        for step in story:
            steps.append(evolve(step, after=len(steps) - 1) if step.after is not None else step)
    return steps


def _stories(invoke: Invoke, answer) -> list[list[Step]]:
    """What an operation may have done; several stories where a refusal leaves open at which statement."""
    op = invoke.op
    if not (
        isinstance(op, Insert)
        and op.statements
        and isinstance(answer, Fail)
        and answer.attempts == 1
        and answer.error.code == "duplicate-key"
    ):
        return [_steps(invoke, answer)]
    start, end = (invoke.t, answer.t) if answer.wire is None else answer.wire
    pieces = _statements(op, start, end, must=True, answer=None)
    return [[*pieces[:k], evolve(pieces[k], refused="duplicate-key")] for k in range(len(pieces))]


def _steps(invoke: Invoke, answer) -> list[Step]:
    op = invoke.op
    if isinstance(op, Txn):
        return _transaction(op, invoke, answer)
    write = isinstance(op, (Insert, Update, Increment, Delete))
    start, end = invoke.t, FOREVER
    if answer is not None:
        end = answer.t
        if answer.wire is not None and answer.attempts == 1:
            start = answer.wire[0]
            end = answer.wire[1] if answer.wire[1] is not None else end
    if not write:
        if not isinstance(op, (Select, Get, Count)) or not isinstance(answer, Ok):
            return []
        return [Step(op, start, end, must=True, claims=True, answer=answer)]
    if answer is None or isinstance(answer, Info) or answer.attempts > 1:
        times = 1 if answer is None else answer.attempts
        out: list[Step] = []
        for _ in range(times):
            out += _statements(op, start, FOREVER, must=False, answer=None)
        return out
    if isinstance(answer, Ok):
        return _statements(op, start, end, must=True, answer=answer)
    if answer.error.code in ("duplicate-key", "not-found"):
        return [Step(op, start, end, must=True, claims=True, refused=answer.error.code)]
    return []


def _transaction(op: Txn, invoke: Invoke, answer) -> list[Step]:
    commit = Commit(op.ops)
    if answer is None or isinstance(answer, Info) or answer.attempts > 1:
        times = 1 if answer is None else answer.attempts
        return [Step(commit, invoke.t, FOREVER, must=False, claims=False) for _ in range(times)]
    if isinstance(answer, Fail):
        return []
    start, end = (invoke.t, answer.t) if answer.wire is None else answer.wire
    view = Step(View(op.ops, answer.results), start, end, must=True, claims=True)
    return [view, Step(commit, start, end, must=True, claims=False, after=0)]


def _statements(op, start: int, end: int, *, must: bool, answer) -> list[Step]:
    if not isinstance(op, Insert) or op.statements is None:
        return [Step(op, start, end, must=must, claims=must, answer=answer)]
    steps, at = [], 0
    wrong = answer is not None and answer.affected not in (None, len(op.rows))
    for n, size in enumerate(op.statements):
        piece = Insert(op.table, op.rows[at : at + size])
        at += size
        said = Ok(i=0, t=0, of=0, affected=-1 if wrong else None)
        steps.append(Step(piece, start, end, must=must, claims=must, answer=said, after=n or None))
    return steps


def _some_order(steps: list[Step], shape: TableShape) -> bool:
    """Depth first over the orders; a set of steps done with the same table is looked at once."""
    seen: set[tuple[frozenset[int], tuple]] = set()
    stack = [(frozenset(), ())]
    while stack:
        done, table = stack.pop()
        left = [n for n in range(len(steps)) if n not in done]
        if not any(steps[n].must for n in left):
            return True
        first_end = min(steps[n].end for n in left if steps[n].must)
        for n in left:
            step = steps[n]
            # It may come next unless one that is left had to be over before it began.
            if step.start > first_end or (step.after is not None and step.after not in done):
                continue
            after = _apply(step, dict(table), shape.columns, shape.key_index)
            if after is None:
                continue
            name = (done | {n}, tuple(sorted(after.items(), key=repr)))
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return False


def _apply(step: Step, rows: dict, columns: tuple[str, ...], key: int) -> dict | None:
    """The table after a step, or None when a plain table would have answered something else."""
    op, answer = step.op, step.answer
    if isinstance(op, View):
        return rows if _view_is_right(op, dict(rows), columns, key) else None
    if isinstance(op, Commit):
        for inner in op.ops:
            if not isinstance(inner, READS):
                rows = _write(Step(inner, 0, 0, must=True, claims=False), rows, columns, key)
            if rows is None:
                return None
        return rows
    if isinstance(op, Select):
        return rows if _scan_is_right(op, answer, rows, key) else None
    if isinstance(op, Get):
        right = [rows[op.key]] if op.key in rows else []
        return rows if list(answer.rows) == right else None
    if isinstance(op, Count):
        return rows if answer.count == len(rows) else None
    if step.refused is not None:
        there = any(row[key] in rows for row in op.rows) if isinstance(op, Insert) else op.key in rows
        repeated = isinstance(op, Insert) and len({row[key] for row in op.rows}) < len(op.rows)
        right = there or repeated if step.refused == "duplicate-key" else not there
        return rows if right else None
    return _write(step, rows, columns, key)


def _view_is_right(view: View, rows: dict, columns: tuple[str, ...], key: int) -> bool:
    for op, result in zip(view.ops, view.results, strict=True):
        if isinstance(op, Insert):  # whether its keys are free is decided at the commit
            rows = {**rows, **{row[key]: row for row in op.rows}}
        elif isinstance(op, READS):
            answer = Ok(0, 0, 0, rows=result.get("rows"), count=result.get("count"))
            if _apply(Step(op, 0, 0, must=True, claims=True, answer=answer), rows, columns, key) is None:
                return False
        else:
            rows = _write(Step(op, 0, 0, must=True, claims=False), rows, columns, key)
    return True


def _scan_is_right(op: Select, answer, rows: dict, key: int) -> bool:
    if any(rows.get(row[key]) != row for row in answer.rows):
        return False
    if len({row[key] for row in answer.rows}) < len(answer.rows):
        return False
    after = op.where.after if op.where is not None else None
    if after is not None and any(row[key] <= after for row in answer.rows):
        return False
    if not answer.complete or (op.where is not None and len(answer.rows) >= op.where.limit):
        return True
    return len(answer.rows) == sum(after is None or k > after for k in rows)


def _write(step: Step, rows: dict, columns: tuple[str, ...], key: int) -> dict | None:
    op = step.op
    affected = step.answer.affected if step.claims and step.answer is not None else None
    if isinstance(op, Insert):
        if any(row[key] in rows for row in op.rows) or len({row[key] for row in op.rows}) < len(op.rows):
            return None
        if affected is not None and affected != len(op.rows):
            return None
        return {**rows, **{row[key]: row for row in op.rows}}
    old = rows.get(op.key)
    if old is None:
        return rows if affected in (None, 0) else None
    if isinstance(op, Delete):
        if affected not in (None, 1):
            return None
        return {k: row for k, row in rows.items() if k != op.key}
    new = list(old)
    if isinstance(op, Update):
        for name, value in op.set.items():
            new[columns.index(name)] = value
    elif old[columns.index(op.column)] is not None:
        new[columns.index(op.column)] += op.by
    if affected not in (None, 1) and not (affected == 0 and tuple(new) == old):
        return None
    return {**rows, op.key: tuple(new)}

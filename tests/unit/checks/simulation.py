"""A correct store, simulated: concurrent operations that each take effect at an instant of their interval.

What it records is legal by construction. Crashes cut operations off, answers get lost, flushes do nothing.
"""

from __future__ import annotations

from random import Random

from attrs import evolve
from recorded import Done, history

from kalam_props.history.events import FlushRun, History, ServerEvent
from kalam_props.history.operations import (
    After,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Operation,
    Select,
    Txn,
    Update,
)

READS = (Select, Get, Count)


def simulate(
    random: Random,
    *,
    operations: int = 12,
    processes: int = 4,
    keys: int = 3,
    lost_answers: float = 0.1,
    users: int = 2,
    only: tuple[str, ...] | None = None,
) -> History:
    """One history of a correct store. Small times, so that operations often touch: intervals are closed."""
    plan = _plan(random, operations, processes, keys, users, lost_answers, only)
    return history(_run(random, plan), _others(random, operations))


def _plan(random, operations, processes, keys, users, lost_answers, only) -> list[dict]:
    """Operations with their intervals and instants, a process doing one at a time."""
    free = {f"u{n % users}/{n // users + 1}": 0 for n in range(processes)}
    generation = dict.fromkeys(free, 1)
    plan = []
    for n in range(operations):
        base = random.choice(sorted(free))
        start = free[base] + random.randint(0, 4)
        end = start + random.randint(0, 8)
        free[base] = end + 1
        p = base if generation[base] == 1 else f"{base}#{generation[base]}"
        op = _operation(random, n, keys, only)
        lost = random.random() < lost_answers
        entry = {"p": p, "op": op, "start": start, "end": end, "lost": lost}
        statements = len(op.statements) if isinstance(op, Insert) and op.statements else 1
        if isinstance(op, Txn):
            statements = 2  # its snapshot and its commit
        if lost:
            generation[base] += 1
            points = sorted(random.randint(start, end + 20) for _ in range(statements))
            entry["points"] = (
                [point for point in points if random.random() < 0.7] if statements == 1 else points
            )
            if isinstance(op, Txn) and random.random() < 0.3:
                entry["points"] = []
        else:
            entry["points"] = sorted(random.randint(start, end) for _ in range(statements))
        plan.append(entry)
    return plan


def _operation(random: Random, n: int, keys: int, only: tuple[str, ...] | None) -> Operation:
    kinds = only or (
        "insert",
        "insert",
        "insert",
        "batch",
        "statements",
        "update",
        "increment",
        "delete",
        "select",
        "select",
        "page",
        "get",
        "count",
        "flush",
    )
    kind = random.choice(kinds)
    if kind == "txn":
        inner = ("insert", "insert", "update", "increment", "delete", "select", "get", "count")
        ops = [_operation(random, 100 * n + k, keys, inner) for k in range(random.randint(2, 3))]
        return Txn(tuple(evolve(op, table="t") for op in ops))
    table = "s" if random.random() < 0.1 else "t"
    key = random.randrange(keys)
    if kind == "insert":
        return Insert(table, ((key, f"v{n}", random.choice([0, 0, None])),))
    if kind.startswith("new"):  # keys that no other operation inserts
        rows = tuple(
            (10 * n + k, f"v{n}.{k}", 0) for k in range(1 if kind == "new" else random.randint(2, 3))
        )
        return Insert(table, rows, (1, len(rows) - 1) if kind == "new-statements" else None)
    if kind in ("batch", "statements"):
        some = random.sample(range(keys), min(keys, random.randint(2, 3)))
        rows = tuple((k, f"v{n}.{k}", 0) for k in some)
        return Insert(table, rows, (1, len(rows) - 1) if kind == "statements" else None)
    if kind == "update":
        return Update(table, key, {"v": random.choice([f"v{n}", "same"])})
    if kind == "increment":
        return Increment(table, key, "n", random.choice([1, 1, 2, -1, 0]))
    if kind == "delete":
        return Delete(table, key)
    if kind == "get":
        return Get(table, key)
    if kind == "page":
        return Select(table, After(random.choice([None, key]), random.randint(1, 3)))
    return {"select": Select, "count": Count, "flush": Flush}[kind](table)


def changes(
    random: Random,
    *,
    operations: int,
    processes: int,
    keys: int,
    users: int,
    lost_answers: float,
    only: tuple[str, ...],
) -> tuple[list[Done], list[tuple]]:
    """The operations of a correct store, and every change of a row in the order in which they took effect.

    A change: its instant, the user (None in a shared table), what it is, the new row, the old one.
    """
    log: list[tuple] = []
    plan = _plan(random, operations, processes, keys, users, lost_answers, only)
    return _run(random, plan, log), log


def _run(random: Random, plan: list[dict], log: list[tuple] | None = None) -> list[Done]:
    """Let every statement take effect at its instant, in order of instants, and give the answers."""
    tables: dict[tuple, dict] = {}
    ties = [random.random() for _ in plan]  # who is first at one instant; statements keep their order
    effects = sorted(
        (point, ties[number], number, statement)
        for number, entry in enumerate(plan)
        for statement, point in enumerate(entry["points"])
    )
    answers: dict[int, dict] = {number: {} for number in range(len(plan))}
    for point, _, number, statement in effects:
        entry = plan[number]
        op = entry["op"]
        table = op.ops[0].table if isinstance(op, Txn) else op.table
        user = entry["p"].split("/")[0] if table == "t" else None
        rows = tables.setdefault((table, user), {})
        if not answers[number].get("refused"):
            before = dict(rows)
            _effect(random, op, statement, rows, answers[number])
            if log is not None:
                log += [(point, user, *change) for change in _difference(before, rows)]
    return [_done(random, entry, answers[number]) for number, entry in enumerate(plan)]


def _difference(before: dict, after: dict) -> list[tuple]:
    gone = [("delete", None, row) for key, row in before.items() if key not in after]
    new = [("insert", row, None) for key, row in after.items() if key not in before]
    other = [
        ("update", row, before[key]) for key, row in after.items() if key in before and before[key] != row
    ]
    return gone + new + other


def _effect(random: Random, op: Operation, statement: int, rows: dict, answer: dict) -> None:
    if isinstance(op, Txn):
        if statement == 0:
            answer["results"] = _view(random, op, dict(rows))
        else:
            _commit(random, op, rows, answer)
    elif isinstance(op, Insert):
        sizes = op.statements or (len(op.rows),)
        at = sum(sizes[:statement])
        new = op.rows[at : at + sizes[statement]]
        if any(row[0] in rows for row in new):
            answer["refused"] = "duplicate-key"
        else:
            rows.update({row[0]: row for row in new})
            answer["affected"] = len(op.rows)
    elif isinstance(op, (Update, Increment, Delete)):
        _change(random, op, rows, answer)
    elif isinstance(op, Get):
        answer["rows"] = (rows[op.key],) if op.key in rows else ()
    elif isinstance(op, Count):
        answer["count"] = len(rows)
    elif isinstance(op, Select):
        after, limit = (op.where.after, op.where.limit) if op.where else (None, 1000)
        found = [rows[key] for key in sorted(rows) if after is None or key > after]
        answer["complete"] = len(found) < limit
        found = found[:limit]
        random.shuffle(found)
        answer["rows"] = tuple(found)


def _view(random: Random, op: Txn, view: dict) -> tuple[dict, ...]:
    """What the reads of a transaction see: its snapshot and its own writes."""
    results = []
    for inner in op.ops:
        said: dict = {}
        if isinstance(inner, Insert):
            view.update({row[0]: row for row in inner.rows})
        else:
            _effect(random, inner, 0, view, said)
        results.append({name: said[name] for name in ("rows", "count") if name in said})
    return tuple(results)


def _commit(random: Random, op: Txn, rows: dict, answer: dict) -> None:
    """All of its writes, or none where a key is taken."""
    after = dict(rows)
    for inner in op.ops:
        said: dict = {}
        if not isinstance(inner, READS):
            _effect(random, inner, 0, after, said)
        if said.get("refused") == "duplicate-key":
            answer["refused"] = "duplicate-key"
            return
    rows.clear()
    rows.update(after)


def _change(random: Random, op: Operation, rows: dict, answer: dict) -> None:
    old = rows.get(op.key)
    if old is None:
        answer["affected"] = 0
        if random.random() < 0.2:
            answer["refused"] = "not-found"
        return
    if isinstance(op, Delete):
        del rows[op.key]
        answer["affected"] = 1
        return
    new = (old[0], op.set["v"], old[2]) if isinstance(op, Update) else (*old[:2], _sum(old[2], op.by))
    rows[op.key] = new
    answer["affected"] = 1 if new != old else random.choice([0, 1])


def _sum(number: int | None, by: int) -> int | None:
    return None if number is None else number + by


def _done(random: Random, entry: dict, answer: dict) -> Done:
    done = Done(entry["p"], entry["op"], entry["start"], entry["end"])
    if entry["lost"]:
        return evolve(done, outcome="info", end=None if random.random() < 0.3 else done.end)
    if answer.get("refused"):
        return evolve(done, outcome="fail", code=answer["refused"])
    said = {
        name: answer[name] for name in ("affected", "rows", "count", "complete", "results") if name in answer
    }
    if "affected" in said and random.random() < 0.1:
        said["affected"] = None
    done = evolve(done, **said)
    if random.random() < 0.2:  # the gate knows better when: the instants lie within the wire times
        first, last = min(entry["points"]), max(entry["points"])
        wire = (random.randint(done.start, first), random.randint(last, done.end))
        done = evolve(done, wire=wire)
    return done


def _others(random: Random, operations: int) -> tuple:
    """Flushes and a restart: invisible to reads."""
    events = []
    for n in range(random.randint(0, 3)):
        t = random.randint(0, operations * 3)
        events.append(
            FlushRun(i=n, t=t + 2, table="t", job=f"j{n}", began=(t, t), ended=(t + 1, t + 1), rows=1)
        )
    if random.random() < 0.3:
        t = random.randint(0, operations * 3)
        events += [ServerEvent(9, t, "killed"), ServerEvent(10, t, "healthy")]
    return tuple(events)

"""Histories for tests: from a list of operations with their times, or from a few words a line.

    u0/1  0-10   insert 1=a 2=b     -> ok 2
    u0/2  5-20   select             -> 1=a 2=b
    u1/1  3-?    delete 1           -> info

Times are milliseconds. A row is `key=v`, or `key=v:n` for a third column that is 0 otherwise; `~` is NULL.
`select@s` is about the shared table `s`. `0-10[2,8]` gives wire times.
"""

from __future__ import annotations

import re

from attrs import evolve, field, frozen

from kalam_props.history.events import (
    Error,
    Event,
    Fail,
    Header,
    History,
    Info,
    Invoke,
    Ok,
    Product,
    TableShape,
)
from kalam_props.history.operations import (
    After,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Kill,
    Operation,
    Restart,
    Row,
    Select,
    Subscribe,
    Txn,
    Unsubscribe,
    Update,
)

MS = 1_000_000
COLUMNS = ("id", "v", "n")
HEADER = Header(
    target=Product("reference", "test"),
    client=Product("test", "1"),
    driver="process",
    gate=True,
    program="0123456789abcdef",
    tables={"t": TableShape("user", COLUMNS, "id"), "s": TableShape("shared", COLUMNS, "id")},
)


@frozen
class Done:
    """One operation with its answer: what a history needs of it."""

    p: str
    op: Operation
    start: int
    end: int | None
    outcome: str = "ok"
    affected: int | None = None
    rows: tuple[Row, ...] | None = None
    count: int | None = None
    complete: bool = True
    results: tuple[dict, ...] | None = None
    code: str = "timeout"
    server_code: str | None = None
    wire: tuple[int, int | None] | None = None
    attempts: int = 1
    deadline: int | None = field(default=None, kw_only=True)

    @property
    def user(self) -> str:
        return self.p.split("/")[0]


def history(operations: list[Done], events: tuple[Event, ...] = (), *, header: Header = HEADER) -> History:
    """The history of these operations, numbered in order of time; and further events at their times.

    An event that is about an operation names its place in `operations` in `of`, counted from 1.
    """
    moments: list[tuple[int, int, int, Done | Event]] = []
    for place, done in enumerate(operations, 1):
        moments.append((done.start, 0, place, done))
        if done.end is not None:
            moments.append((done.end, 2, place, done))
    moments += [(event.t, 1, event.i, event) for event in events]
    moments.sort(key=lambda moment: moment[:3])
    numbers: dict[int, int] = {}
    out: list[Event] = []
    for i, (t, what, place, thing) in enumerate(moments, 1):
        if what == 0:
            numbers[place] = i
            out.append(Invoke(i=i, t=t, p=thing.p, user=thing.user, op=thing.op, deadline=thing.deadline))
        elif what == 2:
            out.append(_completion(thing, i, numbers[place]))
        elif hasattr(thing, "of"):
            out.append(evolve(thing, i=i, of=numbers[thing.of]))
        else:
            out.append(evolve(thing, i=i))
    return History(header, tuple(out))


def _completion(done: Done, i: int, of: int) -> Event:
    shared = {"i": i, "t": done.end, "of": of, "wire": done.wire, "attempts": done.attempts}
    if done.outcome == "ok":
        return Ok(
            affected=done.affected,
            rows=done.rows,
            count=done.count,
            complete=done.complete,
            results=done.results,
            **shared,
        )
    error = Error(done.code, "", done.server_code)
    return Fail(error=error, **shared) if done.outcome == "fail" else Info(error=error, **shared)


def told(text: str, *events: Event) -> History:
    """The history that `text` tells, a line an operation."""
    return history([_line(line) for line in text.strip().splitlines()], events)


_LINE = re.compile(
    r"\s*(?P<p>\S+)\s+(?P<start>\d+)-(?P<end>\d+|\?)(\[(?P<first>\d+),(?P<last>\d+|\?)\])?(x(?P<attempts>\d))?"
    r"\s+(?P<op>[a-z-]+)(@(?P<table>\w+))?\s*(?P<words>.*?)\s*->\s*(?P<answer>.*?)\s*"
)


def _line(line: str) -> Done:
    found = _LINE.fullmatch(line)
    assert found is not None, line
    end = None if found["end"] == "?" else int(found["end"]) * MS
    wire = None
    if found["first"] is not None:
        wire = (int(found["first"]) * MS, None if found["last"] == "?" else int(found["last"]) * MS)
    op = _operation(found["op"], found["table"] or "t", found["words"])
    answer = _answer(op, found["answer"].split())
    if answer.get("outcome") == "info" and found["end"] == "?":
        answer.pop("code", None)
    return Done(
        p=found["p"],
        op=op,
        start=int(found["start"]) * MS,
        end=end,
        wire=wire,
        attempts=int(found["attempts"] or 1),
        **answer,
    )


def _operation(name: str, table: str, text: str) -> Operation:
    if name == "txn":
        inner = [part.split(None, 1) for part in text.split(";")]
        return Txn(tuple(_operation(words[0], table, (words[1:] or [""])[0]) for words in inner))
    if name == "insert":
        statements = [_rows(part) for part in text.split("|")]
        rows = tuple(row for statement in statements for row in statement)
        return Insert(table, rows, tuple(map(len, statements)) if len(statements) > 1 else None)
    words = text.split()
    if name == "update":
        row = _rows(" ".join(words))[0]
        return Update(table, row[0], {"v": row[1]} if ":" not in text else {"v": row[1], "n": row[2]})
    if name == "increment":
        return Increment(table, int(words[0]), "n", int(words[1]) if len(words) > 1 else 1)
    if name == "select" and words:
        return Select(table, After(_value(words[1]), int(words[3])))
    if name in ("delete", "get"):
        return (Delete if name == "delete" else Get)(table, int(words[0]))
    simple = {
        "select": Select,
        "count": Count,
        "flush": Flush,
        "subscribe": Subscribe,
        "unsubscribe": Unsubscribe,
    }
    return {"kill": Kill, "restart": Restart}[name]() if name in ("kill", "restart") else simple[name](table)


def _rows(text: str) -> tuple[Row, ...]:
    rows = []
    for word in text.split():
        key, _, rest = word.partition("=")
        value, _, number = rest.partition(":")
        rows.append((int(key), _value(value), 0 if not number else _value(number)))
    return tuple(rows)


def _value(word: str):
    if word == "~":
        return None
    return int(word) if word.lstrip("-").isdigit() else word


def _answer(op: Operation, words: list[str]) -> dict:
    if words and words[0] in ("fail", "info"):
        return {"outcome": words[0], "code": words[1] if len(words) > 1 else "timeout"}
    complete = True
    if words and words[-1] == "incomplete":
        complete, words = False, words[:-1]
    if isinstance(op, (Select, Get)):
        return {"rows": _rows(" ".join(words) if words != ["none"] else ""), "complete": complete}
    if isinstance(op, Count):
        return {"count": int(words[0])}
    assert words[0] == "ok", words
    return {"affected": int(words[1]) if len(words) > 1 else None}

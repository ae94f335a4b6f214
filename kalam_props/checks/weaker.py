"""What a weaker consistency profile asks of a history, as operations for the search over orders.

A profile that lets reads lag does not excuse everything that a late read shows: the state may be an old one,
but it must have been one. So a history in which linearizability is violated is judged once more, exactly,
with the reads relaxed and the writes as they were:

- `snapshot`: a read may show the table as it was at any time up to its end, from the beginning on.
- `read-committed`: so may each row that it shows, each for itself. That a row is missing says nothing then.

What either still violates is no matter of staleness. What they allow is told and not counted, unless its name
fails in every profile (see `profiles`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from kalam_props.checks.acts import Act
from kalam_props.checks.calls import Group
from kalam_props.checks.orders import DONE, Call
from kalam_props.checks.parts import Look, Part, Scan
from kalam_props.checks.parts import Sequence as Transaction
from kalam_props.history.operations import READS, Txn


def relaxed(group: Group, acts: Mapping[int, Act], expect: str) -> Group:
    """The operations of a group as `expect`, one of `profiles.RELAXED`, asks for them."""
    calls: list[Call] = []
    reads: list[Call] = []
    for call in group.calls:
        op = acts[call.i].op
        if isinstance(op, READS):
            reads.append(call)
        elif isinstance(op, Txn):
            view, commit = _apart(call)
            reads += view
            calls += commit
        else:
            calls.append(call)
    if expect == "snapshot":
        calls += [evolve(call, start=0) for call in reads]
    else:
        calls += _rows_shown(reads)
    return evolve(group, calls=sorted(calls, key=lambda call: call.i))


def _apart(call: Call) -> tuple[list[Call], list[Call]]:
    """What a transaction saw, which may be as old as what any read sees; and its commit."""
    parts = [part for stage in call.options for part, _ in stage]
    views = [part for part in parts if isinstance(part, Transaction) and part.snapshot]
    commits = [part for part in parts if not (isinstance(part, Transaction) and part.snapshot)]
    return (
        [evolve(call, options=(((part, DONE),),)) for part in views],
        [evolve(call, options=(((part, DONE),),)) for part in commits],
    )


def _rows_shown(reads: Iterable[Call]) -> list[Call]:
    """Of each version of each row that reads show, the read that was over first: it leaves the least time."""
    first: dict[tuple[int, int], Call] = {}
    for call in reads:
        for cell, version in _shown(part for stage in call.options for part, _ in stage):
            known = first.get((cell, version))
            if known is None or _ends_before(call, known):
                first[(cell, version)] = call
    return [
        evolve(call, start=0, options=(((Look({cell: version}), DONE),),))
        for (cell, version), call in first.items()
    ]


def _ends_before(one: Call, other: Call) -> bool:
    return one.end is not None and (other.end is None or one.end < other.end)


def _shown(parts: Iterable[Part]) -> Iterator[tuple[int, int]]:
    for part in parts:
        seen = part.claims if isinstance(part, Look) else part.seen if isinstance(part, Scan) else {}
        for cell, version in seen.items():
            if version is not None:
                yield cell, version

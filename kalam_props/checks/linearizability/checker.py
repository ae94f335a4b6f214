"""Whether operations that overlapped in time can have taken effect one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import chain
from typing import TypeAlias

from attrs import frozen

from kalam_props.checks.linearizability.closure import Configuration
from kalam_props.checks.linearizability.explain import explain_violation
from kalam_props.checks.linearizability.longest import Order, longest, replay
from kalam_props.checks.linearizability.operation import (
    Linearizability,
    Model,
    Operation,
    Settled,
    Told,
    answer,
)
from kalam_props.checks.linearizability.search import Search
from kalam_props.checks.linearizability.timeline import Timeline, lay_out
from kalam_props.checks.linearizability.transitions import (
    Budget,
    OutOfMemoryBudgetError,
    OutOfTimeError,
    Transitions,
)

_TOO_OFTEN = 1_000
_WORDS_SECONDS = 0.5  # to explain what is decided, where time is limited
_WORDS_TURNS = 100  # of a search that only looks for an order to show
_WORDS_ORDERS = 8


@frozen
class _Broken:
    """A group that has no legal order.

    Attributes:
        group: the positions of its operations.
        line: its timeline.
        stuck: the rank that cannot be placed.
        starts: legal orders that get as far as its return, and the states that they lead to.

    """

    group: Sequence[int]
    line: Timeline
    stuck: int
    starts: list[tuple[Order, int]]


_Proof: TypeAlias = Callable[[], _Broken]
"""Gives what is broken: a violation is certain before anybody asks how it shows."""


def check_linearizable(
    model: Model,
    operations: Iterable[Operation],
    *,
    timeout: float | None = None,
    memory_mib: int = 1024,
) -> Linearizability:
    """Judges operations against a sequential model (Herlihy & Wing, Linearizability, 1990).

    Args:
        model: the specification.
        operations: in any order; indices in the answer are positions here.
        timeout: seconds; None: as long as it takes. With 0 the answer is "unknown".
        memory_mib: what the search may remember, estimated; if that is not enough the answer is "unknown".

    Raises:
        ValueError: an operation is malformed (the message has its index), a partition does not hold every
            operation once, or the timeout is negative.

    """
    operations = tuple(operations)
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout is {timeout}; it is a number of seconds, 0 or more, or None")
    _validate(operations)
    groups = _groups(model, operations)
    transitions = Transitions(model, Budget(timeout, memory_mib << 20))
    try:
        transitions.budget.check()
        broken, undecided = _judge(model, operations, groups, transitions)
    except OutOfTimeError:
        words = f"Not decided within {timeout:g} s for {len(operations)} operations."
        return answer("unknown", Told(explanation=words))
    if broken is not None:
        return Linearizability("violated", cache(lambda: _tell(model, operations, broken(), transitions)))
    if undecided:
        words = f"Not decided within {memory_mib} MiB: {undecided} group(s) of operations left open."
        return answer("unknown", Told(explanation=words))
    return answer("holds", Told(explanation=f"A legal order exists for all {len(operations)} operations."))


def _validate(operations: Sequence[Operation]) -> None:
    for i, operation in enumerate(operations):
        returned, at_most = operation.returned_ns, operation.at_most
        if returned is not None and returned < operation.invoked_ns:
            raise ValueError(
                f"operation {i} returned at {returned} ns, before it was invoked at {operation.invoked_ns} ns"
            )
        if at_most != 1 and at_most is not None and not 1 <= at_most <= _TOO_OFTEN:
            raise ValueError(
                f"operation {i} may have taken effect at most {at_most} times; "
                f"give 1 to {_TOO_OFTEN}, or None for any number"
            )


def _groups(model: Model, operations: Sequence[Operation]) -> list[Sequence[int]]:
    """The groups as positions, whether the model gives positions or operations."""
    if model.partition is None:
        return [range(len(operations))]
    parts = list(model.partition(operations))
    with suppress(TypeError):  # operations have no order
        if sorted(chain.from_iterable(parts)) == list(range(len(operations))):  # type: ignore[type-var]
            return parts  # type: ignore[return-value]
    groups: list[Sequence[int]] = []
    places: dict[int, list[int]] | None = None
    seen = bytearray(len(operations))
    for members in parts:
        group: list[int] = []
        for member in members:
            if isinstance(member, Operation):
                if places is None:
                    places = {}
                    for i in reversed(range(len(operations))):
                        places.setdefault(id(operations[i]), []).append(i)
                left = places.get(id(member))
                if not left:
                    raise ValueError(
                        f"the partition gave an operation that it was not given, or twice: {member}"
                    )
                group.append(left.pop())
            else:
                group.append(member)
        for i in group:
            if not 0 <= i < len(seen) or seen[i]:
                raise ValueError(f"the partition has operation {i} twice, or there is none of that number")
            seen[i] = 1
        groups.append(group)
    if 0 in seen:
        raise ValueError(f"the partition left out operation {seen.index(0)}")
    return groups


def _judge(
    model: Model, operations: Sequence[Operation], groups: Sequence[Sequence[int]], transitions: Transitions
) -> tuple[_Proof | None, int]:
    """A group without a legal order, if there is one, and how many groups could not be decided."""
    if model.glance is None and model.shortcut is None:
        return _take_turns(operations, groups, transitions)
    check, tell = transitions.budget.check, partial(_broken_by_shortcut, operations)
    members = [[operations[i] for i in group] for group in groups]
    if model.glance is not None:
        for group, those in zip(groups, members, strict=True):
            check()
            wrong = model.glance(those)
            if wrong is not None:
                return partial(tell, group, Settled("violated", stuck=wrong), transitions), 0
    left: list[Sequence[int]] = []
    for group, those in zip(groups, members, strict=True):
        settled = None if model.shortcut is None else model.shortcut(those, check)
        if settled is None:
            left.append(group)
        elif settled.verdict == "violated":
            return partial(tell, group, settled, transitions), 0
    return _take_turns(operations, left, transitions)


def _take_turns(
    operations: Sequence[Operation], groups: Iterable[Sequence[int]], transitions: Transitions
) -> tuple[_Proof | None, int]:
    """Searches all groups side by side, in longer and longer turns.

    So a group that alone is not linearizable is found without searching the others to the end: in each of
    them no more is done than about twice what that one needed.
    """
    undecided = 0
    begun = ((group, Search(lay_out(operations, group, transitions), transitions)) for group in groups)
    waiting = deque((group, search, search.run()) for group, search in begun)
    turn = 1
    while waiting:
        for _ in range(len(waiting)):
            group, search, run = waiting.popleft()
            try:
                for _ in range(turn):
                    next(run)
            except StopIteration as end:
                if not end.value:
                    return _proof(group, search, transitions), undecided
                transitions.budget.give_back(search.spent)
            except OutOfMemoryBudgetError:
                undecided += 1
                transitions.budget.give_back(search.spent)
            else:
                waiting.append((group, search, run))
        turn *= 2
    return None, undecided


def _proof(group: Sequence[int], search: Search, transitions: Transitions) -> _Proof:
    """Keeps little of the search."""
    line, ends, level = search.line, search.reached()[:_WORDS_ORDERS], len(search.seen) - 1
    return lambda: _broken_by_search(group, line, ends, level, transitions)


def _broken_by_search(
    group: Sequence[int], line: Timeline, ends: list[Configuration], level: int, transitions: Transitions
) -> _Broken:
    transitions.budget.renew(_WORDS_SECONDS)
    try:
        starts = [(replay(line, transitions, here), here[1]) for here in ends]
    except (OutOfTimeError, OutOfMemoryBudgetError):
        starts = []
    return _Broken(group, line, line.returns[level], starts)


def _broken_by_shortcut(
    operations: Sequence[Operation], group: Sequence[int], settled: Settled, transitions: Transitions
) -> _Broken:
    transitions.budget.renew(_WORDS_SECONDS)
    line = lay_out(operations, group, transitions)
    numbers = {i: -1 - n for n, i in enumerate(line.optional_index)}
    numbers.update((i, rank) for rank, i in enumerate(line.index))
    stuck = numbers[group[settled.stuck or 0]]
    if settled.order is not None:
        order = tuple(numbers[group[at]] for at in settled.order)
        return _Broken(group, line, stuck, _follow(line, transitions, order))
    # There is no order to show yet: one of those that had returned before is looked for, not for long.
    search = Search(line, transitions, line.level[stuck])
    run = search.run()
    try:
        for _ in range(_WORDS_TURNS):
            next(run)
    except StopIteration as end:
        if not end.value:
            return _proof(group, search, transitions)()
    except (OutOfTimeError, OutOfMemoryBudgetError):
        pass
    return _Broken(group, line, stuck, _proof(group, search, transitions)().starts)


def _follow(line: Timeline, transitions: Transitions, order: Order) -> list[tuple[Order, int]]:
    """The order with each state that it leads to."""
    states = {transitions.initial}
    try:
        for number in order:
            k = line.kind[number] if number >= 0 else line.optional_kind[-1 - number]
            states = {after for state in states for after in transitions.next_states(state, k)}
    except (OutOfTimeError, OutOfMemoryBudgetError):
        return []
    return [(order, state) for state in states]


def _tell(model: Model, operations: Sequence[Operation], broken: _Broken, transitions: Transitions) -> Told:
    line = broken.line
    try:
        found = longest(line, transitions, broken.stuck, broken.starts)
    except (OutOfTimeError, OutOfMemoryBudgetError):
        found = broken.starts
    found = found or [((), transitions.initial)]
    orders = [
        tuple(line.index[n] if n >= 0 else line.optional_index[-1 - n] for n in order) for order, _ in found
    ]
    stuck = line.index[broken.stuck]
    return Told(
        partial_linearizations=tuple(dict.fromkeys(orders)),
        stuck=stuck,
        explanation=explain_violation(
            model, operations, broken.group, stuck, orders[0], transitions.states[found[0][1]]
        ),
    )

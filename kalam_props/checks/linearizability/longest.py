"""How far a history that is not linearizable can be followed: its longest partial linearizations.

An order may place an operation when it has placed all that had returned before that one was invoked. The
longest are found by trying every order while that takes a few thousand steps. For a longer history, the
orders with which the search reached the return that it could not pass are lengthened at their end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from kalam_props.checks.linearizability.closure import Configuration
from kalam_props.checks.linearizability.timeline import Timeline
from kalam_props.checks.linearizability.transitions import Transitions

_FEW = 60  # operations, of which all orders may be tried
_STEPS = 5_000
_AT_MOST = 8  # orders in an answer

Order: TypeAlias = tuple[int, ...]


def longest(
    line: Timeline, transitions: Transitions, stuck: int, starts: Iterable[tuple[Order, int]]
) -> list[tuple[Order, int]]:
    """The longest legal orders without the rank `stuck`, each with the state that it leads to.

    Of orders of the same operations that lead to the same state only one is given. `starts` are legal orders
    of all that returned before it. Orders are of ranks, or -1 - n for the n-th optional effect.
    """
    level = line.level[stuck]
    if line.upto[level] + line.optional_upto[level] <= _FEW:
        found, complete = _extend(line, transitions, stuck, ((), transitions.initial))
        if complete:
            return found
    orders: list[tuple[Order, int]] = []
    for start in starts:
        orders += _extend(line, transitions, stuck, start)[0]
    length = max((len(order) for order, _ in orders), default=0)
    return list(dict.fromkeys(entry for entry in orders if len(entry[0]) == length))[:_AT_MOST]


def _extend(
    line: Timeline, transitions: Transitions, stuck: int, start: tuple[Order, int]
) -> tuple[list[tuple[Order, int]], bool]:
    """The longest orders found that begin so, and whether all were tried."""
    limit, begun = line.level[stuck], frozenset(start[0])
    ranks = [rank for rank in range(line.upto[limit]) if rank != stuck and rank not in begun]
    effects = [n for n in range(line.optional_upto[limit]) if -1 - n not in begun]
    stack = [(*start, frozenset[int]())]
    seen: set[tuple[frozenset[int], int]] = set()
    best: list[tuple[Order, int]] = []
    while stack:
        order, state, placed = stack.pop()
        if not best or len(order) > len(best[0][0]):
            best = [(order, state)]
        elif len(order) == len(best[0][0]) and len(best) < _AT_MOST:
            best.append((order, state))
        left = [rank for rank in ranks if rank not in placed]
        # What was invoked after one of them returned must wait for it.
        ends = min((line.level[rank] for rank in left), default=limit)
        until, far = line.upto[min(ends, limit)], line.optional_upto[min(ends, limit)]
        numbers = [(rank, line.kind[rank]) for rank in left if rank < until]
        numbers += [(-1 - n, line.optional_kind[n]) for n in effects if n < far and -1 - n not in placed]
        for number, k in reversed(numbers):
            for after in transitions.next_states(state, k):
                now = placed | {number}
                if (now, after) not in seen:
                    if len(seen) >= _STEPS:
                        return best, False
                    seen.add((now, after))
                    stack.append(((*order, number), after, now))
    return best, True


def replay(line: Timeline, transitions: Transitions, here: Configuration) -> Order:
    """The order that a configuration stands for.

    The free operations are put where the search found them free: those that change nothing in that state,
    then those that the next "write" undoes.
    """
    path: list[Configuration] = []
    at: Configuration | None = here
    while at is not None:
        path.append(at)
        at = at[5]
    path.reverse()
    # What was placed, in order: number, kind, state after; and for each level where its part begins.
    numbers: list[int] = []
    states = [path[0][1]]
    begins: list[int] = []
    for configuration in path:
        for number, after in configuration[6]:
            numbers.append(number)
            states.append(after)
        begins.append(len(numbers))
    placed = set(numbers)
    level, _, _, free, _, _, _ = here
    quiet: list[list[int]] = [[] for _ in states]
    undone: list[list[int]] = [[] for _ in states]
    joined = 0
    for rank in range(line.upto[level]):
        while line.upto[joined] <= rank:
            joined += 1
        returns = line.level[rank]
        if rank in placed or (returns >= level and not free & line.bit[rank]):
            continue
        ends = begins[returns + 1] if returns < level else len(numbers)
        for place in range(begins[joined], ends + 1):
            if states[place] in transitions.next_states(states[place], line.kind[rank]):
                quiet[place].append(rank)
                break
            if (
                place < ends
                and transitions.total[line.kind[rank]]
                and transitions.blind[_kind(line, numbers[place])]
            ):
                undone[place].append(rank)
                break
    order: list[int] = []
    for place in range(len(states)):
        order += quiet[place] + undone[place] + numbers[place : place + 1]
    return tuple(order)


def _kind(line: Timeline, number: int) -> int:
    return line.kind[number] if number >= 0 else line.optional_kind[-1 - number]

"""The search for a legal order of one group of operations.

Wing & Gong (Testing and Verifying Concurrent Objects, 1993) try every order that respects real time. Lowe
(Testing for Linearizability, 2017) remembers the configurations seen, and places operations "just in time":
only when an operation returns that is not placed yet must anything be placed, namely some open operations
and that one last. Both are kept here, depth first, without recursion. A configuration is the state and what
became of the operations that are open; so two orders that differ in the past only are one configuration.

What makes it fast is that an open operation may be *free*: no longer owed, but still to be had. Let a
configuration stand for all the ways to go on from it; a step to one that stands for at least as many is
sound, and loses nothing if it stands for all that the old one did.

1.  An operation whose answer is legal and leaves the state as it is ("s in step(s, ...)") is free from then
    on: it can be put here without anybody noticing, and if it is wanted later for its effect, it is not put
    here. For a read, that is to place it as soon as it is legal.
2.  When a "write" is placed, all open "write"s and "update"s are free: each is legal in any state, and
    whatever they do, the write undoes; they can be put right before it, in any number.
3.  A free operation may return without being placed. One that has an effect may also be placed then, which
    is tried second.
4.  A configuration is dropped if one was seen at the same return that has the same state and treats every
    open operation the same or has it free, and has used no indeterminate operation that this one has not.
5.  Of operations of one kind that are equally owed, the one that returns first is placed first: if an order
    has them the other way round, they can change places, as both are open at the earlier place, and the one
    that was placed later has not returned at the later one.

Indeterminate operations are free from the start, return never, and so are placed only to make something else
legal. `closure` lists the ways to place some open operations before the returning one, with the reasons why
it leaves some out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias

from attrs import frozen

from kalam_props.checks.linearizability.closure import Closure, Configuration, Placed
from kalam_props.checks.linearizability.timeline import Timeline
from kalam_props.checks.linearizability.transitions import Transitions

_CONFIGURATION_BYTES = 400  # measured: the tuple, its integers and its share of the list that holds it
_QUANTUM = 512  # configurations between two looks at the clock

_Seen: TypeAlias = Configuration | dict[int, list[Configuration]]


@frozen
class _Trial:
    """A return that was come back to, and the ways past it that are left."""

    level: int
    ways: Iterator[Configuration | None]


class Search:
    """One search; `run` does it.

    Attributes:
        line: what it searches.
        returns: how many of the returns it must pass.
        seen: for each return that was reached, the configurations in which it was.
        spent: the estimated bytes of those.

    """

    def __init__(self, line: Timeline, transitions: Transitions, returns: int | None = None) -> None:
        self.line = line
        self.returns = len(line.returns) if returns is None else returns
        self.seen: list[_Seen] = []
        self.spent = 0
        self._transitions = transitions
        self._passed: Configuration | None = None

    def reached(self) -> list[Configuration]:
        """The configurations in which the furthest return was reached, or all were passed."""
        if self._passed is not None:
            return [self._passed]
        last = self.seen[-1]
        return [last] if isinstance(last, tuple) else [one for those in last.values() for one in those]

    def run(self) -> Generator[None, None, bool]:  # noqa: PLR0915  # a call a step costs double
        """Whether there is a legal order; yields now and then, so that other searches may run.

        Raises:
            OutOfTimeError, OutOfMemoryBudgetError: that is used up.

        """
        line, transitions = self.line, self._transitions
        kind, bit, upto, returns, opened = line.kind, line.bit, line.upto, line.returns, line.open
        rows, miss, budget = transitions.rows, transitions.miss, transitions.budget
        still, blind, total = transitions.still, transitions.blind, transitions.total
        seen = self.seen
        levels = self.returns
        owner: dict[int, int] = {}
        closure = Closure(line, transitions, owner)
        stack: list[Configuration | _Trial] = []
        level = invoked = 0
        state, done, free, used = transitions.initial, 0, 0, 0
        parent: Configuration | None = None
        placed: Placed = ()
        quantum = _QUANTUM
        while level < levels:
            quantum -= 1
            if not quantum:
                quantum = _QUANTUM
                self.spent += _QUANTUM * _CONFIGURATION_BYTES
                budget.spend(_QUANTUM * _CONFIGURATION_BYTES)
                yield
            row = rows[state]
            until = upto[level]
            while invoked < until:
                k = kind[invoked]
                b = bit[invoked]
                owner[b] = invoked
                after = row.get(k)
                if after is None:
                    after = miss(state, k)
                if state in after:
                    free |= b
                invoked += 1
            here: Configuration = (level, state, done, free, used, parent, placed)
            if level == len(seen):
                seen.append(here)
                fresh = True
            else:
                fresh = _is_new(here, seen)
            if fresh:
                returning = returns[level]
                b = bit[returning]
                parent, placed = here, ()
                if done & b:
                    done ^= b
                    level += 1
                    continue
                k = kind[returning]
                if free & b and still[k]:
                    free ^= b
                    level += 1
                    continue
                stack.append(here)
                after = row.get(k)
                if after is None:
                    after = miss(state, k)
                if free & b:
                    free ^= b
                    if not blind[k] or state not in after:
                        level += 1
                        continue
                elif after:
                    state = after[0]
                    row = rows[state]
                if after:
                    overwrites = blind[k]
                    owing = opened[level] & ~(done | free | b)
                    while owing:
                        other = owing & -owing
                        owing ^= other
                        ko = kind[owner[other]]
                        if overwrites and total[ko]:
                            free |= other
                            continue
                        after = row.get(ko)
                        if after is None:
                            after = miss(state, ko)
                        if state in after:
                            free |= other
                    placed = ((returning, state),)
                    level += 1
                    continue
            # Back to the latest return that can be passed in another way.
            while stack:
                top = stack[-1]
                if isinstance(top, tuple):
                    top = stack[-1] = _Trial(top[0], closure.ways(top))
                until = upto[top.level]
                while invoked > until:
                    invoked -= 1
                    owner[bit[invoked]] = line.before[invoked]
                found = next(top.ways, top)
                while found is None:
                    budget.check()
                    yield
                    found = next(top.ways, top)
                if isinstance(found, tuple):
                    level, state, done, free, used, parent, placed = found
                    break
                stack.pop()
            else:
                return False
        self._passed = (level, state, done, free, used, parent, placed)
        return True


def _is_new(here: Configuration, seen: list[_Seen]) -> bool:
    """Remembers the configuration, unless one that was seen stands for all that it does."""
    level, state, done, free, used, _, _ = here
    known = seen[level]
    if isinstance(known, tuple):
        known = seen[level] = {known[1]: [known]}
    those = known.setdefault(state, [])
    for _, _, other_done, other_free, other_used, _, _ in those:
        if not ((done ^ other_done) | free) & ~other_free and not other_used & ~used:
            return False
    those.append(here)
    return True

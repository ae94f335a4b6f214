"""The ways to get past one return: some open operations placed, and then the returning one.

All are listed, shortest first, but for those that another makes unnecessary. Let o be the returning
operation and x an open one that is legal in every state ("write" or "update"):

*   x frees nothing that needs a certain state, and the next operation placed is a "write": leaving x open is
    at least as good, because that write frees it.
*   x leads to a state t from which no operation that needs a certain state, and is still owed, can become
    legal without a "write" between (`_Goals`): then a "write" comes before any of them, or none of them
    comes at all. Until then nothing depends on x having been placed: it can as well be placed when it
    returns or be freed by that write.
*   o leaves an operation of its own kind behind that returns later: o itself can take its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

from kalam_props.checks.linearizability.timeline import Timeline
from kalam_props.checks.linearizability.transitions import Transitions

Placed: TypeAlias = tuple[tuple[int, int], ...]
"""Operations in order, each with the state after it. Ranks, or -1 - n for the n-th optional effect."""

Configuration: TypeAlias = tuple[int, int, int, int, int, "Configuration | None", Placed]
"""What is known when a return is reached: its level; the state; bits of the open operations that were placed
and of those that are free; bits of the optional effects that were used; the configuration at the return
before, and what was placed since."""

_PAUSE = 64  # states expanded between two looks at the clock
_FAR = 100  # returns looked ahead for the next operation that needs a certain state


_Mover: TypeAlias = tuple[int, int, int, int]
"""An operation to place: its bit if it is open, its bit if it is an optional effect, its kind, its number."""


class Closure:
    """Lists the ways past a return. `owner` tells which rank each bit stands for at present."""

    def __init__(self, line: Timeline, transitions: Transitions, owner: dict[int, int]) -> None:
        self.line = line
        self.transitions = transitions
        self.owner = owner
        self.expanded = 0

    def ways(self, here: Configuration) -> Iterator[Configuration | None]:
        """The configurations at the next return that can be reached from `here`.

        None now and then: the caller may look at the clock. The owners must be those of this return whenever
        it goes on.
        """
        transitions, line = self.transitions, self.line
        blind, total, next_states = transitions.blind, transitions.total, transitions.next_states
        level, state, done, free, used, _, _ = here
        returning = line.returns[level]
        leaving = line.bit[returning]
        last = line.kind[returning]
        was_free = bool(free & leaving)
        ends_blind = blind[last]
        goals = _Goals(self, here)

        def finish(state: int, done: int, free: int, used: int, placed: Placed) -> Iterator[Configuration]:
            for after in next_states(state, last):
                freed = self._freed(level, after, last, done | leaving, free & ~leaving, 0)
                if not was_free or after != state or freed != free & ~leaving:
                    yield level + 1, after, done, freed, used, here, (*placed, (returning, after))

        yield from finish(state, done, free, used, ())
        seen = {state: [(done, free, used)]}
        queue: deque[tuple[int, int, int, int, Placed, bool]] = deque([(state, done, free, used, (), False)])
        while queue:
            state, done, free, used, placed, idle = queue.popleft()
            self.expanded += 1
            if not self.expanded % _PAUSE:
                yield None
            for bit, mark, k, number in goals.movers(done, free, used):
                if idle and blind[k]:
                    continue
                for after in next_states(state, k):
                    if after == state and not blind[k]:
                        continue
                    rest = free & ~bit
                    if total[k] and goals.lost(after, done | bit, rest):
                        continue
                    freed = self._freed(level, after, k, done | bit, rest, leaving)
                    if after == state and freed == rest:
                        continue
                    now = (done | bit, freed, used | mark)
                    if _known(seen.setdefault(after, []), now):
                        continue
                    order = (*placed, (number, after))
                    useless = total[k] and not freed & ~rest & goals.fixed
                    if not (useless and ends_blind):
                        yield from finish(after, *now, order)
                    queue.append((after, *now, order, useless))

    def _freed(self, level: int, state: int, k: int, done: int, free: int, kept: int) -> int:
        """What is free once an operation of kind `k` led to `state`. A write does not free `kept`."""
        transitions, kind, owner = self.transitions, self.line.kind, self.owner
        row, total = transitions.rows[state], transitions.total
        overwrites = transitions.blind[k]
        owing = self.line.open[level] & ~(done | free)
        while owing:
            other = owing & -owing
            owing ^= other
            ko = kind[owner[other]]
            if overwrites and other != kept and total[ko]:
                free |= other
                continue
            after = row.get(ko)
            if after is None:
                after = transitions.miss(state, ko)
            if state in after:
                free |= other
        return free


def _known(those: list[tuple[int, int, int]], now: tuple[int, int, int]) -> bool:
    """Whether one of those stands for all that `now` does; if not, `now` is one of them from here on."""
    done, free, used = now
    for other_done, other_free, other_used in those:
        if not ((done ^ other_done) | free) & ~other_free and not other_used & ~used:
            return True
    those.append(now)
    return False


class _Goals:
    """What may be placed before a return, and what that could be good for.

    Attributes:
        fixed: the bits of the open operations that are owed and need a certain state.

    """

    def __init__(self, closure: Closure, here: Configuration) -> None:
        line, transitions = closure.line, closure.transitions
        self._transitions = transitions
        level, _, done, free, _, _, _ = here
        returning = line.returns[level]
        leaving, last = line.bit[returning], line.kind[returning]
        total, still = transitions.total, transitions.still
        skipped = -1 if free & leaving else last
        opened: list[tuple[int, int, int, int]] = []
        self.fixed = 0
        # Kinds that need a certain state, with the bits of those that are owed; 0: at least one always is.
        self._wanted: dict[int, int] = {}
        bits = line.open[level] & ~(done | leaving)
        while bits:
            bit = bits & -bits
            bits ^= bit
            rank = closure.owner[bit]
            k = line.kind[rank]
            if not still[k] and k != skipped:
                opened.append((line.level[rank], bit, k, rank))
            if not total[k] and not free & bit:
                self.fixed |= bit
                self._wanted[k] = self._wanted.get(k, 0) | bit
        opened.sort()
        self._opened = [(bit, k, rank) for _, bit, k, rank in opened]
        self._count = line.optional_upto[level]
        self._optional = [
            (k, those)
            for k, those in line.optional_by_kind.items()
            if those[0] < self._count and k != skipped
        ]
        self._endless = line.endless
        self._ahead = total[last] and not transitions.blind[last]
        self._until = 0
        self._anything = self._ahead and not self._look_ahead(line, here)
        if not total[last]:
            self._wanted[last] = 0
        self._changers: list[int] | None = None

    def _look_ahead(self, line: Timeline, here: Configuration) -> bool:
        """Adds what needs a certain state and is invoked before the next such operation returns, if near.

        That holds for as long as this next one is owed: `_until` is its bit if it is open already, for then
        it may be had here, and what is wanted after it is not known.
        """
        transitions = self._transitions
        if transitions.model.towards is None:
            return False
        level, _, done, free, _, _, _ = here
        invoked = line.upto[level]
        for ahead in range(level + 1, min(level + _FAR, len(line.returns))):
            rank = line.returns[ahead]
            if transitions.total[line.kind[rank]] or (rank < invoked and line.bit[rank] & (done | free)):
                continue
            for k in line.kind[invoked : line.upto[ahead]]:
                if not transitions.total[k]:
                    self._wanted[k] = 0
            self._until = line.bit[rank] if rank < invoked else 0
            return True
        return level + _FAR >= len(line.returns)

    def movers(self, done: int, free: int, used: int) -> Iterator[_Mover]:
        """The open operations and optional effects that can be placed next, of equal ones the first."""
        tried: dict[int, int] = {}
        for bit, k, rank in self._opened:
            if not done & bit:
                freed = free & bit
                if k not in tried or (tried[k] and not freed):
                    tried[k] = freed
                    yield bit, 0, k, rank
        for k, those in self._optional:
            if k not in tried:
                for n in those:
                    if n >= self._count:
                        break
                    mark = 1 << n
                    if not used & mark:
                        yield 0, 0 if self._endless & mark else mark, k, -1 - n
                        break

    def lost(self, state: int, done: int, free: int) -> bool:
        """Whether nothing that is wanted can be had from this state before the next "write"."""
        if self._anything or self._until & (done | free):
            return False
        transitions = self._transitions
        possible = False
        for k, bits in self._wanted.items():
            if (not bits or bits & ~free) and transitions.leads(state, k):
                if transitions.next_states(state, k):
                    return False
                possible = True
        if not possible or self._ahead:
            return not possible
        if self._changers is None:
            kinds = {k for _, k, _ in self._opened}.union(k for k, _ in self._optional)
            self._changers = [k for k in kinds if not transitions.blind[k]]
        return all(after == state for k in self._changers for after in transitions.next_states(state, k))

"""A legal order of a register or a text, looked for in one pass from return to return.

Only orders are found here: that there is none is left to the search. So any rule of thumb may choose what to
try, as long as what it arrives at is an order. The pass has one state and needs no sets of what is open: an
operation that asks only for what may have been so long before its return is judged by *when* it was so last.
Times are numbers of operations invoked so far, so "when operation r had been invoked" is "later than r":

*   A read is placed where its value was last the state; a refused compare-and-set where another value was.
*   A write is placed where its value was the state anyway; it, or an append, also right before any write, which
    undoes it.
*   All others are placed by name, at the latest when they return. Where a state is asked for that is not there,
    chains of open operations that make it are looked for, backwards from it.

Where several things could be done, the others are kept and tried in turn if no way past a later return is
found: the last decision first, and not for long. That is enough for most histories with a few operations open
at a time, and takes about as long as laying them out for the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from itertools import islice
from typing import TypeAlias

from attrs import frozen

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.operation import Settled

ANYTHING = object()
"""Found by an operation that is possible in every state."""
_CHAIN = 4  # operations that together make one value
_SOON = 7  # returns looked ahead for the next value that is asked for
_AHEAD = 12  # returns looked ahead where there was no way on
_BACK = 2  # decisions undone at first where there is no way on
_BEYOND = 1  # returns past the one that stopped it, until it is believed to be passed
_TRIES = 8  # before the pass gives up; and one for four operations
_DOUBTS = 16  # at one return, until other means are tried first
_TRIES_HERE = 100  # before it gives up at one return
_NEAR = 32
_MOVERS = 10
_PLACED = 3
_ENDS = 24
_WAYS = 6


class Move(IntEnum):
    """What an operation does."""

    NOTHING = 0
    READ = 1  # finds a value
    REFUSED = 2  # finds any value but one
    WRITE = 3  # makes a value
    CHANGE = 4  # finds one value and makes another
    APPEND = 5  # makes a longer text of the text that it finds


NOTHING, READ, REFUSED, WRITE, CHANGE, APPEND = (int(move) for move in Move)


@frozen
class Moves:
    """Operations in order of invocation, and what they found and made.

    Attributes:
        initial: the state before the first.
        move: what each does.
        found: the value that a READ or CHANGE found, or that a REFUSED did not.
        made: the value that a WRITE or CHANGE made; the text that an APPEND appended.
        invoked: when, in nanoseconds.
        returned: when; NEVER for an indeterminate one.

    """

    initial: object
    move: Sequence[int]
    found: Sequence[object]
    made: Sequence[object]
    invoked: Sequence[int]
    returned: Sequence[int]


Chain: TypeAlias = tuple[int, ...]
"""Operations that are placed one after the other."""

_Decision: TypeAlias = tuple[int, object, int, int, int, int, int]
"""How things were when a return was come to at which something may be placed: its level, `state`, `entered`,
`overwritten`, `invoked`, and how much there was of `placed` and `left`."""


class Pass:
    """One pass; `judge` does it. Values that cannot be looked up raise a TypeError."""

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.text = APPEND in moves.move
        self.changing = CHANGE in moves.move
        self.state = moves.initial
        self.entered = 0  # since when it is the state
        self.overwritten = 0  # when a WRITE was placed last
        self.invoked = 0  # how many have been invoked
        self.open: dict[int, None] = {}  # the open ones that change something and were not placed by name
        self.spare: dict[object, dict[int, None]] = {}  # the same of the indeterminate ones, by what they make
        self.last: dict[object, int] = {}  # when each value was the state, before the present one
        self.placed: list[int] = []  # by name, in order
        self.named = bytearray(len(moves.move))  # which these are
        self.left: list[tuple[object, int]] = []  # what `last` was, to go back to
        self.decisions: list[_Decision] = []
        self.returns = [rank for rank, end in enumerate(moves.returned) if end < NEVER]
        self.returns.sort(key=moves.returned.__getitem__)

    def judge(self, check: Callable[[], None], otherwise: Callable[[], Settled | None]) -> Settled | None:
        """Holds, if an order was found; if it takes long, what is found out `otherwise`. `check` may raise."""
        levels = len(self.returns)
        patience = _TRIES + levels // 4
        doubted = False
        level = self._advance(0)
        while level < levels:
            chain = self._guess(level)
            if chain is not None:
                level = self._go(level, chain)
                continue
            far, back, here = level, _BACK, 0
            while level <= far:
                check()
                if here >= _DOUBTS and not doubted:
                    doubted = True
                    settled = otherwise()
                    if settled is not None:
                        return settled
                if here >= _TRIES_HERE or patience <= 0 or not self.decisions:
                    return None if doubted else otherwise()
                level = self._return_to(max(0, len(self.decisions) - back), level)
                most = min(patience, _TRIES_HERE if doubted else _DOUBTS)
                level, tries = self._try_ways(level, min(far + _BEYOND, levels), most)
                patience -= tries
                here += tries
                back *= 2
        return Settled("holds")

    def _try_ways(self, level: int, until: int, patience: int) -> tuple[int, int]:
        """Tries in turn what can be done from a return on, until the return `until` is reached.

        The return at which it is then, which is the same as before if there was no way; and how many were tried.
        """
        base, tries = len(self.decisions), 0
        seen = {self._outlook(level)}
        left = [self._ways(level)]
        while left:
            if not left[-1]:
                left.pop()
                continue
            if tries == patience:
                break
            tries += 1
            at = base + len(left) - 1
            if at < len(self.decisions):
                level = self._return_to(at, level)
            level = self._go(level, left[-1].pop())
            if level >= until:
                return level, tries
            outlook = self._outlook(level)
            if outlook not in seen:
                seen.add(outlook)
                left.append(self._ways(level))
        if base < len(self.decisions):
            level = self._return_to(base, level)
        return level, tries

    def _outlook(self, level: int) -> tuple[object, ...]:
        """What matters for how to go on."""
        near = [rank for rank in self.returns[level : level + _NEAR] if rank < self.invoked]
        return (
            level,
            self.state,
            tuple([rank for rank in near if self.named[rank]]),
            tuple([rank for rank in near if not self.named[rank] and self._passes(rank)]),
            sum(map(len, self.spare.values())),
        )

    def _passes(self, rank: int) -> bool:
        """Whether an open operation can return without anything being placed for it."""
        did, found, made = self.moves.move[rank], self.moves.found[rank], self.moves.made[rank]
        if did == READ:
            return self.state == found or self.last.get(found, 0) > rank
        if did == REFUSED:
            return self.state != found or self.entered > rank
        if rank not in self.open or (did != CHANGE and self.overwritten > rank):
            return True
        return did == WRITE and (self.state == made or self.last.get(made, 0) > rank)

    def _advance(self, level: int) -> int:
        """Goes on from a return to the next at which something may be placed."""
        moves, returns, last, opened, spare = self.moves, self.returns, self.last, self.open, self.spare
        move, found, made = moves.move, moves.found, moves.made
        invoked, returned = moves.invoked, moves.returned
        state, entered, at = self.state, self.entered, self.invoked
        count, levels = len(move), len(returns)
        while level < levels:
            rank = returns[level]
            now = returned[rank]
            while at < count and invoked[at] <= now:
                if move[at] >= WRITE:
                    if returned[at] < NEVER:
                        opened[at] = None
                    else:
                        spare.setdefault((move[at], found[at], made[at]), {})[at] = None
                at += 1
            did = move[rank]
            if did == READ:
                value = found[rank]
                if state != value and last.get(value, 0) <= rank:
                    break
            elif did == REFUSED:
                if state == found[rank] and entered <= rank:
                    break
            elif rank in opened:
                if len(opened) > 1 or spare or did == CHANGE or self.overwritten > rank:
                    break
                # Nothing else could be placed: that is no decision.
                value = made[rank] if did == WRITE else state + made[rank]
                if state != value:
                    self.left.append((state, last.get(state, 0)))
                    last[state] = self.entered = entered = at
                    self.state = state = value
                if did == WRITE:
                    self.overwritten = at
                self.placed.append(rank)
                self.named[rank] = 1
                opened.clear()
            level += 1
        self.invoked = at
        return level

    def _go(self, level: int, chain: Chain) -> int:
        """Places something at a return and goes on to the next."""
        moves = self.moves
        move, found, made, returned = moves.move, moves.found, moves.made, moves.returned
        self.decisions.append(
            (
                level,
                self.state,
                self.entered,
                self.overwritten,
                self.invoked,
                len(self.placed),
                len(self.left),
            )
        )
        for rank in chain:
            before = self.state
            value: object = before + made[rank] if move[rank] == APPEND else made[rank]  # type: ignore[operator]
            if value != before:
                self.left.append((before, self.last.get(before, 0)))
                self.last[before] = self.entered = self.invoked
                self.state = value
            if move[rank] == WRITE:
                self.overwritten = self.invoked
            self.placed.append(rank)
            self.named[rank] = 1
            if returned[rank] < NEVER:
                del self.open[rank]
            else:
                del self.spare[move[rank], found[rank], made[rank]][rank]
        self.open.pop(self.returns[level], None)
        return self._advance(level + 1)

    def _return_to(self, decision: int, level: int) -> int:
        """Undoes a decision and all that was done since, up to the present return; the return it was made at."""
        moves = self.moves
        move, found, made, returned = moves.move, moves.found, moves.made, moves.returned
        start, self.state, self.entered, self.overwritten, invoked, placed, left = self.decisions[decision]
        del self.decisions[decision:]
        for rank in self.placed[placed:]:
            self.named[rank] = 0
            if returned[rank] < NEVER:
                self.open[rank] = None
            else:
                self.spare[move[rank], found[rank], made[rank]][rank] = None
        del self.placed[placed:]
        for rank in self.returns[start:level]:
            if move[rank] >= WRITE and not self.named[rank]:
                self.open[rank] = None
        for rank in range(invoked, self.invoked):
            if move[rank] >= WRITE:
                if returned[rank] < NEVER:
                    self.open.pop(rank, None)
                else:
                    del self.spare[move[rank], found[rank], made[rank]][rank]
        self.invoked = invoked
        for value, when in reversed(self.left[left:]):
            self.last[value] = when
        del self.left[left:]
        return start

    def _guess(self, level: int) -> Chain | None:
        """What to place at a return, by what is open alone; None if nothing leads past it."""
        moves, state = self.moves, self.state
        rank = self.returns[level]
        did, found, made = moves.move[rank], moves.found[rank], moves.made[rank]
        if did == WRITE:
            if self.overwritten > rank or state == made or self.last.get(made, 0) > rank:
                wanted = self._wanted(level)
                if self.text:
                    near = wanted.startswith(made) and not wanted.startswith(state)
                else:
                    near = wanted == made
                return (rank,) if near and state != made else ()
            return (*self._changes(rank), rank) if self.changing else (rank,)
        if did == APPEND:
            wanted = self._wanted(level)
            if wanted.startswith(state + made):
                return (rank,)
            if wanted is not state:
                for other in self._movers():
                    if other != rank and wanted.startswith(self._after(other, state) + made):
                        return (other, rank)
            return () if self.overwritten > rank else (rank,)
        if did == REFUSED:
            return next(
                ((q,) for q in self._movers() if moves.made[q] != state and self._possible(q, state)), None
            )
        if did == CHANGE and state == found:
            return (rank,)
        chain = self._chain(found, rank)
        if chain is None:
            return None
        if self.changing and moves.move[chain[0]] == WRITE:
            chain = (*self._changes(rank, *chain), *chain)
        return (*chain, rank) if did == CHANGE else chain

    def _changes(self, *without: int) -> Chain:
        """Compare-and-sets that can be placed in the present state, where a WRITE comes next anyway."""
        moves, state = self.moves, self.state
        chain: Chain = ()
        for rank in self.open:
            if moves.move[rank] == CHANGE and moves.found[rank] == state and rank not in without:
                chain = (*chain, rank)
                state = moves.made[rank]
        return chain

    def _wanted(self, level: int) -> object:
        """What a soon returning operation finds that has not been there for it."""
        move, found, state, last = self.moves.move, self.moves.found, self.state, self.last
        for rank in self.returns[level + 1 : level + (_AHEAD if self.text else _SOON)]:
            if move[rank] == READ or move[rank] == CHANGE:
                value = found[rank]
                if state != value and last.get(value, 0) <= rank:
                    return value
        return state

    def _possible(self, rank: int, state: object) -> bool:
        return self.moves.move[rank] != CHANGE or self.moves.found[rank] == state

    def _after(self, rank: int, state: object) -> object:
        made = self.moves.made[rank]
        return state + made if self.moves.move[rank] == APPEND else made  # type: ignore[operator]

    def _movers(self) -> Iterator[int]:
        """What may be placed, and of the indeterminate ones two of each kind."""
        yield from self.open
        for those in self.spare.values():
            yield from islice(those, 2)

    def _chain(self, target: object, last: int) -> Chain | None:
        """The fewest operations other than `last` that lead to a state."""
        ends: list[tuple[object, Chain]] = [(target, ())]
        for _ in range(_CHAIN):
            following: list[tuple[object, Chain]] = []
            for value, chain in ends:
                for rank, before in self._makers(value, (last, *chain)):
                    if before is ANYTHING or before == self.state:
                        return (rank, *chain)
                    following.append((before, (rank, *chain)))
            ends = following
        return None

    def _makers(self, value: object, without: Chain) -> list[tuple[int, object]]:
        """Operations that make a value, each with the value that it must find; what needs one comes first."""
        moves = self.moves
        move, made, returned = moves.move, moves.made, moves.returned
        best: dict[object, int] = {}
        for rank in self._movers():
            if rank in without:
                continue
            if move[rank] == APPEND:
                if not value.endswith(made[rank]):
                    continue
                before: object = value[: len(value) - len(made[rank])]
            elif made[rank] != value:
                continue
            else:
                before = moves.found[rank] if move[rank] == CHANGE else ANYTHING
            if before not in best or returned[rank] < returned[best[before]]:
                best[before] = rank
        return sorted(((rank, before) for before, rank in best.items()), key=lambda one: one[1] is ANYTHING)

    def _ways(self, level: int) -> list[Chain]:
        """All that a few operations can do to get past a return; what promises most comes last."""
        moves = self.moves
        rank = self.returns[level]
        did, found = moves.move[rank], moves.found[rank]
        movers = sorted(self.open, key=moves.returned.__getitem__)[:_MOVERS]
        spares = [rank for those in self.spare.values() for rank in islice(those, 2)]
        near = self.returns[level : level + _AHEAD]
        asked = {moves.found[q] for q in near if moves.move[q] == READ or moves.move[q] == CHANGE}
        ways: list[Chain] = [()] if self._passes(rank) else []
        ends: list[tuple[Chain, object]] = [((), self.state)]
        for _ in range(_PLACED):
            following: list[tuple[Chain, object]] = []
            for chain, state in ends:
                for other in (*movers, *spares):
                    if other in chain or not self._possible(other, state):
                        continue
                    after, longer = self._after(other, state), (*chain, other)
                    if other != rank and moves.move[other] != CHANGE and not self._asked(after, asked):
                        continue
                    if other == rank or (did == READ and after == found) or (did == REFUSED and after != found):
                        ways.append(longer)
                    else:
                        following.append((longer, after))
            ends = following[:_ENDS]
        return sorted(ways, key=lambda way: self._misses(level, way), reverse=True)[-_WAYS:]

    def _asked(self, state: object, values: set[object]) -> bool:
        if not self.text:
            return state in values
        for value in values:
            if value.startswith(state):
                return True
        return False

    def _misses(self, level: int, chain: Chain) -> int:
        """How badly what returns soon would be served, if these were placed: a guess."""
        moves = self.moves
        move, found, made = moves.move, moves.found, moves.made
        state, overwritten, was = self.state, False, set()
        for rank in chain:
            was.add(state)
            state = self._after(rank, state)
            overwritten = overwritten or move[rank] == WRITE
        misses = len(chain)
        for rank in self.returns[level + 1 : level + _AHEAD]:
            did = move[rank]
            early = rank < self.invoked
            if did == READ or did == CHANGE:
                if did == CHANGE and (self.named[rank] or rank in chain):
                    continue
                value = found[rank]
                if state != value and self.last.get(value, 0) <= rank and not (early and value in was):
                    misses += 2
                    if self.text and not value.startswith(state):
                        misses += 4
                    was.add(state)
                    state = value
                if did == CHANGE:
                    was.add(state)
                    state = made[rank]
            elif did == REFUSED:
                misses += state == found[rank] and self.entered <= rank and not (early and was)
            elif self.named[rank] or rank in chain or (early and overwritten) or self.overwritten > rank:
                continue
            elif did == APPEND or (state != made[rank] and not (early and made[rank] in was)):
                was.add(state)
                overwritten = overwritten or did == WRITE
                state = self._after(rank, state)
        return misses

"""How far a pass over a history has got, with one state, and the way back.

There are no sets of what is open: an operation that asks only for what may have been so long before its
return is judged by *when* it was so last. Times are numbers of operations invoked so far, so "when the
operation of rank r had been invoked" is "later than r":

*   A read is placed where its value was last the state; a refused compare-and-set where another value was.
*   A write is placed where its value was the state anyway; it, or an append, also right before any write,
    which undoes it.
*   All others are placed by name, at the latest when they return.
"""

from __future__ import annotations

from typing import TypeAlias

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.moves import APPEND, CHANGE, READ, REFUSED, WRITE, Moves, Value

_NEAR = 32  # returns; what is open longer is left out where two outlooks are compared

Chain: TypeAlias = tuple[int, ...]
"""Operations that are placed one after the other, by rank."""

_Decision: TypeAlias = tuple[int, Value, int, int, int, int, int]
"""How things were when a return was come to at which something may be placed: its level, `state`, `entered`,
`overwritten`, `invoked`, and how much there was of `placed` and `_left`."""


class Standing:
    """Where a pass has got to. Values that cannot be looked up raise a TypeError.

    Attributes:
        moves: the operations.
        returns: ranks in order of their returns; a return's place in it is its level.
        text: whether there are appends.
        changing: whether there are CHANGEs.
        state: the present one.
        entered: since when it is the state.
        overwritten: when a WRITE was placed last.
        invoked: how many have been invoked.
        open: the open ones that change something and were not placed by name.
        spare: the same of the indeterminate ones, by kind.
        spared: how many those are.
        last: when each value was the state, before the present one.
        placed: what was placed by name, in order; `named` has a 1 for each.
        decisions: where something was placed that could have been another.

    """

    __slots__ = (
        "_all", "_left", "changing", "decisions", "entered", "invoked", "last", "moves", "named", "open",
        "overwritten", "placed", "returns", "spare", "spared", "state", "text",
    )  # fmt: skip

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.returns = [rank for rank, end in enumerate(moves.returned) if end < NEVER]
        self.returns.sort(key=moves.returned.__getitem__)
        self.text = APPEND in moves.move
        self.changing = CHANGE in moves.move
        self.state = moves.initial
        self.entered = self.overwritten = self.invoked = 0
        self.open: dict[int, None] = {}
        self.spare: dict[tuple[int, Value, Value], dict[int, None]] = {}
        self.spared = 0
        self.last: dict[Value, int] = {}
        self.placed: list[int] = []
        self.named = bytearray(len(moves.move))
        self.decisions: list[_Decision] = []
        self._left: list[tuple[Value, int]] = []
        # Taken apart at once each time, which is quicker than one by one.
        self._all = (
            moves.move, moves.found, moves.made, moves.invoked, moves.returned, self.returns, self.last,
            self.open, self.spare, len(moves.move), len(self.returns),
        )  # fmt: skip

    def advance(self, level: int) -> int:
        """Goes on from a return to the next at which something may be placed."""
        move, found, made, invoked, returned, returns, last, opened, spare, count, levels = self._all
        state, entered, at = self.state, self.entered, self.invoked
        while level < levels:
            rank = returns[level]
            now = returned[rank]
            while at < count and invoked[at] <= now:
                if move[at] >= WRITE:
                    if returned[at] < NEVER:
                        opened[at] = None
                    else:
                        spare.setdefault((move[at], found[at], made[at]), {})[at] = None
                        self.spared += 1
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
                    self._left.append((state, last.get(state, 0)))
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

    def go(self, level: int, chain: Chain) -> int:
        """Places something at a return and goes on to the next."""
        moves, placed, last, left = self.moves, self.placed, self.last, self._left
        state, now = self.state, self.invoked
        self.decisions.append(
            (level, state, self.entered, self.overwritten, now, len(placed), len(left)),
        )
        for rank in chain:
            did, made = moves.move[rank], moves.made[rank]
            value = state + made if did == APPEND else made
            if value != state:
                left.append((state, last.get(state, 0)))
                last[state] = self.entered = now
                self.state = state = value
            if did == WRITE:
                self.overwritten = now
            placed.append(rank)
            self.named[rank] = 1
            if moves.returned[rank] < NEVER:
                del self.open[rank]
            else:
                del self.spare[did, moves.found[rank], made][rank]
                self.spared -= 1
        self.open.pop(self.returns[level], None)
        return self.advance(level + 1)

    def go_back(self, decision: int, level: int) -> int:
        """Undoes a decision and all that was done since, up to a return; the return at which it was made."""
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
                self.spared += 1
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
                    self.spared -= 1
        self.invoked = invoked
        for value, when in reversed(self._left[left:]):
            self.last[value] = when
        del self._left[left:]
        return start

    def outlook(self, level: int) -> tuple[object, ...]:
        """What matters for how to go on."""
        invoked, named, passes = self.invoked, self.named, self.passes
        near = self.returns[level : level + _NEAR]
        done = [
            rank if named[rank] else ~rank
            for rank in near
            if rank < invoked and (named[rank] or passes(rank))
        ]
        return level, self.state, tuple(done), self.spared

    def passes(self, rank: int) -> bool:
        """Whether an open operation can return without anything being placed for it."""
        did, found, made = self.moves.move[rank], self.moves.found[rank], self.moves.made[rank]
        if did == READ:
            return self.state == found or self.last.get(found, 0) > rank
        if did == REFUSED:
            return self.state != found or self.entered > rank
        if rank not in self.open or (did != CHANGE and self.overwritten > rank):
            return True
        return did == WRITE and (self.state == made or self.last.get(made, 0) > rank)

"""What to place at a return, by rule of thumb: a quick guess, or all that a few operations can do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.moves import APPEND, CHANGE, READ, REFUSED, WRITE, Value
from kalam_props.checks.linearizability.standing import Chain, Standing

_ANYTHING = object()
"""Found by an operation that is possible in every state."""
_CHAIN = 4  # operations that together make one value
_SOON = 7  # returns looked ahead for the next value that is asked for
_AHEAD = 12  # the same where that value is a text, or where there was no way on
_MOVERS = 10  # open operations of which all ways are made
_PLACED = 3  # operations that are placed in one of all ways, at most
_ENDS = 24  # beginnings of ways that are followed
_WAYS = 6  # that are tried
_FINDS = (READ, CHANGE)


def guess(at: Standing, level: int) -> Chain | None:
    """What to place at a return, by what is open alone; None if nothing leads past it."""
    moves, state = at.moves, at.state
    rank = at.returns[level]
    did, found, made = moves.move[rank], moves.found[rank], moves.made[rank]
    if did == WRITE:
        if at.overwritten > rank or state == made or at.last.get(made, 0) > rank:
            wanted = _wanted(at, level)
            near = wanted.startswith(made) > wanted.startswith(state) if at.text else wanted == made
            return (rank,) if near and state != made else ()
        return (*_changes(at, rank), rank) if at.changing else (rank,)
    if did == APPEND:
        wanted = _wanted(at, level)
        if wanted.startswith(state + made):
            return (rank,)
        chain = _toward(at, wanted, rank) if wanted is not state else None
        if chain is not None:
            return chain
        return () if at.overwritten > rank else (rank,)
    if did == REFUSED:
        return next(((q,) for q in _movers(at) if moves.made[q] != state and _possible(at, q, state)), None)
    if did == CHANGE and state == found:
        return (rank,)
    chain = _chain(at, found, rank)
    if chain is None:
        return None
    if at.changing and moves.move[chain[0]] == WRITE:
        chain = (*_changes(at, rank, *chain), *chain)
    return (*chain, rank) if did == CHANGE else chain


def _changes(at: Standing, *without: int) -> Chain:
    """Compare-and-sets that can be placed in the present state, where a WRITE comes next anyway."""
    moves, state = at.moves, at.state
    chain: Chain = ()
    for rank in at.open:
        if moves.move[rank] == CHANGE and moves.found[rank] == state and rank not in without:
            chain = (*chain, rank)
            state = moves.made[rank]
    return chain


def _wanted(at: Standing, level: int) -> Value:
    """What a soon returning operation finds that has not been there for it."""
    move, found, state, last = at.moves.move, at.moves.found, at.state, at.last
    for rank in at.returns[level + 1 : level + (_AHEAD if at.text else _SOON)]:
        if move[rank] in _FINDS:
            value = found[rank]
            if state != value and last.get(value, 0) <= rank:
                return value
    return state


def _toward(at: Standing, wanted: str, last: int) -> Chain | None:
    """Operations that begin a text which is asked for, up to `last`."""
    made, move = at.moves.made, at.moves.move
    ends: list[tuple[Chain, str]] = [((), at.state)]
    for _ in range(_CHAIN):
        following: list[tuple[Chain, str]] = []
        for chain, state in ends:
            for other in _movers(at):
                after = state + made[other] if move[other] == APPEND else made[other]
                if other not in chain and wanted.startswith(after):
                    if other == last:
                        return (*chain, last)
                    following.append(((*chain, other), after))
        ends = following[:_WAYS]
    return None


def _possible(at: Standing, rank: int, state: Value) -> bool:
    return at.moves.move[rank] != CHANGE or at.moves.found[rank] == state


def _after(at: Standing, rank: int, state: Value) -> Value:
    made = at.moves.made[rank]
    return state + made if at.moves.move[rank] == APPEND else made


def _movers(at: Standing) -> Iterator[int]:
    """What may be placed, and of the indeterminate ones two of each kind."""
    yield from at.open
    for those in at.spare.values():
        yield from islice(those, 2)


def _chain(at: Standing, target: Value, last: int) -> Chain | None:
    """The fewest operations other than `last` that lead to a state."""
    ends: list[tuple[Value, Chain]] = [(target, ())]
    for _ in range(_CHAIN):
        following: list[tuple[Value, Chain]] = []
        for value, chain in ends:
            for rank, before in _makers(at, value, (last, *chain)):
                if before is _ANYTHING or before == at.state:
                    return (rank, *chain)
                following.append((before, (rank, *chain)))
        ends = following
    return None


def _makers(at: Standing, value: Value, without: Chain) -> list[tuple[int, Value]]:
    """Operations that make a value, each with the value that it must find; what needs one comes first."""
    moves = at.moves
    move, made, returned = moves.move, moves.made, moves.returned
    best: dict[Value, int] = {}
    for rank in _movers(at):
        if rank in without:
            continue
        if move[rank] == APPEND:
            if not value.endswith(made[rank]):
                continue
            before: Value = value[: len(value) - len(made[rank])]
        elif made[rank] != value:
            continue
        else:
            before = moves.found[rank] if move[rank] == CHANGE else _ANYTHING
        if before not in best or returned[rank] < returned[best[before]]:
            best[before] = rank
    return sorted(((rank, before) for before, rank in best.items()), key=lambda one: one[1] is _ANYTHING)


def ways(at: Standing, level: int) -> list[Chain]:
    """All that a few operations can do to get past a return; what promises most comes last.

    Besides the returning one, what makes a value that nobody soon asks for is left out, unless it is owed.
    """
    moves = at.moves
    move, found, made, returned = moves.move, moves.found, moves.made, moves.returned
    rank = at.returns[level]
    did, target = move[rank], found[rank]
    near = at.returns[level : level + _AHEAD]
    asked = {found[q] for q in near if move[q] in _FINDS}
    movers = sorted(at.open, key=returned.__getitem__)[:_MOVERS]
    movers += [q for those in at.spare.values() for q in islice(those, 1)]
    makers = [
        q
        for q in movers
        if q == rank
        or (move[q] == CHANGE and returned[q] < NEVER)
        or (move[q] != APPEND and _asked(at, made[q], asked))
    ]
    longer = [q for q in movers if move[q] == APPEND and q != rank]
    ways: list[Chain] = [()] if at.passes(rank) else []
    ends: list[tuple[Chain, Value]] = [((), at.state)]
    for _ in range(_PLACED):
        following: list[tuple[Chain, Value]] = []
        for chain, state in ends:
            others = makers
            if longer:
                begun = [text for text in asked if text.startswith(state)]
                others = makers + [
                    q for q in longer if any(text.startswith(made[q], len(state)) for text in begun)
                ]
            for other in others:
                if other in chain or (move[other] == CHANGE and found[other] != state):
                    continue
                after = state + made[other] if move[other] == APPEND else made[other]
                if other == rank or (did == READ and after == target) or (did == REFUSED and after != target):
                    ways.append((*chain, other))
                else:
                    following.append(((*chain, other), after))
        ends = following[:_ENDS]
    if len(ways) > 1:
        ways.sort(key=lambda way: _misses(at, level, way), reverse=True)
    return ways[-_WAYS:]


def _asked(at: Standing, state: Value, values: set[Value]) -> bool:
    if not at.text:
        return state in values
    return any(value.startswith(state) for value in values)


def _misses(at: Standing, level: int, chain: Chain) -> int:
    """How badly what returns soon would be served, if these were placed: a guess."""
    moves = at.moves
    move, found, made = moves.move, moves.found, moves.made
    state, overwritten, was = at.state, False, set()
    for rank in chain:
        was.add(state)
        state = _after(at, rank, state)
        overwritten = overwritten or move[rank] == WRITE
    misses = len(chain)
    for rank in at.returns[level + 1 : level + _AHEAD]:
        did = move[rank]
        early = rank < at.invoked
        if did in _FINDS:
            if did == CHANGE and (at.named[rank] or rank in chain):
                continue
            value = found[rank]
            if state != value and at.last.get(value, 0) <= rank and not (early and value in was):
                misses += 2
                if at.text and not value.startswith(state):
                    misses += 4
                was.add(state)
                state = value
            if did == CHANGE:
                was.add(state)
                state = made[rank]
        elif did == REFUSED:
            misses += state == found[rank] and at.entered <= rank and not (early and was)
        elif at.named[rank] or rank in chain or (early and overwritten) or at.overwritten > rank:
            continue
        elif did == APPEND or (state != made[rank] and not (early and made[rank] in was)):
            was.add(state)
            overwritten = overwritten or did == WRITE
            state = _after(at, rank, state)
    return misses

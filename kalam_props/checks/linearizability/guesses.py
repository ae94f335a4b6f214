"""What to place at a return, by rule of thumb: a quick guess, or all that a few operations can do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

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
        did = move[rank]
        if did == READ or did == CHANGE:  # noqa: PLR1714, SIM109  # this is where time goes
            value = found[rank]
            if state != value and last.get(value, 0) <= rank:
                return value
    return state


def _toward(at: Standing, wanted: str, last: int) -> Chain | None:
    """Operations that begin a text which is asked for, up to `last`."""
    made, move = at.moves.made, at.moves.move
    if made[last] not in wanted:
        return None
    movers = list(_movers(at))
    ends: list[tuple[Chain, str]] = [((), at.state)]
    for _ in range(_CHAIN):
        following: list[tuple[Chain, str]] = []
        for chain, state in ends:
            longer = wanted.startswith(state)
            for other in movers:
                piece = made[other]
                if move[other] == APPEND:
                    if not longer or not wanted.startswith(piece, len(state)) or other in chain:
                        continue
                elif not wanted.startswith(piece) or other in chain:
                    continue
                if other == last:
                    return (*chain, last)
                following.append(((*chain, other), state + piece if move[other] == APPEND else piece))
        if not following:
            return None
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
        if not following:
            return None
        ends = following
    return None


def _makers(at: Standing, value: Value, without: Chain) -> list[tuple[int, Value]]:
    """Operations that make a value, each with the value that it must find; what needs one comes first."""
    moves = at.moves
    move, found, made, returned = moves.move, moves.found, moves.made, moves.returned
    best: dict[Value, int] = {}
    for rank in at.open:
        did = move[rank]
        if did == APPEND:
            if rank in without or not value.endswith(made[rank]):
                continue
            before: Value = value[: len(value) - len(made[rank])]
        elif made[rank] != value or rank in without:
            continue
        else:
            before = found[rank] if did == CHANGE else _ANYTHING
        if before not in best or returned[rank] < returned[best[before]]:
            best[before] = rank
    for (did, finds, makes), those in at.spare.items():
        if did == APPEND:
            if not value.endswith(makes):
                continue
            before = value[: len(value) - len(makes)]
        elif makes != value:
            continue
        else:
            before = finds if did == CHANGE else _ANYTHING
        for rank in those:
            if rank not in without:
                best.setdefault(before, rank)
                break
    blind = best.pop(_ANYTHING, None)
    makers = [(rank, before) for before, rank in best.items()]
    return makers if blind is None else [*makers, (blind, _ANYTHING)]


def ways(at: Standing, level: int) -> list[Chain]:
    """All that a few operations can do to get past a return; what promises most comes last.

    Besides the returning one, what makes a value that nobody soon asks for is left out, unless it is owed.
    """
    moves = at.moves
    move, found, made, returned = moves.move, moves.found, moves.made, moves.returned
    rank = at.returns[level]
    did, target = move[rank], found[rank]
    near = at.returns[level : level + (_AHEAD if at.text else _SOON + 1)]
    asked = {found[q] for q in near if move[q] in _FINDS}
    movers = sorted(at.open, key=returned.__getitem__)[:_MOVERS]
    longer: list[int] = []
    if at.text:
        movers += [next(iter(those)) for those in at.spare.values() if those]
        makers = [q for q in movers if q == rank or (move[q] != APPEND and _begins(made[q], asked))]
        longer = [q for q in movers if move[q] == APPEND and q != rank]
    else:
        makers = [q for q in movers if q == rank or move[q] == CHANGE or made[q] in asked]
        makers += [next(iter(those)) for (_, _, makes), those in at.spare.items() if those and makes in asked]
    ways: list[Chain] = [()] if at.passes(rank) else []
    ends: list[tuple[Chain, Value]] = [((), at.state)]
    for placed in range(1, _PLACED + 1):
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
                elif placed < _PLACED:
                    following.append(((*chain, other), after))
        ends = following[:_ENDS]
    if len(ways) > 1:
        ways.sort(key=lambda way: _misses(at, level, way), reverse=True)
    return ways[-_WAYS:]


def _begins(state: str, texts: set[str]) -> bool:
    return any(text.startswith(state) for text in texts)


def _misses(at: Standing, level: int, chain: Chain) -> int:
    """How badly what returns soon would be served, if these were placed: a guess."""
    move, found, made = at.moves.move, at.moves.found, at.moves.made
    invoked, named, last, text = at.invoked, at.named, at.last, at.text
    state, overwritten, was = at.state, False, set()
    for rank in chain:
        was.add(state)
        state = _after(at, rank, state)
        overwritten = overwritten or move[rank] == WRITE
    misses = len(chain)
    for rank in at.returns[level + 1 : level + _AHEAD]:
        did = move[rank]
        early = rank < invoked
        if did == READ or did == CHANGE:  # noqa: PLR1714, SIM109
            if did == CHANGE and (named[rank] or rank in chain):
                continue
            value = found[rank]
            if state != value and last.get(value, 0) <= rank and not (early and value in was):
                misses += 2
                if text and not value.startswith(state):
                    misses += 4
                was.add(state)
                state = value
            if did == CHANGE:
                was.add(state)
                state = made[rank]
        elif did == REFUSED:
            misses += state == found[rank] and at.entered <= rank and not (early and was)
        elif named[rank] or rank in chain or (early and overwritten) or at.overwritten > rank:
            continue
        elif did == APPEND or (state != made[rank] and not (early and made[rank] in was)):
            was.add(state)
            overwritten = overwritten or did == WRITE
            state = state + made[rank] if did == APPEND else made[rank]
    return misses

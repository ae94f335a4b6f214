"""A legal order of a register or a text, looked for in one pass from return to return.

Only orders are found here: that there is none is left to others. So any rule of thumb may choose what to try,
as long as what it arrives at is an order (`standing.py`). At a return that cannot be passed as things stand,
the best guess is placed. Where there is none, the latest decisions are taken back, and there all that a few
operations can do is tried, what promises most first (`guesses.py`); if that does not help, decisions further
back, but not for long. That is enough for most histories with few operations open at a time, and takes about
as long as laying them out for the search.
"""

from __future__ import annotations

from collections.abc import Callable

from kalam_props.checks.linearizability.guesses import guess, ways
from kalam_props.checks.linearizability.moves import Moves
from kalam_props.checks.linearizability.operation import Settled
from kalam_props.checks.linearizability.standing import Standing

_BACK = 1  # decisions taken back at first where there is no way on
_TRIES = 32  # before the pass gives up; and one for four operations
_TRIES_HERE = 100  # the same at one return
_DOUBTS = 16  # at one return, until other means are tried first
_CROWD = 100  # open operations that change something; with more of them a guess takes too long
_PAUSE = 64  # decisions between two looks at the clock


def look_for_order(
    moves: Moves,
    check: Callable[[], None],
    in_doubt: Callable[[int], Settled | None],
    otherwise: Callable[[], Settled | None],
) -> Settled | None:
    """Holds, if an order was found; else what is found out `otherwise`.

    `check` is called at times, and may raise. `in_doubt` may decide where it is hard to get past the return
    of an operation, given its rank. Values that cannot be looked up raise a TypeError.
    """
    at = Standing(moves)
    levels = len(at.returns)
    patience = _TRIES + levels // 4
    doubted = False
    level = at.advance(0)
    while level < levels:
        if not len(at.decisions) % _PAUSE:
            check()
            if len(at.open) + len(at.spare) > _CROWD:
                break
        chain = guess(at, level)
        if chain is not None:
            level = at.go(level, chain)
            continue
        far, back, here, looked = level, _BACK, 0, False
        while level <= far:
            check()
            if here >= _DOUBTS and not looked:
                looked = doubted = True
                settled = in_doubt(at.returns[far])
                if settled is not None:
                    return settled
            if here >= _TRIES_HERE or patience <= 0 or not at.decisions:
                return otherwise()
            level = at.go_back(max(0, len(at.decisions) - back), level)
            most = min(patience, _TRIES_HERE if doubted else _DOUBTS)
            level, tries = _try_ways(at, level, far, most)
            patience -= tries
            here += tries
            back *= 2
    if level == levels:
        return Settled("holds")
    return otherwise()


def _try_ways(at: Standing, level: int, far: int, patience: int) -> tuple[int, int]:
    """Tries in turn what can be done from a return on, until the return `far` is passed.

    The return at which it is then, which is the same as before if there was no way; and how many were tried.
    """
    base, tries = len(at.decisions), 0
    seen = {at.outlook(level)}
    left = [ways(at, level)]
    while left and tries < patience:
        if not left[-1]:
            left.pop()
            continue
        tries += 1
        decision = base + len(left) - 1
        if decision < len(at.decisions):
            level = at.go_back(decision, level)
        level = at.go(level, left[-1].pop())
        if level > far:
            return level, tries
        outlook = at.outlook(level)
        if outlook not in seen:
            seen.add(outlook)
            left.append(ways(at, level))
    if base < len(at.decisions):
        level = at.go_back(base, level)
    return level, tries

"""How often a failure shows itself, and what that means for the number of runs.

Exact binomial bounds (Clopper and Pearson 1934), by bisection: n is at most some hundreds here.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def runs_needed(rate: float, miss: float = 0.01) -> int:
    """Runs after which a failure of this rate was seen with probability 1 - `miss`.

    `ceil(log(miss) / log(1 - rate))`; 1 for a rate of 1.

    Raises:
        ValueError: a rate that is not above 0.

    """
    if rate <= 0:
        raise ValueError("a failure that never shows itself needs infinitely many runs")
    if rate >= 1:
        return 1
    return max(1, math.ceil(math.log(miss) / math.log1p(-rate)))


def lower_bound(seen: int, runs: int, confidence: float = 0.9) -> float:
    """The rate that the true one is above with this confidence, having seen it `seen` times in `runs`."""
    if seen == 0:
        return 0.0
    return _bisect(lambda rate: _at_least(seen, runs, rate) < 1 - confidence)


def upper_bound(seen: int, runs: int, confidence: float = 0.9) -> float:
    """The rate that the true one is below with this confidence."""
    if seen == runs:
        return 1.0
    return _bisect(lambda rate: _at_least(seen + 1, runs, rate) <= confidence)


def _at_least(seen: int, runs: int, rate: float) -> float:
    """Probability of `seen` or more in `runs` at this rate."""
    return sum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(seen, runs + 1))


def _bisect(low_enough: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if low_enough(middle):
            low = middle
        else:
            high = middle
    return low


def still_fails(seen: int, runs: int, rate: float) -> bool | None:
    """Whether a program still fails about as often as `rate`; None while the runs so far don't say.

    Wald's sequential probability ratio test (1945) of `rate` against a quarter of it: a good candidate is
    accepted early and a hopeless one dropped early, and one that fails only by rare luck is not mistaken
    for a reproduction. A bad one is accepted 1 time in 20, a good one dropped 1 time in 10:
    that is quicker, and what was dropped is tried again in the next phase.
    """
    good = min(0.95, max(rate, 0.02))
    bad = good / 4
    evidence = seen * math.log(good / bad) + (runs - seen) * math.log((1 - good) / (1 - bad))
    if evidence >= math.log(0.95 / 0.05):
        return True
    return False if evidence <= math.log(0.10 / 0.95) else None

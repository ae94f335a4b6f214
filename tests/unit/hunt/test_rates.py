"""How many runs mean something."""

from __future__ import annotations

import math

import pytest

from kalam_props.hunt.rates import lower_bound, runs_needed, upper_bound


@pytest.mark.parametrize(("rate", "runs"), [(1.0, 1), (0.5, 7), (0.3, 13), (0.1, 44), (0.01, 459)])
def test_runs_for_99_percent(rate, runs):
    """ceil(log(0.01) / log(1 - rate))."""
    assert runs_needed(rate) == runs


def test_a_failure_that_never_shows_needs_infinitely_many_runs():
    """Asking for it is a mistake, not a large number."""
    with pytest.raises(ValueError, match="never"):
        runs_needed(0.0)


@pytest.mark.parametrize(("seen", "runs"), [(1, 4), (5, 20), (19, 20), (1, 100)])
def test_the_bounds_are_clopper_and_pearson_s(seen, runs):
    """At the lower bound, as many or more have probability 0.1; at the upper, as many or fewer."""

    def probability(of, rate):
        return sum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in of)

    assert probability(range(seen, runs + 1), lower_bound(seen, runs)) == pytest.approx(0.1, abs=1e-6)
    assert probability(range(seen + 1), upper_bound(seen, runs)) == pytest.approx(0.1, abs=1e-6)


def test_never_and_always_are_at_the_ends():
    """A rate seen 0 times may be 0, one seen always may be 1."""
    assert lower_bound(0, 20) == 0.0
    assert upper_bound(20, 20) == 1.0

"""What the runs of a replay mean."""

from __future__ import annotations

import pytest

from kalam_props.hunt.replay import outcome_of


@pytest.mark.parametrize(
    ("seen", "runs", "comparable", "status"),
    [
        (1, 1, True, "FAILED"),
        (0, 9, True, "NOT-REPRODUCED"),
        (0, 10, True, "FIXED"),
        (0, 10, False, "NOT-REPRODUCED"),
        (1, 10, False, "FAILED"),
    ],
)
def test_no_failure_is_evidence_after_enough_runs_of_the_same_kind(seen, runs, comparable, status):
    """Ten are needed. A rate found with the gate says nothing of runs without; a failure is one anyway."""
    assert outcome_of(seen, runs, 10, comparable=comparable) == status

"""The seed scenario, smaller than on the command line."""

from __future__ import annotations

from kalam_props.hunt.scenario import Scenario, run


def test_each_user_sees_exactly_their_own_rows(kalam_workspace, tmp_path):
    """Users insert side by side across the flush boundary; then each sees all of theirs and no other."""
    acknowledged = []
    result = run(
        Scenario(users=3, rows=30, flush_rows=20), kalam_workspace, tmp_path / "h.jsonl", acknowledged.append
    )
    assert [(user.seen, user.foreign) for user in result.users] == [(30, 0)] * 3
    assert sum(acknowledged) == result.inserted == 90
    assert result.evidence.flushes > 0
    assert result.evidence.overlapping_pairs > 0
    assert result.passed, result.verdict

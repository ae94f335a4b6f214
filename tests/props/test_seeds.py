"""The committed seeds: bugs that were found once must not come back."""

from __future__ import annotations

import pytest

from kalam_props.hunt.replay import replay
from kalam_props.hunt.seeds import SEEDS_FOLDER, find


@pytest.mark.parametrize(
    "path", find((SEEDS_FOLDER,)) if SEEDS_FOLDER.is_dir() else [], ids=lambda path: path.stem
)
def test_a_committed_seed_does_not_fail(kalam_lab, path):
    """Replayed as often as its rate asks for: FIXED, or not seen; a known open bug must still fail."""
    result = replay(kalam_lab, path, until_confident=False)
    assert result.status != "ERROR", result.message
    assert not result.red, result.message

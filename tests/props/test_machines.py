"""Every machine against the target: no anomaly, and not vacuous."""

from __future__ import annotations

import pytest

from kalam_props.programs.machines import MACHINES


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_is_found_on_a_healthy_server(kalam_hunt, name):
    """Every program is explained by some order of its operations; flushes ran, operations met."""
    kalam_hunt(MACHINES[name])

"""How the pytest plugin reads a variable that is a switch."""

from __future__ import annotations

import pytest

from kalam_props.pytest_plugin import switched_on


@pytest.mark.parametrize(
    ("value", "on"),
    [(None, True), ("1", True), ("true", True), ("0", False), ("False", False), (" no ", False)],
)
def test_a_switch_is_on_unless_it_says_no(value, on):
    """As click reads KALAM_PROPS_GATE for the command line."""
    assert switched_on(value) is on

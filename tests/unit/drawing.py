"""Programs as a hunt draws them, the same in every run of the tests."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kalam_props.programs.machine import bind


def draw(machine, *, programs, steps):
    """The first `programs` programs of a machine, of at most `steps` rules each."""
    drawn = []
    run_state_machine_as_test(
        bind(machine, drawn.append),
        settings=settings(
            max_examples=programs,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return drawn

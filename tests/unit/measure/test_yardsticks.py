"""The hand-written minima: one for each fault, none larger than another of the same fault."""

from __future__ import annotations

import pytest

from kalam_props.checks.profiles import MOST_TELLING_FIRST
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.codec import from_json, to_json
from kalam_props.reference import FAULTS


def test_each_fault_has_one():
    """A fault without a yardstick could not be measured; one without a fault would be dead."""
    assert set(YARDSTICKS) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_anomaly_that_it_must_cause_is_among_its_names(fault):
    """The catalogue and the yardsticks agree, in names that the checks know."""
    names = YARDSTICKS[fault].names
    assert FAULTS[fault].anomaly in names
    assert names <= set(MOST_TELLING_FIRST)


@pytest.mark.parametrize("fault", FAULTS)
def test_minima_are_programs_of_one_size(fault):
    """Each can be run and saved, and none is larger than the smallest."""
    minima = YARDSTICKS[fault].minima
    assert {program.operations for program in minima} == {YARDSTICKS[fault].operations}
    assert [from_json(to_json(program)) for program in minima] == list(minima)

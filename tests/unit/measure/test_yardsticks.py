"""The hand-written minima: one for each fault, none larger than another of the same fault."""

from __future__ import annotations

import pytest

from kalam_props.checks.profiles import MOST_TELLING_FIRST
from kalam_props.history.operations import Flush
from kalam_props.hunt.structure import in_turns, steps_of
from kalam_props.measure.shape import shape
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


def commanded(program):
    """Whether it flushes by command."""
    return any(isinstance(step.op, Flush) for step in steps_of(program))


@pytest.mark.parametrize("fault", FAULTS)
def test_minima_of_one_kind_of_flush_are_programs_of_one_size(fault):
    """Each can be run and saved; none is larger than the smallest of its kind, and none is there twice."""
    minima = YARDSTICKS[fault].minima
    for kind in (True, False):
        assert len({program.operations for program in minima if commanded(program) == kind}) <= 1
    assert min(program.operations for program in minima) == YARDSTICKS[fault].operations
    assert [from_json(to_json(program)) for program in minima] == list(minima)
    assert len({shape(program) for program in minima}) == len(minima)


def test_a_minimum_without_its_concurrency_is_one():
    """Who reproduces a race with nothing side by side has done no worse; with another operation, worse."""
    yardstick = YARDSTICKS["shared-identity"]
    race = yardstick.minima[0]
    assert all(yardstick.has(program, "foreign-row") for program in (race, *in_turns(race)))
    assert not yardstick.has(YARDSTICKS["tombstone-dropped"].minima[0], "foreign-row")


def test_a_larger_one_is_a_minimum_under_its_name_only():
    """A delete that a kill undid takes a row, and a row that a kill lost does not take a delete."""
    yardstick = YARDSTICKS["not-durable"]
    (undone,) = yardstick.under["resurrected-row"]
    assert yardstick.has(undone, "resurrected-row")
    assert not yardstick.has(undone, "lost-after-crash")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_a_minimum_under_a_name_only_is_larger_than_all_others(fault):
    """Else it would be one of them; and the fault may show itself under that name."""
    yardstick = YARDSTICKS[fault]
    assert yardstick.under.keys() <= yardstick.names
    for program in (program for programs in yardstick.under.values() for program in programs):
        assert program.operations > yardstick.operations
        assert not any(yardstick.has(program, name) for name in yardstick.names - yardstick.under.keys())

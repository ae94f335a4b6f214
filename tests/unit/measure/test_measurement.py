"""What hunts made of faults, summed up, saved and shown."""

from __future__ import annotations

import json
import shutil

import pytest
from attrs import evolve

from kalam_props.errors import CorruptInputError
from kalam_props.measure import records
from kalam_props.measure.measurement import Budget, Measurement, measure, middle_and_ninetieth
from kalam_props.measure.records import Attempt
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.report import measuring
from kalam_props.targets.opening import TargetOptions

PROGRAM = YARDSTICKS["lost-on-flush"].minima[0]
FOUND = Attempt(
    random_seed=1,
    programs=7,
    seconds=2.5,
    anomaly="lost-row",
    named_right=True,
    program=PROGRAM,
    operations=3,
    minimal=True,
    shrink_s=20.0,
    reproduced=(9, 20),
)
NOT_FOUND = Attempt(2, 40, 12.0, error="the server went away")
MADE_WITH = {"fault": "lost-on-flush", "parameters": {"window": "2ms"}, "programs": 40}


@pytest.mark.parametrize("attempt", [FOUND, NOT_FOUND])
def test_an_attempt_comes_back_from_its_file(attempt, tmp_path):
    """With the same settings; with others it is as if there were none."""
    file = tmp_path / "attempt.json"
    assert records.read(file, MADE_WITH) is None
    records.write(file, MADE_WITH, attempt)
    assert records.read(file, MADE_WITH) == attempt
    assert records.read(file, {**MADE_WITH, "programs": 41}) is None


@pytest.mark.parametrize("text", ["", "[]", '{"made_with": {}}', "{}"])
def test_a_file_that_is_no_record_is_an_error_that_names_it(text, tmp_path):
    """And says what to do."""
    file = tmp_path / "attempt.json"
    file.write_text(text)
    with pytest.raises(CorruptInputError, match=r"attempt\.json.*remove it"):
        records.read(file, {})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([3.0], (3.0, 3.0)),
        ([1.0, 2.0], (1.5, 2.0)),
        ([*map(float, range(1, 11))], (5.5, 9.0)),
        ([*map(float, range(1, 21))], (10.5, 18.0)),
    ],
)
def test_nine_in_ten_are_at_most_the_ninetieth_percentile(values, expected):
    """Median, and the smallest value that nine in ten do not exceed."""
    assert middle_and_ninetieth(values) == expected


def test_a_measurement_counts_what_was_found():
    """Hunts that found nothing are in the total alone."""
    beaten = evolve(FOUND, random_seed=3, operations=2, minimal=False, named_right=False, reproduced=(1, 20))
    one = Measurement("lost-on-flush", "easy", 3, (FOUND, NOT_FOUND, beaten))
    assert (len(one.found), one.named_right, one.minimal) == (2, 1, 1)
    assert one.above_minimum == (0, -1)
    assert one.reproduced == (10, 40)


def test_the_document_for_people_says_how_it_was_made_and_what_ended_early():
    """A table with one row for each fault and difficulty, after the command that makes it again."""
    setting = measuring.Setting("2026-01-02", ("kalam-props", "faults"), "reference", "process", "a machine")
    text = measuring.markdown(setting, [Measurement("lost-on-flush", "easy", 3, (FOUND, NOT_FOUND))])
    assert "<!-- Made by `kalam-props faults`; do not edit. -->" in text
    assert "Measured on 2026-01-02" in text
    assert (
        "| lost-on-flush | easy | 1 of 2 | 7 / 7 | 2.5 / 2.5 | 1 of 1 | 3 (3) | 1 of 1 | 20 / 20 | 9 of 20 |"
    ) in text
    assert "- lost-on-flush, easy, seed 2: the server went away" in text


def test_a_fault_is_measured_and_the_measurement_goes_on_where_it_was(tmp_path):
    """A certain fault is found, named and shrunk to what is written by hand; its record is used again."""
    told = []

    def on_attempt(fault, difficulty, attempt):
        told.append((fault, difficulty, attempt))

    budget = Budget(programs=60, seconds=None, shrink_s=4)
    target = TargetOptions(driver="http")
    one = measure("applied-but-refused", "easy", 1, budget, target, tmp_path, on_attempt)
    (attempt,) = one.attempts
    assert attempt.found
    assert attempt.named_right
    assert attempt.error is None
    assert 1 <= attempt.programs <= 60
    assert attempt.reproduced is not None
    assert attempt.reproduced[1] > 0
    shutil.rmtree(tmp_path / "applied-but-refused-easy-01" / "histories")
    again = measure("applied-but-refused", "easy", 1, budget, target, tmp_path, on_attempt)
    assert json.dumps(records.to_json(again.attempts[0])) == json.dumps(records.to_json(attempt))
    assert len(told) == 2
    assert not (tmp_path / "applied-but-refused-easy-01" / "histories").exists()

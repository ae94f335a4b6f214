"""What `--fault` takes: a name, parameters, a difficulty; and how each mistake is told."""

from __future__ import annotations

import pytest

from kalam_props.errors import UsageError
from kalam_props.reference import FAULTS, parse_fault


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_defaults_and_three_difficulties_that_can_be_read(name):
    """From easy to hard a window gets no longer and a rate no greater."""
    (parameter,) = FAULTS[name].parameters
    read = {"window": lambda fault: fault.seconds("window"), "rate": lambda fault: fault.probability("rate")}
    assert read[parameter](parse_fault(name)) > 0
    easy, medium, hard = (
        read[parameter](parse_fault(f"{name}:difficulty={level}")) for level in ("easy", "medium", "hard")
    )
    assert easy > medium > hard > 0


@pytest.mark.parametrize(
    "text",
    ["stale-count", "stale-count:window=500us", "stale-count:difficulty=hard", "not-durable:rate=0.25"],
)
def test_a_switched_fault_reads_back_from_its_text(text):
    """So that a run says how to switch it on again."""
    assert str(parse_fault(text)) == text
    assert parse_fault(str(parse_fault(text))) == parse_fault(text)


def test_a_parameter_that_is_given_wins_over_the_difficulty():
    """In either order."""
    for text in ("stale-count:difficulty=hard,window=1s", "stale-count:window=1s,difficulty=hard"):
        assert parse_fault(text).seconds("window") == 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stale-cuont", "did you mean stale-count?"),
        ("", "unknown fault ''"),
        ("stale-count:rate=1", "unknown parameter of fault stale-count 'rate' (known: window, difficulty)"),
        ("stale-count:window", "parameter window needs a value"),
        ("stale-count:window=3", "'3' is no duration; write 500us, 2ms or 1s"),
        ("stale-count:difficulty=harder", "did you mean hard? (known: easy, medium, hard)"),
        ("not-durable:rate=2", "'2' is not between 0 and 1"),
        ("not-durable:rate=nan", "'nan' is not between 0 and 1"),
        ("not-durable:rate=x", "not-durable: rate: could not convert"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_is_known(text, words):
    """And names the fault and the parameter."""
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert words in str(caught.value)

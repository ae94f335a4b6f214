"""Programs as JSON: what is stable, and what is refused with which words."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kalam_props.errors import CorruptInputError
from kalam_props.programs.codec import digest, from_json, read_program, to_json
from kalam_props.programs.machine import bind
from kalam_props.programs.machines import MACHINES

COUNT = {"op": "count", "table": "t"}
PROGRAM = {
    "format": "kalam-props-program",
    "version": 1,
    "tables": {
        "t": {
            "type": "user",
            "columns": [["id", "BIGINT"], ["v", "TEXT"], ["n", "BIGINT"]],
            "key": "id",
            "flush_rows": 5,
        }
    },
    "rounds": [
        {"lanes": {"u0/1": [{"op": "insert", "table": "t", "rows": [[1, "a", 0], [2, "b", None]]}]}},
        {
            "lanes": {
                "u0/1": [{"op": "flush", "table": "t"}],
                "u0/2": [
                    {"op": "select", "table": "t", "release": {"anchor": "flush", "fraction": 0.37}},
                ],
                "u1/1": [
                    {
                        "op": "insert",
                        "table": "t",
                        "rows": [[1, "c", 0]],
                        "release": {"anchor": "round", "us": 120},
                        "net": {"cut": "after-forward"},
                    }
                ],
            }
        },
    ],
}


def test_a_program_is_written_as_it_was_read():
    """Reading and writing lose nothing and add nothing."""
    assert json.loads(json.dumps(to_json(from_json(PROGRAM)))) == PROGRAM


def test_the_digest_is_of_the_canonical_json():
    """First 16 hex digits of the SHA-256 of sorted keys, no spaces, UTF-8."""
    text = json.dumps(PROGRAM, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest(from_json(PROGRAM)) == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", MACHINES)
def test_every_drawn_program_survives_its_json(name):
    """Whatever a machine draws can be saved as a seed and read again."""
    drawn = []
    run_state_machine_as_test(
        bind(MACHINES[name], drawn.append),
        settings=settings(
            max_examples=30,
            stateful_step_count=10,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert any(program.operations > 3 for program in drawn)
    for program in drawn:
        assert from_json(json.loads(json.dumps(to_json(program)))) == program


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "expected"),
        ({"rounds": [{"lanes": {}}]}, "round 0 has no lane"),
        ({"rounds": [{"lanes": {"u0": []}}]}, "'u0' is not a session"),
        ({"rounds": [{"lanes": {"u0/1": [{"op": "jump"}]}}]}, "unknown operation 'jump'"),
        ({"rounds": [{"lanes": {"u0/1": [{"op": "flush", "table": "x"}]}}]}, "unknown table 'x'"),
        ({"rounds": [{"lanes": {"u0/1": [{"op": "flush", "tabel": "t"}]}}]}, "table"),
        (
            {"rounds": [{"lanes": {"u0/1": [{"op": "insert", "table": "t", "rows": [[1]]}]}}]},
            "a row of t has 3 values",
        ),
        (
            {"rounds": [{"lanes": {"u0/1": [{"op": "count", "table": "t", "net": {"cutt": "x"}}]}}]},
            "cutt",
        ),
        (
            {"rounds": [{"lanes": {"u0/1": [COUNT | {"release": {"anchor": "answer", "fraction": 0.5}}]}}]},
            "step 0: a release at its answer has us and no fraction",
        ),
        (
            {"rounds": [{"lanes": {"u0/1": [COUNT | {"release": {"anchor": "flush", "us": 500}}]}}]},
            "step 0: a release at its flush has a fraction and no us",
        ),
        ({"tables": {"t": {"type": "user", "columns": [["id", "BIGINT"]], "key": "k"}}}, "key"),
    ],
)
def test_a_bad_program_is_refused_with_its_place(change, words):
    """A seed edited by hand says what is wrong with it, not that something is."""
    with pytest.raises(CorruptInputError, match=words):
        from_json(PROGRAM | change, source="seed.json")


def test_a_file_that_is_not_json_names_its_line(tmp_path):
    """File and line, so that an editor can jump there."""
    path = tmp_path / "program.json"
    path.write_text('{"format":\n nonsense}')
    with pytest.raises(CorruptInputError, match=r"program\.json:2: is not JSON"):
        read_program(path)

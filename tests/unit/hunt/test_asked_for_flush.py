"""Whether a run asked for a flush, by what its history says was written."""

from __future__ import annotations

import json

import pytest
from simulated import write_history

from kalam_props.history.operations import Flush, Insert
from kalam_props.history.reader import read_history
from kalam_props.hunt.lab import asks_for_flush
from kalam_props.programs.model import Program, Round, Step, TableDef

ROWS = Insert("t", ((1, "a"), (2, "b")))


def asked(tmp_path, *lane, flush_rows=4, fail=()):
    program = Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=flush_rows)},
        (Round({"u0/1": tuple(map(Step, lane))}),),
    )
    path = write_history(program, tmp_path / "history.jsonl")
    for i in fail:
        error = {"code": "duplicate-key", "message": "taken"}
        refusal = json.dumps({"i": 100 + i, "t": 100 + i, "e": "fail", "of": i, "error": error})
        path.write_text(f"{path.read_text()}{refusal}\n")
    return asks_for_flush(program, read_history(path))


def test_rows_that_reach_the_boundary_ask_for_a_flush(tmp_path):
    assert asked(tmp_path, ROWS, ROWS)
    assert not asked(tmp_path, ROWS)


def test_rows_that_were_refused_ask_for_none(tmp_path):
    """A run whose batches are refused has not failed to see the flush that nobody asked for."""
    assert not asked(tmp_path, ROWS, ROWS, fail=(3,))


@pytest.mark.parametrize(("lane", "asks"), [((ROWS, Flush("t")), True), ((Flush("t"), ROWS), False)])
def test_a_command_asks_for_a_flush_of_what_is_there(lane, asks, tmp_path):
    assert asked(tmp_path, *lane, flush_rows=None) == asks

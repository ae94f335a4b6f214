"""Seed files: readable, complete, and refused in words."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from kalam_props.errors import CorruptInputError, StorageError
from kalam_props.history.operations import Flush, Insert
from kalam_props.hunt import seeds
from kalam_props.hunt.replay import needed_runs
from kalam_props.programs.model import Program, Round, Step, TableDef

SEED = seeds.Seed(
    anomaly="lost-row",
    explanation="row 1 of u0 is gone",
    program=Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=2)},
        (
            Round({"u0/1": (Step(Insert("t", ((1, "it's; ż"),))),)}),
            Round({"u0/1": (Step(Flush("t")),), "u0/2": (Step(Insert("t", ((2, "b"),))),)}),
        ),
    ),
    reproduced=(9, 20),
    needs_concurrency=True,
    found=seeds.Found(
        "reference 0.1", "client 0.1", "process", "token", False, "2026-01-01", ("lost-on-flush",), 7
    ),
    history=({"format": "kalam-props-history"}, {"i": 1}),
)


def test_a_seed_is_read_as_it_was_written(tmp_path):
    """Nothing is lost on the way through a file."""
    assert seeds.read(seeds.save(SEED, tmp_path)) == SEED


def test_a_seed_is_json_with_a_step_a_line(tmp_path):
    """A diff of two seeds shows the step that changed."""
    text = seeds.save(SEED, tmp_path).read_text()
    assert json.loads(text)["program"]["rounds"][0]["lanes"]["u0/1"][0]["op"] == "insert"
    assert [line.strip()[:14] for line in text.splitlines() if '"op"' in line] == [
        '{"op": "insert',
        '{"op": "flush"',
        '{"op": "insert',
    ]


def test_the_same_finding_goes_to_the_same_file(tmp_path):
    """Named by anomaly and program: found twice, it is one seed."""
    first = seeds.save(SEED, tmp_path)
    assert seeds.save(evolve(SEED, reproduced=(1, 2)), tmp_path) == first
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "expected a seed"),
        ({"version": 9}, "version 1"),
        ({"anomaly": 3}, "anomaly"),
        ({"reproduced": [3, 2]}, "reproduced"),
        ({"known_open": ""}, "known_open"),
        ({"program": {}}, "expected"),
        ({"found": None}, "found"),
    ],
)
def test_a_bad_seed_is_refused_in_words(tmp_path, change, words):
    """Which field, and what it should be."""
    path = seeds.save(SEED, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CorruptInputError, match=words):
        seeds.read(path)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    """A misspelt file name must not pass as 'no seeds, nothing failed'."""
    with pytest.raises(CorruptInputError, match="no such file"):
        seeds.find((tmp_path / "nope.json",))


def test_a_folder_gives_its_seeds_in_order(tmp_path):
    """Replays run in the same order everywhere."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert [path.name for path in seeds.find((tmp_path,))] == ["a.json", "b.json"]


def test_a_seed_that_cannot_be_written_says_where(tmp_path):
    """The path and the reason, no traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        seeds.save(SEED, tmp_path / "file")


def test_a_fix_needs_more_runs_the_rarer_the_failure():
    """99 % confidence at the lower bound of the recorded rate."""
    assert needed_runs(evolve(SEED, reproduced=(20, 20))) < needed_runs(SEED)
    assert needed_runs(evolve(SEED, reproduced=(1, 20))) > 100

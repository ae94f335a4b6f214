"""What runs of a seed mean: the same anomaly, another side of it, another anomaly, nothing."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from attrs import evolve
from findings import PROGRAM
from simulated import SimulatedLab

from kalam_props.errors import TargetError
from kalam_props.hunt import seeds
from kalam_props.hunt.replay import needed_runs, replay, replay_all, sighting

SEED = seeds.Seed(
    anomaly="stale-read",
    explanation="",
    program=PROGRAM,
    reproduced=(20, 20),
    needs_concurrency=True,
    found=seeds.Found("reference", "client", "process", "token", False, "2026-01-01"),
)


def lab(**anomalies):
    simulated = SimulatedLab(lambda _: {n.replace("_", "-"): p for n, p in anomalies.items()}, 1)
    simulated.workspace = SimpleNamespace(target=SimpleNamespace(gate=None))
    return simulated


def replayed(tmp_path, bench, seed=SEED):
    return replay(bench, seeds.save(seed, tmp_path), until_confident=False)


def test_the_same_anomaly_is_failed(tmp_path):
    """Red, with how often."""
    result = replayed(tmp_path, lab(stale_read=1.0))
    assert (result.status, result.red) == ("FAILED", True)


def test_a_more_telling_name_of_the_family_is_failed(tmp_path):
    """The row that was absent for a while is absent for good now."""
    assert replayed(tmp_path, lab(lost_row=1.0)).status == "FAILED"


def test_lesser_names_beside_it_are_sides_of_it(tmp_path):
    """A count that lacks the row is no other anomaly."""
    result = replayed(tmp_path, lab(stale_read=1.0, flickering_row=1.0))
    assert (result.status, result.others) == ("FAILED", ())


def test_nothing_seen_is_fixed_when_it_was_tried_often_enough(tmp_path):
    """At 20 of 20 a few runs are evidence; at 1 of 20 thirty are none."""
    assert replayed(tmp_path, lab()).status == "FIXED"
    rare = evolve(SEED, reproduced=(1, 20))
    assert replayed(tmp_path, lab(), rare).status == "NOT-REPRODUCED"


def test_a_failure_that_was_never_seen_again_is_not_said_to_be_fixed(tmp_path):
    """Its rate is not known, so no number of runs is evidence; a known open bug does not turn red for it."""
    once = evolve(SEED, reproduced=(0, 20), known_open="issue 12")
    result = replay(lab(), seeds.save(once, tmp_path), until_confident=True)
    assert (result.status, result.red) == ("NOT-REPRODUCED", False)
    assert "not seen again when it was found (0 of 20)" in result.message
    assert result.reproduced[1] >= needed_runs(once)
    assert result.needed is None


@pytest.mark.parametrize(("reproduced", "needed"), [((20, 20), needed_runs(SEED)), ((0, 20), None)])
def test_a_target_that_cannot_be_used_is_an_error_and_no_result(tmp_path, reproduced, needed):
    """It is told what a replay takes, where that is known."""
    bench = lab()

    def refuse(*_args):
        raise TargetError("nobody answers")

    bench.until = refuse
    result = replayed(tmp_path, bench, evolve(SEED, reproduced=reproduced))
    assert (result.status, result.message) == ("ERROR", "nobody answers")
    assert (result.reproduced, result.needed) == ((0, 0), needed)


@pytest.mark.parametrize("often", [2, 1000], ids=["every second", "nearly all"])
def test_runs_that_miss_their_flush_are_no_evidence_of_a_fix(tmp_path, often):
    """More are made, three times as many at the most; those that met it count."""

    class Missing(SimulatedLab):
        def trial(self, program):
            return evolve(super().trial(program), met=self.executions % often == 0)

    bench = Missing(lambda _: {}, 1)
    bench.workspace = SimpleNamespace(target=SimpleNamespace(gate=None))
    plain = replayed(tmp_path, lab())
    result = replayed(tmp_path, bench)
    if often == 2:
        assert result.status == "FIXED"
        assert result.reproduced[1] >= 2 * plain.needed
    else:
        assert result.status == "NOT-REPRODUCED"
        assert "met the flush" in result.message


@pytest.mark.parametrize("known_open", [None, "issue 12"])
def test_another_anomaly_is_red_and_named(tmp_path, known_open):
    """A run that found something must not be green, whatever it was asked about."""
    result = replayed(tmp_path, lab(duplicate_row=1.0), evolve(SEED, known_open=known_open))
    assert (result.status, result.others, result.red) == ("FIXED", ("duplicate-row",), True)


def test_a_known_open_bug_is_red_when_it_stops_failing(tmp_path):
    """Someone fixed it, or the seed no longer shows it: the mark must go."""
    marked = evolve(SEED, known_open="issue 12")
    assert not replayed(tmp_path, lab(stale_read=1.0), marked).red
    assert replayed(tmp_path, lab(), marked).red


TABLES = '{"t":{"type":"user","columns":["id"],"key":"id"}}'
COUNTED = (
    f'{{"format":"kalam-props-history","version":1,"tables":{TABLES}}}'
    """
{"i":1,"t":10,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[1]]}
{"i":2,"t":20,"e":"ok","of":1,"affected":1}
{"i":3,"t":30,"e":"invoke","p":"u0/1","user":"u0","op":"count","table":"t"}
{"i":4,"t":40,"e":"ok","of":3,"count":0}
"""
)


def test_the_recorded_history_tells_the_side():
    """A seed of a count that was too low is one of a loss; without its history that is not known."""
    low = evolve(SEED, anomaly="wrong-count", history=tuple(map(json.loads, COUNTED.splitlines())))
    assert (sighting(low).side, sighting(low).family) == ("low", "loss")
    assert sighting(evolve(low, history=())).side is None


def test_seeds_side_by_side_keep_their_order(tmp_path):
    """Results come as the files were named; a file that is no seed is an ERROR among them."""
    paths = [seeds.save(evolve(SEED, anomaly=name), tmp_path) for name in ("stale-read", "lost-row")]
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    results = list(
        replay_all(lab(stale_read=1.0), [paths[0], broken, paths[1]], until_confident=False, parallel=3)
    )
    assert [result.seed_file for result in results] == [paths[0], broken, paths[1]]
    assert [result.status for result in results] == ["FAILED", "ERROR", "FIXED"]

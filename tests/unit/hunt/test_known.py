"""Open bugs of a server: seen they are named and fail nothing, and they explain nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from findings import PROGRAM, finding
from simulated import sighting

from kalam_props.checks.verdict import Verdict
from kalam_props.errors import CorruptInputError, UsageError
from kalam_props.history.operations import Delete, Flush, Insert, Txn
from kalam_props.hunt import investigate, seeds
from kalam_props.hunt.campaign import Outcome, Plan
from kalam_props.hunt.finding import Name, kinds
from kalam_props.hunt.known import Open, first_new, is_open, known_and_open
from kalam_props.hunt.lab import Lab, Trial
from kalam_props.hunt.seeds import Found, Seed
from kalam_props.programs.model import Program, Round, Step
from kalam_props.report import hunting

FOUND = Found("Server 1", "kalam 1", "http", "token", gate=True, date="2026-11-25")


def seed(known_open, program=PROGRAM):
    return Seed(
        "lost-row", "gone", program, (5, 5), needs_concurrency=True, found=FOUND, known_open=known_open
    )


def trial(program, *names):
    seen = tuple(map(sighting, names))
    verdict = Verdict("violated" if seen else "holds", 1, tuple(s.anomaly for s in seen))
    return Trial(program, Path("none.jsonl"), verdict, seen)


def in_lanes(*ops):
    return Program(PROGRAM.tables, tuple(Round({"u0/1": (Step(op),)}) for op in ops))


def test_seeds_that_say_so_are_known(tmp_path):
    """In the folder of seeds and wherever else they are looked for; the others there are not."""
    seeds.save(seed(None), tmp_path / "seeds")
    seeds.save(seed("issue 7", in_lanes(Insert("t", ((1, "a"),)))), tmp_path / "seeds")
    place = seeds.save(seed("issue 8"), tmp_path / "findings")
    known = known_and_open(tmp_path / "seeds", tmp_path / "findings")
    assert [bug.reason for bug in known] == ["issue 7", "issue 8"]
    assert known_and_open(tmp_path / "nowhere", place) == known[1:]


def test_what_is_asked_for_and_is_not_there_is_an_error(tmp_path):
    """A misspelt place, or one without an open bug, must not let a hunt report what is known."""
    seeds.save(seed(None), tmp_path / "seeds")
    with pytest.raises(UsageError, match="no seed of an open bug"):
        known_and_open(tmp_path / "none", tmp_path / "seeds")
    with pytest.raises(CorruptInputError, match="no such file"):
        known_and_open(tmp_path / "none", tmp_path / "misspelt")


def test_a_write_within_a_transaction_is_of_its_kind():
    """A bug that deletes trigger is known where the delete is one of a transaction."""
    insert, flush = Insert("t", ((1, "a"),)), Flush("t")
    bug = Name(sighting("resurrected-row"), in_lanes(insert, Delete("t", 1), flush))
    in_transaction = in_lanes(insert, Txn((Delete("t", 1),)), flush)
    assert kinds(in_transaction) == {"insert", "delete", "txn", "flush"}
    assert first_new(trial(in_transaction, "resurrected-row"), [bug]) is None
    assert first_new(trial(in_lanes(insert, flush), "resurrected-row"), [bug]) is not None


def test_a_count_on_no_side_is_that_of_a_known_bug_beside_it():
    """Too low or too high is not to be told where outcomes are open; alone it is looked into."""
    insert, flush = Insert("t", ((1, "a"),)), Flush("t")
    program = in_lanes(insert, Delete("t", 1), flush)
    bug = Name(sighting("resurrected-row"), program)
    assert first_new(trial(program, "resurrected-row", "wrong-count"), [bug]) is None
    assert first_new(trial(program, "wrong-count"), [bug]).name == "wrong-count"


def open_bug(program=PROGRAM):
    return Open(Name(sighting("lost-row"), program), "issue 7", Path("lost.json"))


def test_a_finding_is_an_open_bug_when_it_is_of_its_name_and_kinds():
    """It was discovered by another name, and shrank to what is known; with fewer kinds it is another."""
    larger = in_lanes(Insert("t", ((1, "a"),)), Flush("t"), Delete("t", 1))
    assert is_open(Name(sighting("lost-row"), larger), [open_bug()]) is not None
    assert is_open(Name(sighting("lost-row"), in_lanes(Flush("t"))), [open_bug()]) is None
    assert is_open(Name(sighting("stale-read"), larger), [open_bug()]) is None


def test_no_seed_is_written_over_that_of_an_open_bug(tmp_path):
    """Its mark would be lost with it."""
    care = investigate.Care(1.0, tmp_path / "seeds", known=(open_bug(),))
    kept = investigate.save_seed(None, evolve(finding(tmp_path), seed_file=None), care)
    assert kept.seed_file is None
    assert not (tmp_path / "seeds").exists()


def test_a_hunt_that_saw_only_open_bugs_found_nothing(tmp_path):
    """And names each, with the number of its programs."""
    lab = Lab(None, tmp_path)
    lab.exercised.evidence = evolve(lab.exercised.evidence, operations=9, overlapping_pairs=3)
    plan = Plan({}, random_seed=1, known=(open_bug(),))
    outcome = Outcome(plan, 4, 1.0, (), 2, ((open_bug(), 2),))
    assert hunting.verdict(outcome, lab) == "holds"
    assert "in 2 programs: lost-row, issue 7 (lost.json)" in hunting.summary(outcome, lab, 1, 1)
    assert hunting.verdict(evolve(outcome, findings=(finding(tmp_path / "run"),)), lab) == "violated"

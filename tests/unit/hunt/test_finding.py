"""A finding on disk: whole, movable with its run, and what a killed hunt goes on from."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from findings import PROGRAM, finding

from kalam_props.checks.verdict import Anomaly, Verdict
from kalam_props.errors import CorruptInputError
from kalam_props.history.operations import Delete, Insert
from kalam_props.hunt import finding as on_disk
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.finding import Name
from kalam_props.hunt.known import first_new
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.run_file import Run, read_run, write_run
from kalam_props.programs.model import Program, Round, Step
from kalam_props.targets.opening import TargetOptions


def test_a_finding_is_read_as_it_was_written(tmp_path):
    """Nothing is lost on the way through the file."""
    written = finding(tmp_path)
    on_disk.save(written)
    assert on_disk.load_all(tmp_path) == [written]


def test_a_finding_moves_with_its_run(tmp_path):
    """Its histories are found beside it, wherever the run's folder is now."""
    on_disk.save(finding(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    (moved,) = on_disk.load_all(tmp_path / "new")
    assert moved.history.exists()


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"names": 3}, {"format": "other"}, {"confirmed": {"x": 1}}]
)
def test_a_bad_finding_is_refused_in_words(tmp_path, change):
    """Not a traceback: the file, and what was expected."""
    on_disk.save(finding(tmp_path))
    path = tmp_path / "finding-01" / on_disk.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CorruptInputError, match=r"finding\.json"):
        on_disk.load_all(tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    """A misspelt run must not pass as one without findings."""
    with pytest.raises(CorruptInputError, match="no such folder"):
        on_disk.load_all(tmp_path / "nope")


def test_concurrency_is_needed_when_turns_were_tried_and_did_not_fail(tmp_path):
    """Measured, and not read off the program."""
    race = finding(tmp_path)
    assert race.needs_concurrency
    assert not evolve(race, in_turns=evolve(race.in_turns, seen=1)).needs_concurrency


def test_a_run_keeps_its_options_and_no_password(tmp_path):
    """What --resume needs, and nothing secret."""
    target = TargetOptions(faults=("seen-twice",), driver="http", root_password="secret")
    run = Run(target, ("updates",), 7, 60.0, "snapshot", tmp_path / "seeds")
    write_run(run, tmp_path)
    assert "secret" not in (tmp_path / "run.json").read_text()
    assert read_run(tmp_path, root_password="secret") == run


def test_a_folder_without_a_run_is_refused(tmp_path):
    """--resume of something else says so."""
    with pytest.raises(CorruptInputError, match=r"run\.json"):
        read_run(tmp_path, root_password=None)


def named(name, side=None):
    return Sighting(Anomaly(name, (), ""), side)


def trial(program, *sightings):
    verdict = Verdict("violated", program.operations, tuple(seen.anomaly for seen in sightings))
    return Trial(program, None, verdict, sightings)


DELETES = Program(PROGRAM.tables, (*PROGRAM.rounds, Round({"u0/1": (Step(Delete("t", 1)),)})))
ONE_INSERT = Program(PROGRAM.tables, (Round({"u0/1": (Step(Insert("t", ((1, "a"),))),)}),))


def test_what_a_known_finding_shows_again_is_known():
    """The same name with at least its kinds of operations; or a lesser name beside it."""
    known = [Name(named("lost-row"), ONE_INSERT)]
    again = trial(DELETES, named("lost-row"), named("wrong-affected", "low"))
    assert first_new(again, known) is None


def test_a_rarer_bug_is_not_hidden_by_a_known_one_in_the_same_run():
    """A run that shows a known loss and a duplicate is about the duplicate."""
    known = [Name(named("lost-row"), ONE_INSERT)]
    both = trial(DELETES, named("lost-row"), named("duplicate-row"))
    assert first_new(both, known).name == "duplicate-row"


def test_a_lesser_name_alone_is_looked_into():
    """A delete that answers 0 may be the known loss or another bug: nothing in the run says which."""
    known = [Name(named("lost-row"), ONE_INSERT)]
    assert first_new(trial(DELETES, named("wrong-affected", "low")), known).name == "wrong-affected"


def test_a_known_finding_that_needs_a_delete_explains_nothing_without_one():
    """Other kinds of operations: another bug, although the name is the same."""
    known = [Name(named("lost-row"), DELETES)]
    assert first_new(trial(ONE_INSERT, named("lost-row")), known).name == "lost-row"

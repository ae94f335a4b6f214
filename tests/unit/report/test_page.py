"""The page of a run: one file, in the order in which one asks, with what was said by a server escaped."""

from __future__ import annotations

import re

from attrs import evolve
from findings import HISTORY, finding

from kalam_props.history.operations import Delete, Insert
from kalam_props.history.reader import read_history
from kalam_props.hunt.measure import Rate
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.report.finding import finding_text, how_found, how_often
from kalam_props.report.page import write_page
from kalam_props.report.timeline import timeline

DOCUMENT = {
    "verdict": "violated",
    "target": {"name": "reference", "version": "1"},
    "client": {"name": "compat", "version": "1"},
    "driver": "process",
    "identity": "token",
    "gate": True,
    "seed": 7,
    "faults": ["lost-on-flush"],
    "programs": 3,
    "executions": 80,
    "operations": 400,
    "seconds": 4.2,
    "evidence": {"flushes": 4, "wire_times": None},
    "known_failures": 2,
    "unknown": [],
}


def test_the_page_needs_nothing_else(tmp_path):
    """No script, and nothing from another place."""
    html = write_page(DOCUMENT, (finding(tmp_path),), tmp_path).read_text()
    assert "<script" not in html
    assert not re.search(r"(src|href)=|https?://|@import|url\(", html)


def test_the_page_has_everything_in_order(tmp_path):
    """The anomaly, the program, the witness, how often, by hand, again; then what was exercised."""
    html = write_page(DOCUMENT, (finding(tmp_path),), tmp_path).read_text()
    wanted = [
        "lost-row</h2>",
        "are gone",
        "The smallest program",
        "time (ms)",
        "9 of 20",
        "reproduce.sh",
        "kalam-props replay",
        "Exercised",
        "not known",
    ]
    places = [html.index(text) for text in wanted]
    assert places == sorted(places)


def test_what_a_server_said_is_text(tmp_path):
    """A value that looks like HTML is shown and not obeyed."""
    html = write_page(DOCUMENT, (finding(tmp_path),), tmp_path).read_text()
    assert "<b>a</b>" not in html
    assert "&lt;b&gt;a&lt;/b&gt;" in html


def test_the_timeline_has_a_lane_a_process_and_marks_the_witness():
    """Bars lie on one axis, in time order; a flush is a band."""
    drawn = timeline(read_history(HISTORY), (3,))
    assert [lane.name for lane in drawn.lanes] == ["u0/1", "u0/2"]
    insert, select = (lane.bars[0] for lane in drawn.lanes)
    assert (insert.proves, select.proves) == (False, True)
    assert insert.left == 0.0
    assert insert.left + insert.width <= select.left <= select.left + select.width <= 100.0
    assert "on the wire 1.500 ms to 2.400 ms" in insert.told
    (flush,) = drawn.flushes
    assert 30 <= flush.left <= 31


def test_the_terminal_has_the_same_order(tmp_path):
    """Sentence, program, witness, how often and at what cost, script, seed, command."""
    found = finding(tmp_path)
    found.folder.mkdir()
    text = finding_text(found, "reference")
    wanted = [
        "lost-row: row 1",
        "user table t",
        "time (ms)",
        "reproduced 9 of 20 runs (26% to 65%), 0.20 s a run, 0.44 s a failure",
        "needs concurrency: with its lanes in turn it failed in 0 of 14 runs",
        "discovered as wrong-affected",
        "by hand    sh ",
        "seed       ",
        "reproduce  kalam-props replay ",
        " --fault lost-on-flush",
    ]
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)


def test_whether_it_needs_concurrency_is_not_claimed_from_too_few_runs(tmp_path):
    """9 of 20: six runs in turn would show it with 95 %; time may have ended before."""
    enough, few = (" ".join(how_often(evolve(finding(tmp_path), in_turns=Rate(0, n)))) for n in (6, 5))
    assert "in 0 of 6 runs" in enough
    assert "in 0 of 5 runs, too few to tell" in few
    assert "too few" not in enough


def test_what_fails_in_turn_may_still_meet_the_flush_that_it_asks_for(tmp_path):
    """It needs no second lane then, and is a race all the same; not so where nothing follows the flush."""
    in_turn = evolve(finding(tmp_path), in_turns=Rate(2, 4))
    first, *others = in_turn.names
    for boundary, beside in ((1, True), (2, False)):
        table = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=boundary)
        lanes = {"u0/1": (Step(Insert("t", ((1, "a"),))),), "u0/2": (Step(Delete("t", 1)),)}
        named = evolve(first, program=Program({"t": table}, (Round(lanes),)))
        said = " ".join(how_often(evolve(in_turn, names=(named, *others))))
        assert "needs no concurrency: with its lanes in turn" in said
        assert (", beside a flush that it asks for, it failed in 2 of 4" in said) is beside


def test_a_failure_that_never_came_again_says_so(tmp_path):
    """0 of 20 is told with what it leaves possible; it is not hidden."""
    found = finding(tmp_path)
    once = evolve(
        found,
        confirmed=evolve(found.confirmed, seen=0),
        discovery=evolve(found.discovery, seen=0, runs=60),
        shrinking=evolve(found.shrinking, tried=0),
    )
    assert "0 of 20" in how_often(once)[0]
    assert "14%" in how_often(once)[0]
    assert "not shrunk" in how_found(once)[-1]

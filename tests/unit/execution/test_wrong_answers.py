"""Answers of a shape that fits no statement: an anomaly with the server's words, and the run goes on."""

from __future__ import annotations

import pytest
from doctored import doctored

from kalam_props.checks.judge import judge, names
from kalam_props.drivers import replies
from kalam_props.execution.run import execute
from kalam_props.history.events import MALFORMED, Info, Invoke
from kalam_props.history.operations import Count, Insert, Select
from kalam_props.programs.model import Program, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run

PROGRAM = Program(
    {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")},
    (
        Round({"u0/1": (Step(Insert("t", ((1, "a"),))), Step(Count("t")), Step(Select("t")))}),
        Round({"u0/1": (Step(Insert("t", ((2, "b"),))),)}),
    ),
)
COLUMNS = '[{"name": "id", "data_type": "BigInt"}, {"name": "v", "data_type": "Text"}]'


def answering(words, results):
    """In the place of the answer to the first statement that has `words`: `results`."""
    left = [1]

    def execute(sql, _deadline_s, ask):
        reply = ask()
        if words in sql and left:
            left.pop()
            return replies.of_document(f'{{"status": "success", "results": {results}, "took": 1}}', sql)
        return reply

    return execute


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with open_run(TargetOptions(driver="http"), tmp_path_factory.mktemp("run")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("words", "results", "said"),
    [
        ("COUNT", '[{"schema": [{"name": "count(*)", "data_type": "BigInt"}], "rows": []}]', "no number"),
        ("COUNT", '[{"schema": [{"name": "count(*)", "data_type": "BigInt"}], "rows": [[]]}]', "count(*)"),
        ("SELECT id", f'[{{"schema": {COLUMNS}, "rows": [["1"]]}}]', '[["1"]]'),
        (
            "SELECT id",
            '[{"schema": [{"name": "id", "data_type": "BigInt"}], "rows": [["1"]]}]',
            "no column v",
        ),
        ("SELECT id", "[]", "0 results"),
        ("SELECT id", "null", "null"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_anomaly_of_its_own(workspace, tmp_path, words, results, said):
    """What it says is kept; the session goes on as a new process, and the rest of the program is judged."""
    history = execute(PROGRAM, doctored(workspace, answering(words, results)), tmp_path / "history.jsonl")
    (wrong,) = [e for e in history.events if isinstance(e, Info)]
    assert (wrong.error.code, wrong.error.server_code) == ("server", MALFORMED)
    assert said in wrong.error.message
    assert any(e.p == "u0/1#2" for e in history.events if isinstance(e, Invoke))
    verdict = judge(history)
    assert names(verdict) == ("server-error",)
    assert verdict.anomalies[0].witness == (wrong.of,)
    assert "does not fit its statement" in verdict.anomalies[0].explanation


def test_a_write_with_such_an_answer_may_or_may_not_have_been_done(workspace, tmp_path):
    """Its row may be there; that it is, is no second anomaly."""
    lying = doctored(workspace, answering("INSERT", '[{"rows": 7}]'))
    history = execute(PROGRAM, lying, tmp_path / "history.jsonl")
    assert names(judge(history)) == ("server-error",)


def test_answers_that_fit_are_none(workspace, tmp_path):
    """Just inside of the line: the same driver, with nothing to change."""
    honest = doctored(workspace, answering("no such words", "[]"))
    assert judge(execute(PROGRAM, honest, tmp_path / "history.jsonl")).verdict == "holds"

"""Answers of a shape that fits no statement: an anomaly with the server's words, and the run goes on."""

from __future__ import annotations

import pytest
from attrs import evolve, field, frozen

from kalam_props.checks.judge import judge, names
from kalam_props.drivers import replies
from kalam_props.drivers.http import HttpDriver
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


@frozen
class Answering:
    """A driver over HTTP, for a server that answers the first statement that has `words` with `results`."""

    words: str
    results: str
    left: list[int] = field(factory=lambda: [1])

    name = "http"
    client = HttpDriver().client
    can_subscribe = True

    def connect(self, credential, *, url):
        return _Connection(self, HttpDriver().connect(credential, url=url))

    def as_sent(self, sql):
        return sql

    def close(self):
        pass


@frozen
class _Connection:
    driver: Answering
    inner: object

    def execute(self, sql, *, deadline_s):
        reply = self.inner.execute(sql, deadline_s=deadline_s)
        if self.driver.words in sql and self.driver.left:
            self.driver.left.pop()
            document = f'{{"status": "success", "results": {self.driver.results}, "took": 1}}'
            return replies.of_document(document, sql)
        return reply

    def rest(self):
        self.inner.rest()

    def close(self):
        self.inner.close()


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
    driver = Answering(words, results)
    doctored = evolve(workspace, target=evolve(workspace.target, driver=driver))
    history = execute(PROGRAM, doctored, tmp_path / "history.jsonl")
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
    driver = Answering("INSERT", '[{"rows": 7}]')
    doctored = evolve(workspace, target=evolve(workspace.target, driver=driver))
    history = execute(PROGRAM, doctored, tmp_path / "history.jsonl")
    assert names(judge(history)) == ("server-error",)


def test_answers_that_fit_are_none(workspace, tmp_path):
    """Just inside of the line: the same driver, with nothing to change."""
    doctored = evolve(workspace, target=evolve(workspace.target, driver=Answering("no such words", "[]")))
    assert judge(execute(PROGRAM, doctored, tmp_path / "history.jsonl")).verdict == "holds"

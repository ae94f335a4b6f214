"""What a wait for flushes and an outage may say against the server, and what they may not."""

from __future__ import annotations

import pytest
from attrs import evolve
from recorded import HEADER

from kalam_props.checks.judge import judge, names
from kalam_props.history.events import JOB_HANGS, NOT_RECOVERED, Error, History, Info, Invoke, ServerEvent
from kalam_props.history.operations import AwaitFlush, Kill, Restart

S = 1_000_000_000


def waited(op, error, *between):
    """A history of one operation that ended with an error after 20 seconds."""
    invoke = Invoke(1, 0, "u0/1", "u0", op)
    return History(evolve(HEADER), (invoke, *between, Info(9, 20 * S, 1, error)))


def test_a_background_flush_that_does_not_end_hangs():
    """The server's own records say that it is still open."""
    error = Error("timeout", "after 20 s a flush has not ended: FL-1 (running)", JOB_HANGS)
    verdict = judge(waited(AwaitFlush("t"), error))
    assert names(verdict) == ("hung",)
    assert "FL-1 (running)" in verdict.anomalies[0].explanation


def test_a_wait_for_flushes_that_ended_otherwise_is_no_anomaly():
    """It may have been our impatience."""
    assert judge(waited(AwaitFlush("t"), Error("timeout", "no answer within 20 s"))).anomalies == ()


@pytest.mark.parametrize("op", [Restart(), Kill()])
@pytest.mark.parametrize(("code", "name"), [("server", "server-error"), ("timeout", "hung")])
def test_a_server_that_is_healthy_again_works_as_before(op, code, name):
    """A new table that is refused, or a background job that hangs from then on."""
    down = (ServerEvent(2, 1 * S, "killed"), ServerEvent(3, 2 * S, "healthy"))
    verdict = judge(waited(op, Error(code, "a new table was refused: no", NOT_RECOVERED), *down))
    assert names(verdict) == (name,)
    assert "a new table was refused" in verdict.anomalies[0].explanation


@pytest.mark.parametrize("op", [Restart(), Kill()])
def test_an_outage_of_unknown_end_is_no_anomaly(op):
    """A recording that broke off there, or a tool that gave up waiting."""
    assert judge(waited(op, Error("timeout", "gave up"))).anomalies == ()

"""What becomes of a request, from what the client says and what the gate saw."""

from __future__ import annotations

import pytest
from attrs import evolve

from kalam_props.drivers.protocol import Reply, Result
from kalam_props.execution.settle import settle
from kalam_props.gate.plan import WireAttempt, WireRecord
from kalam_props.history.events import Error

ANSWERED = WireAttempt(10, 20, 200, None)
UNANSWERED = WireAttempt(10, None, None, "lost")
OK = Reply(results=(Result(row_count=1),))
REFUSED = Reply(error=Error("duplicate-key", "Primary key violation"), done=False)
OPEN = Reply(error=Error("timeout", "no answer within 1 s"), done=None)
BROKEN = Reply(error=Error("connection", "broken off"), done=None)
NOT_SENT = Reply(error=Error("connection", "cannot connect"), done=False)


def seen(*attempts, arrived=5, **changes):
    record = WireRecord(
        attempts=attempts,
        arrived_ns=arrived,
        due_ns=None,
        forced=False,
        net_done=None,
        error=None,
        opaque=0,
        strangers=0,
        retired=False,
    )
    return evolve(record, **changes)


def test_an_answer_that_was_seen_has_wire_times():
    """Sent once, answered once: the answer counts, and the session goes on."""
    settled = settle(OK, seen(ANSWERED))
    assert (settled.outcome, settled.wire, settled.attempts, settled.spent) == ("ok", (10, 20), 1, False)


def test_a_refusal_that_was_seen_is_a_fail_with_wire_times():
    """The server's own refusal is certain."""
    settled = settle(REFUSED, seen(ANSWERED))
    assert (settled.outcome, settled.error, settled.wire) == ("fail", REFUSED.error, (10, 20))


def test_no_certain_answer_to_a_forwarded_request_is_indeterminate():
    """It may have been done; the session is spent."""
    settled = settle(OPEN, seen(UNANSWERED, retired=True))
    assert (settled.outcome, settled.wire, settled.spent) == ("info", (10, None), True)


def test_a_request_that_was_never_forwarded_is_a_fail():
    """Whatever the client feared: no server has seen it. The words say so, and ours is the reason."""
    settled = settle(BROKEN, seen(error="cut before it was forwarded, as asked", retired=True))
    assert settled.outcome == "fail"
    assert settled.error == Error("connection", "never forwarded: cut before it was forwarded, as asked")
    assert settled.spent


@pytest.mark.parametrize("doubt", [{"opaque": 1}, {"strangers": 1}])
def test_where_something_passed_unseen_nothing_is_certain(doubt):
    """Bytes that were not understood, or a statement that may be this one rewritten."""
    assert settle(BROKEN, seen(retired=True, **doubt)).outcome == "info"


def test_a_time_out_of_a_request_that_we_held_is_not_a_time_out_of_the_server():
    """A hang is held against a server only if the request was on its way to it."""
    settled = settle(OPEN, seen(arrived=5, retired=True))
    assert settled.error is not None
    assert settled.error.code == "connection"


def test_a_time_out_before_the_request_came_is_told_as_it_is():
    """The login or the probe of the client had no answer; nobody held those."""
    settled = settle(OPEN, seen(arrived=None, retired=True))
    assert (settled.outcome, settled.error) == ("fail", OPEN.error)


def test_a_request_sent_twice_is_at_least_once_whatever_the_answer():
    """Both attempts are told; the session is spent, for one of them may still be under way."""
    settled = settle(OK, seen(UNANSWERED, ANSWERED, retired=True))
    assert (settled.outcome, settled.attempts, settled.wire, settled.spent) == ("ok", 2, (10, None), True)


def test_a_client_that_believes_it_sent_nothing_is_not_believed_when_it_did():
    """Its words are about its last connection only."""
    assert settle(NOT_SENT, seen(UNANSWERED, retired=True)).outcome == "info"
    assert settle(NOT_SENT, seen(retired=True)).outcome == "fail"


def test_an_answer_that_the_gate_did_not_see_counts_without_wire_times():
    """A client that rewrites the SQL is still heard; only its interval is wider."""
    settled = settle(OK, seen(arrived=None, strangers=1, retired=True))
    assert (settled.outcome, settled.wire, settled.attempts) == ("ok", None, 1)


def test_a_rewritten_request_that_may_have_been_sent_twice_is_at_least_once():
    """What passed with its table's name in it and was not recognised may be it again."""
    assert settle(OK, seen(ANSWERED, strangers=1, retired=True)).attempts == 2
    assert settle(OK, seen(arrived=None, strangers=2, retired=True)).attempts == 2


def test_without_a_gate_the_client_is_all_that_there_is():
    """Its reply decides, and an open outcome ends the process."""
    assert settle(OK, None).outcome == "ok"
    assert settle(REFUSED, None).outcome == "fail"
    assert (settle(OPEN, None).outcome, settle(OPEN, None).spent) == ("info", True)

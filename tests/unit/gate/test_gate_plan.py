from __future__ import annotations

import pytest

from kalam_props.gate.plan import GateSession, Planned, WireAttempt, WireRecord, check, others

A = GateSession(1, 1001, "http://127.0.0.1:1001")
B = GateSession(2, 1002, "http://127.0.0.1:1002")


def record(*attempts: WireAttempt, opaque: int = 0) -> WireRecord:
    return WireRecord(
        attempts=attempts,
        arrived_ns=None,
        due_ns=None,
        forced=False,
        net_done=None,
        error=None,
        opaque=opaque,
        strangers=0,
        retired=False,
    )


def test_two_requests_that_wait_for_each_other_are_refused() -> None:
    """Neither would ever be released."""
    with pytest.raises(ValueError, match=r"\[0, 1\] wait for each other"):
        check([Planned(A, "a", after=(1,)), Planned(B, "b", after=(0,))])


def test_waiting_for_a_later_request_of_the_own_lane_is_refused() -> None:
    """The client does not send it before the first is answered."""
    with pytest.raises(ValueError, match="wait for each other"):
        check([Planned(A, "a", after=(1,)), Planned(A, "b")])


def test_waiting_for_what_is_not_in_the_plan_is_refused() -> None:
    """Place 7 of a plan of one."""
    with pytest.raises(ValueError, match=r"waits for \[7\]"):
        check([Planned(A, "a", after=(7,))])


def test_a_negative_offset_is_refused() -> None:
    """Nothing goes before the release."""
    with pytest.raises(ValueError, match="-5"):
        check([Planned(A, "a", us=-5)])


def test_a_paused_lane_waits_for_the_requests_of_all_others() -> None:
    """And not for those of its own."""
    plan = [Planned(A, "a"), Planned(B, "b"), Planned(A, "c"), Planned(B, "d")]
    assert others(plan, 0) == (1, 3)
    check([Planned(A, "a", after=others(plan, 0)), *plan[1:]])


def test_the_wire_interval_spans_all_attempts() -> None:
    """From before the first was sent to after the last was answered."""
    assert record(WireAttempt(10, 20, 200, None), WireAttempt(30, 40, 200, None)).wire == (10, 40)


def test_the_wire_interval_is_open_while_an_attempt_has_no_answer() -> None:
    """That attempt may still take effect."""
    assert record(WireAttempt(10, None, None, "lost"), WireAttempt(30, 40, 200, None)).wire == (10, None)


def test_what_was_not_sent_has_no_wire_interval() -> None:
    """And is certain never to have reached the server."""
    assert record().wire is None
    assert record().never_forwarded


def test_a_request_that_could_not_be_understood_leaves_it_open() -> None:
    """It may have been the operation."""
    assert not record(opaque=1).never_forwarded

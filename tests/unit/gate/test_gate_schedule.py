from __future__ import annotations

from kalam_props.gate.schedule import LEAD_NS, Schedule

FAR = 10**15
HOLD = 10**9


def schedule(
    lanes: list[list[int]],
    after: dict[int, list[int]] | None = None,
    us: dict[int, int] | None = None,
    every: dict[int, tuple[int, int]] | None = None,
    gather_until: int = FAR,
) -> Schedule:
    return Schedule(lanes, after or {}, us or {}, every or {}, gather_until=gather_until, hold_ns=HOLD)


def test_nothing_is_due_before_every_lane_is_there() -> None:
    """One of two lanes has arrived: it is held."""
    order = schedule([[0], [1]])
    order.arrived(0, 10)
    assert order.due(10) == []


def test_the_last_arrival_releases_all_at_one_time_in_the_order_of_the_plan() -> None:
    """Two lanes without offsets, arrived the other way round, are due together: the plan's first is first."""
    order = schedule([[0], [1]])
    order.arrived(1, 10)
    order.arrived(0, 20)
    assert order.due(20) == [(20 + LEAD_NS, 0, False), (20 + LEAD_NS, 1, False)]


def test_offsets_count_from_the_release() -> None:
    """300 µs and 0 µs: the second lane goes first."""
    order = schedule([[0], [1]], us={0: 300})
    order.arrived(0, 10)
    order.arrived(1, 20)
    assert order.due(20) == [(20 + LEAD_NS, 1, False), (20 + LEAD_NS + 300_000, 0, False)]


def test_a_lane_that_ended_before_it_arrived_is_not_waited_for() -> None:
    """Its client failed at login, say."""
    order = schedule([[0], [1]])
    order.arrived(0, 10)
    order.finished(1, 15)
    assert [op for _, op, _ in order.due(20)] == [0]


def test_a_round_waits_for_missing_lanes_only_so_long() -> None:
    """At the limit those that are there are released, and until then it asks to be woken."""
    order = schedule([[0], [1]], gather_until=1000)
    order.arrived(0, 10)
    assert order.wake_ns() == 1000
    assert order.due(999) == []
    assert order.due(1000) == [(1000, 0, False)]
    assert order.wake_ns() is None


def test_a_request_after_an_answer_counts_from_that_answer() -> None:
    """The lane's second operation: 50 µs after the first was answered."""
    order = schedule([[0, 1]], after={1: [0]}, us={1: 50})
    order.arrived(0, 10)
    assert order.due(10) == [(10 + LEAD_NS, 0, False)]
    order.left(0)
    order.finished(0, 700_000)
    order.arrived(1, 710_000)
    assert order.due(710_000) == [(750_000, 1, False)]


def test_a_paused_lane_goes_when_all_others_have_finished() -> None:
    """It waits for the second operation of the other lane too, which is not even there yet."""
    order = schedule([[0], [1, 2]], after={0: [1, 2]})
    order.arrived(0, 10)
    order.arrived(1, 20)
    assert [(op, forced) for _, op, forced in order.due(20)] == [(1, False), (0, True)]
    order.left(1)
    order.finished(1, 200_000)
    order.finished(2, 400_000)
    assert order.due(400_000) == [(400_000, 0, False)]


def test_what_waits_in_vain_is_forced_after_the_limit() -> None:
    """Held for a request that never ends: due when it was held as long as is allowed, and marked."""
    order = schedule([[0], [1]], after={0: [1]})
    order.arrived(0, 10)
    order.arrived(1, 20)
    assert (20 + LEAD_NS + HOLD, 0, True) in order.due(20)


def test_a_single_lane_is_not_held() -> None:
    """There is nobody to wait for."""
    assert schedule([[0, 1]]).at_once(0, 10) == 10


def test_the_first_of_several_lanes_is_never_let_through() -> None:
    """Not even the last to arrive: they leave together."""
    order = schedule([[0], [1]])
    order.arrived(0, 10)
    assert order.at_once(1, 20) is None


def test_a_request_whose_time_has_passed_goes_at_once() -> None:
    """Of two released lanes, one sends its second request later than the 10 µs that it was to wait."""
    order = schedule([[0, 2], [1]], after={2: [0]}, us={2: 10})
    order.arrived(0, 10)
    order.arrived(1, 20)
    order.due(20)
    order.finished(0, 500_000)
    assert order.at_once(2, 505_000) is None
    assert order.at_once(2, 511_000) == 510_000


def test_one_with_a_rhythm_goes_at_its_next_moment_once_it_is_due() -> None:
    """Moments at 300, 1300, 2300 past the release: due at 2000 after an answer, it goes at 2300."""
    order = schedule([[0], [1]], after={1: [0]}, every={1: (1000, LEAD_NS + 300)})
    order.arrived(0, 0)
    order.arrived(1, 0)
    assert order.due(0) == [(LEAD_NS, 0, False), (HOLD + LEAD_NS, 1, True)]
    order.finished(0, LEAD_NS + 2000)
    assert order.due(LEAD_NS + 2000) == [(LEAD_NS + 2300, 1, False)]
    assert order.due(LEAD_NS + 9000) == [(LEAD_NS + 2300, 1, False)]


def test_one_that_is_due_at_a_moment_of_its_rhythm_goes_at_once() -> None:
    """And a phase may lie in the future, or be negative."""
    for phase in (LEAD_NS, LEAD_NS + 7 * 1000, LEAD_NS - 900 * 1000):
        order = schedule([[0], [1]], every={0: (1000, phase)})
        order.arrived(0, 0)
        order.arrived(1, 0)
        assert order.due(0)[0] == (LEAD_NS, 0, False)

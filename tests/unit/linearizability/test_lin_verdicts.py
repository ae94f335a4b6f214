"""Known anomalies as literal histories, each beside a legal one that differs as little as it can."""

from __future__ import annotations

import pytest

from kalam_props.checks.linearizability import (
    UNKNOWN,
    Operation,
    cas_register,
    check_linearizable,
    counter,
    fifo_queue,
    key_value,
    multi_register,
    mutex,
    register,
    set_model,
)


def history(*calls):
    """From (input, output, invoked, returned)."""
    return [Operation(i, *call) for i, call in enumerate(calls)]


WRITE_1 = (("write", 1), None, 0, 10)

PAIRS = {
    "a stale read": (
        register(0),
        history(WRITE_1, (("read",), 0, 11, 20)),
        history(WRITE_1, (("read",), 0, 10, 20)),
    ),
    "a value that nobody wrote": (
        register(0),
        history(WRITE_1, (("read",), 2, 0, 20)),
        history(WRITE_1, (("read",), 1, 0, 20)),
    ),
    "a read from the future": (
        register(0),
        history((("read",), 1, 0, 9), (("write", 1), None, 10, 20)),
        history((("read",), 1, 0, 10), (("write", 1), None, 10, 20)),
    ),
    "new, then old": (
        register(0),
        history((("write", 1), None, 0, 100), (("read",), 1, 10, 20), (("read",), 0, 21, 30)),
        history((("write", 1), None, 0, 100), (("read",), 1, 10, 20), (("read",), 0, 20, 30)),
    ),
    "a lost write that shows and vanishes": (
        register(0),
        history((("write", 1), UNKNOWN, 0, None), (("read",), 1, 10, 20), (("read",), 0, 21, 30)),
        history((("write", 1), UNKNOWN, 0, None), (("read",), 0, 10, 20), (("read",), 1, 21, 30)),
    ),
    "two updates from one value": (
        cas_register(0),
        history((("cas", 0, 1), True, 0, 10), (("cas", 0, 2), True, 0, 10)),
        history((("cas", 0, 1), True, 0, 10), (("cas", 0, 2), False, 0, 10)),
    ),
    "a refusal without a reason": (
        cas_register(0),
        history((("cas", 0, 1), False, 0, 10), (("write", 2), None, 11, 20)),
        history((("cas", 0, 1), False, 0, 11), (("write", 2), None, 11, 20)),
    ),
    "two holders of one lock": (
        mutex(),
        history((("acquire",), None, 0, 10), (("acquire",), None, 11, 20), (("release",), None, 21, 30)),
        history((("acquire",), None, 0, 10), (("acquire",), None, 11, 21), (("release",), None, 21, 30)),
    ),
    "a lost increment": (
        counter(),
        history((("add", 1), None, 0, 10), (("add", 1), None, 0, 10), (("read",), 1, 11, 20)),
        history((("add", 1), None, 0, 10), (("add", 1), None, 0, 11), (("read",), 1, 11, 20)),
    ),
    "an element twice": (
        set_model(),
        history((("add", "a"), True, 0, 10), (("add", "a"), True, 0, 10)),
        history((("add", "a"), True, 0, 10), (("add", "a"), False, 0, 10)),
    ),
    "a torn read of two registers": (
        multi_register(0),
        history((("write", (("x", 1), ("y", 1))), None, 0, 10), (("read", ("x", "y")), (1, 0), 5, 20)),
        history((("write", (("x", 1), ("y", 1))), None, 0, 10), (("read", ("x", "y")), (0, 0), 5, 20)),
    ),
    "a fork of two appends": (
        key_value(),
        history(
            (("append", "k", "a"), None, 0, 10), (("append", "k", "b"), None, 0, 10),
            (("get", "k"), "ab", 11, 20), (("get", "k"), "ba", 11, 20),
        ),
        history(
            (("append", "k", "a"), None, 0, 10), (("append", "k", "b"), None, 0, 10),
            (("get", "k"), "ab", 11, 20), (("get", "k"), "ab", 11, 20),
        ),
    ),
    "a queue out of order": (
        fifo_queue(),
        history(
            (("enqueue", 1), None, 0, 10), (("enqueue", 2), None, 11, 20), (("dequeue",), 2, 21, 30),
        ),
        history(
            (("enqueue", 1), None, 0, 11), (("enqueue", 2), None, 11, 20), (("dequeue",), 2, 21, 30),
        ),
    ),
    "a write twice that was sent once": (
        register(0),
        history((("write", 1), None, 0, 10), (("write", 2), None, 11, 20), (("read",), 1, 21, 30)),
        [
            Operation(0, ("write", 1), None, 0, 10, at_most=2),
            *history((("write", 2), None, 11, 20), (("read",), 1, 21, 30)),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_an_anomaly_is_violated_and_its_neighbour_holds(name):
    """One nanosecond, or one answer, divides the two."""
    model, bad, good = PAIRS[name]
    assert check_linearizable(model, bad).verdict == "violated"
    assert check_linearizable(model, good).verdict == "holds"


def test_a_violation_tells_what_is_stuck_and_how_far_orders_get():
    """`stuck` is the read that fits nowhere; the longest legal order has all the others."""
    found = check_linearizable(
        register(0),
        history(WRITE_1, (("write", 2), None, 11, 20), (("read",), 1, 21, 30), (("read",), 2, 22, 40)),
    )
    assert (found.verdict, found.stuck, found.partial_linearizations) == ("violated", 2, ((0, 1, 3),))
    assert "operation 2 (process 2: read() -> 1, from 21 to 30 ns) cannot be placed" in found.explanation


def test_of_two_operations_that_cannot_be_placed_the_first_to_return_is_stuck():
    """Whatever comes later, the history up to then cannot be ordered any more."""
    found = check_linearizable(register(0), history((("read",), 8, 0, 50), (("read",), 9, 10, 20), WRITE_1))
    assert found.stuck == 1


def test_an_indeterminate_operation_never_needs_to_happen():
    """A lost read says nothing and a lost write may have been lost."""
    found = check_linearizable(
        register(0), history((("write", 1), UNKNOWN, 0, None), (("read",), UNKNOWN, 0, None))
    )
    assert found.verdict == "holds"


def test_an_operation_without_an_output_is_indeterminate_even_if_the_client_gave_up_at_a_time():
    """Giving up is no answer: the write may still come."""
    found = check_linearizable(
        register(0), history((("write", 1), UNKNOWN, 0, 5), (("read",), 0, 10, 20), (("read",), 1, 21, 30))
    )
    assert found.verdict == "holds"


def test_the_empty_history_holds():
    """There is nothing to order."""
    assert check_linearizable(register(0), []).verdict == "holds"


@pytest.mark.parametrize(
    ("model", "writes", "reads"),
    [
        (register(0), [("write", i % 5) for i in range(400)], [(("read",), 7), (("read",), 4)]),
        (
            cas_register(0),
            [("write", i % 5) for i in range(400)],
            [(("cas", 7, 1), True), (("cas", 4, 1), True)],
        ),
        (
            key_value(),
            [("append", "k", "ab"[i % 2]) for i in range(400)],
            [(("get", "k"), "c"), (("get", "k"), "b")],
        ),
    ],
)
def test_what_nobody_can_have_made_decides_beside_hundreds_of_open_writes(model, writes, reads):
    """No order of so many could be tried to the end; with a value that somebody made there is one."""
    bad, good = ([*history(*((call, None, 0, 100) for call in writes), (*read, 10, 50))] for read in reads)
    found = check_linearizable(model, bad, timeout=60)
    assert (found.verdict, found.stuck) == ("violated", len(writes))
    assert check_linearizable(model, good, timeout=60).verdict == "holds"

"""The public interface: models of one's own, partitions, limits of time and memory, malformed input."""

from __future__ import annotations

import pickle
import time
from itertools import count

import attrs
import pytest

from kalam_props.checks.linearizability import (
    UNKNOWN,
    Model,
    Operation,
    cas_register,
    check_linearizable,
    counter,
    fifo_queue,
    key_value,
    register,
)


def read(value, invoked, returned):
    return Operation("r", ("read",), value, invoked, returned)


def write(value, invoked, returned):
    return Operation("w", ("write", value), None, invoked, returned)


def hopeless(size=24):
    """Adds that are all open at once, in powers of two, and a read that no sum of them gives."""
    return [Operation(i, ("add", 1 << i), None, 0, 10) for i in range(size)] + [
        Operation("r", ("read",), -1, 11, 20)
    ]


def test_a_model_may_allow_several_next_states():
    """A coin: each of the possible states is followed."""
    coin = Model(
        lambda: "?", lambda state, call, out: ("H", "T") if call == "toss" else (state,) * (out == state)
    )
    toss = Operation(0, "toss", None, 0, 1)
    assert check_linearizable(coin, [toss, Operation(0, "look", "T", 2, 3)]).verdict == "holds"
    looks = [Operation(0, "look", "T", 2, 3), Operation(0, "look", "H", 4, 5)]
    assert check_linearizable(coin, [toss, *looks]).verdict == "violated"


def test_inputs_and_outputs_need_not_be_hashable():
    """Only states must be."""
    model = Model(lambda: 0, lambda state, call, _out: (state + sum(call["add"]),))
    assert check_linearizable(model, [Operation(0, {"add": [1, 2]}, [], 0, 1)]).verdict == "holds"


def test_step_is_given_unknown_for_an_answer_that_nobody_saw():
    """Also if the caller left some other output with it."""
    seen = []

    def step(state, _call, output):
        seen.append(output)
        return (state + 1,)

    model = Model(lambda: 0, step, describe=lambda call, _out: call)
    answered = Operation(0, "b", "out", 5, 6)
    assert check_linearizable(model, [Operation(0, "a", None, 0, None), answered]).verdict == "holds"
    assert set(seen) <= {UNKNOWN, "out"}


@pytest.mark.parametrize("as_positions", [True, False])
def test_a_partition_gives_groups_of_operations_or_of_positions(as_positions):
    """Results are positions in what was given either way."""

    def partition(operations):
        for parity in (0, 1):
            places = [i for i in range(len(operations)) if i % 2 == parity]
            yield places if as_positions else [operations[i] for i in places]

    model = attrs.evolve(register(0), partition=partition, shortcut=None)
    found = check_linearizable(model, [write(1, 0, 1), write(5, 0, 1), read(1, 2, 3), read(1, 2, 3)])
    assert (found.verdict, found.stuck, found.partial_linearizations) == ("violated", 3, ((1,),))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([[0]], "left out operation 1"),
        ([[0, 1], [1]], "operation 1 twice"),
        ([[0, 1, 2]], "there is none"),
        ([[write(1, 0, 1)]], "not given"),
    ],
)
def test_a_partition_that_loses_or_repeats_operations_is_refused(groups, message):
    """An operation in no group would not be judged, and nobody would notice."""
    model = attrs.evolve(register(0), partition=lambda _operations: groups)
    with pytest.raises(ValueError, match=message):
        check_linearizable(model, [write(1, 0, 1), write(2, 0, 1)])


def test_equal_operations_in_a_partition_are_told_apart():
    """Two calls may be equal in everything."""
    model = attrs.evolve(register(0), partition=lambda operations: [list(operations)])
    same = write(1, 0, 1)
    assert check_linearizable(model, [same, same, write(1, 0, 1)]).verdict == "holds"


def test_an_operation_that_returned_before_it_was_invoked_is_refused_by_its_index():
    """Such a history was recorded wrongly: no verdict can be right."""
    with pytest.raises(ValueError, match="operation 1 returned at 4 ns, before it was invoked at 5 ns"):
        check_linearizable(register(0), [write(1, 0, 1), write(2, 5, 4)])


@pytest.mark.parametrize("at_most", [0, -1, 1_001])
def test_an_operation_that_took_effect_an_impossible_number_of_times_is_refused(at_most):
    """One that never took effect is left out, or indeterminate."""
    with pytest.raises(ValueError, match="operation 0 may have taken effect"):
        check_linearizable(register(0), [Operation(0, ("write", 1), None, 0, 1, at_most)])


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_no_time_is_refused(timeout):
    """A sign that something was computed wrongly."""
    with pytest.raises(ValueError, match="timeout"):
        check_linearizable(register(0), [], timeout=timeout)


def test_operations_of_one_process_may_overlap():
    """A process is a name here; clients with several requests open are judged by real time alone."""
    assert (
        check_linearizable(register(0), [write(1, 0, 10), write(2, 5, 15), read(1, 20, 30)]).verdict
        == "holds"
    )


def test_without_time_the_answer_is_unknown():
    """Zero seconds are zero seconds, in any model and with any shortcut."""
    found = check_linearizable(register(0), [write(1, 0, 1)], timeout=0)
    assert (found.verdict, found.stuck) == ("unknown", None)
    assert "0 s" in found.explanation


def test_a_search_without_hope_ends_in_time_as_unknown():
    """One slice, no quiescent point, no partition: the clock is looked at inside."""
    assert check_linearizable(counter(), hopeless(), timeout=0.05).verdict == "unknown"


def test_a_slow_model_is_stopped_between_two_steps():
    """The clock is looked at before each new question to the model."""
    asked = count()

    def step(state, _call, _output):
        time.sleep(0.01)
        return (state, next(asked))

    operations = [Operation(i, i, None, 0, 10) for i in range(200)]
    assert check_linearizable(Model(lambda: 0, step), operations, timeout=0.05).verdict == "unknown"


def test_memory_that_is_used_up_makes_it_unknown():
    """The search stops before the machine does."""
    found = check_linearizable(counter(), hopeless(), memory_mib=1)
    assert found.verdict == "unknown"
    assert "1 MiB" in found.explanation


def test_effects_without_bound_do_not_make_it_run_for_ever():
    """A counter that grows and grows never shows -1: memory ends the search."""
    grows = Operation(0, ("add", 1), UNKNOWN, 0, None, at_most=None)
    found = check_linearizable(counter(), [grows, Operation(1, ("read",), -1, 1, 2)], memory_mib=1)
    assert found.verdict == "unknown"


def test_a_group_that_alone_is_broken_is_found_beside_one_without_hope():
    """In either order of the groups."""

    def by_process(operations):
        names = ["first", "hopeless", "last"]
        return [[i for i, o in enumerate(operations) if o.process == name] for name in names]

    slow = [attrs.evolve(o, process="hopeless") for o in hopeless()]
    for name in ("first", "last"):
        bad = Operation(name, ("read",), 7, 0, 1)
        model = attrs.evolve(counter(), partition=by_process)
        found = check_linearizable(model, [*slow, bad], timeout=60)
        assert (found.verdict, found.stuck) == ("violated", len(slow))


def test_a_long_history_needs_no_recursion():
    """Ten thousand operations deep, by shortcut and by search; the search is also led astray at the start."""
    operations = [write(1, 0, 20_005), write(2, 0, 5)]
    operations += [read(2, 2 * i + 6, 2 * i + 6) for i in range(9_000)] + [read(1, 20_010, 20_011)]
    for model in (register(0), attrs.evolve(register(0), shortcut=None)):
        assert check_linearizable(model, operations).verdict == "holds"
        wrong = [*operations, read(2, 20_012, 20_013)]
        assert check_linearizable(model, wrong).stuck == len(operations)


def test_a_long_violation_comes_with_a_long_order():
    """Everything that had returned before is in it."""
    operations = [write(i, 10 * i, 10 * i + 15) for i in range(1, 500)] + [read(3, 9_000, 9_001)]
    for model in (register(0), attrs.evolve(register(0), shortcut=None)):
        found = check_linearizable(model, operations)
        assert found.stuck == 499
        assert all(len(order) == 499 for order in found.partial_linearizations)


def test_many_lost_writes_are_only_tried_when_needed():
    """Two hundred indeterminate writes of different values, of which one was seen, cost nothing."""
    lost = [Operation(i, ("put", "k", f"v{i % 40}"), UNKNOWN, 0, None) for i in range(200)]
    gets = [Operation("g", ("get", "k"), f"v{i}", 10 + 2 * i, 11 + 2 * i) for i in range(40)]
    model = attrs.evolve(key_value(), shortcut=None)
    assert check_linearizable(model, lost + gets, timeout=60).verdict == "holds"
    assert check_linearizable(
        model, [*lost, *gets, attrs.evolve(gets[0], output="w")], timeout=60
    ).verdict == ("violated")


def test_a_wrong_verb_is_an_error_of_the_caller():
    """A model that knows no such call says so instead of calling it impossible."""
    for model in (cas_register(0), counter(), fifo_queue()):
        with pytest.raises(ValueError, match="knows"):
            check_linearizable(model, [Operation(0, ("swap", 1, 2), None, 0, 1)])


def test_an_answer_can_be_compared_printed_and_pickled():
    """What there is to tell of a verdict belongs to it, whether it was asked for or not."""
    operations = [write(1, 0, 1), read(2, 2, 3)]
    one, other = (check_linearizable(register(0), operations) for _ in range(2))
    assert one == other != check_linearizable(register(0), [operations[1]])
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own
    assert "cannot be placed" in repr(one)

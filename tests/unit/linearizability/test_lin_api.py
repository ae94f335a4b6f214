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


def test_a_glance_decides_what_no_search_would_end():
    """And it is told: what is stuck, and how far an order was found."""
    model = attrs.evolve(counter(), glance=lambda operations: len(operations) - 1)
    found = check_linearizable(model, hopeless(), timeout=60)
    assert (found.verdict, found.stuck) == ("violated", 24)
    assert found.partial_linearizations
    assert "operation 24" in found.explanation


def test_an_old_text_in_a_long_history_is_stuck_where_it_was_got():
    """It shows at a glance, and what is told is the same as what a search finds."""
    operations = []
    for i in range(400):
        operations.append(Operation("w", ("put", f"k{i % 4}", f"<{i}>"), None, i * 100, i * 100 + 60))
        operations.append(Operation("r", ("get", f"k{i % 4}"), f"<{i}>", i * 100 + 61, i * 100 + 99))
    late = 2 * 340 + 1
    operations[late] = attrs.evolve(operations[late], output="<20>")
    found = check_linearizable(key_value(), operations)
    assert (found.verdict, found.stuck) == ("violated", late)
    assert f"operation {late} (process r: get('k0') -> '<20>'" in found.explanation
    assert [len(order) for order in found.partial_linearizations] == [171]
    operations[late - 1] = attrs.evolve(operations[late - 1], input=("put", "k0", "<20>"))
    assert check_linearizable(key_value(), operations).verdict == "holds"


def test_of_two_old_texts_the_first_is_told_whichever_was_looked_at():
    """Also where a search would not get so far: so many appends at once have too many orders."""
    pieces = [f"<{i}>" for i in range(30)]
    whole = "".join(reversed(pieces))
    operations = [Operation("w", ("append", "k", piece), None, 0, 10) for piece in pieces]
    calls = [
        ("get", whole),
        ("put", "x"),
        ("get", "x"),
        ("put", "y"),
        ("get", "y"),
        ("get", "x"),
        ("get", whole),
    ]
    for at, (verb, text) in enumerate(calls):
        call, output = (("get", "k"), text) if verb == "get" else (("put", "k", text), None)
        operations.append(Operation("r", call, output, at * 10 + 11, at * 10 + 20))
    assert key_value().glance(operations) == 36
    found = check_linearizable(key_value(), operations, timeout=60)
    assert (found.verdict, found.stuck) == ("violated", 35)
    assert {len(order) for order in found.partial_linearizations} == {35}


def test_a_text_may_come_back_by_a_put_that_was_lost_long_ago():
    """What is near does not show it; all there is does."""
    lost = Operation("l", ("put", "k", "long ago"), UNKNOWN, 5, None)
    operations = [Operation("w", ("put", "k", "long ago"), None, 0, 10), lost]
    for i in range(20):
        text = "long ago" if i in (0, 19) else f"{i}"
        if i not in (0, 19):
            operations.append(Operation("w", ("put", "k", text), None, 20 * i + 11, 20 * i + 20))
        operations.append(Operation("r", ("get", "k"), text, 20 * i + 21, 20 * i + 30))
    assert check_linearizable(key_value(), operations).verdict == "holds"
    without = [o for o in operations if o is not lost]
    assert key_value().glance(without) == len(without) - 1
    assert check_linearizable(key_value(), without).verdict == "violated"


@pytest.mark.parametrize(
    ("got", "seen", "verdict"),
    [("abc", None, "holds"), ("abd", 4, "violated"), ("ca", None, "violated"), ("", None, "violated")],
)
def test_a_text_that_does_not_end_with_anything_written_is_seen_at_a_glance(got, seen, verdict):
    """Whenever that was written, and by whichever operation; what else is wrong takes longer."""
    operations = [
        Operation("w", ("put", "k", "a"), None, 0, 10),
        Operation("w", ("append", "k", "bc"), None, 11, 20),
        Operation("w", ("append", "k", ""), None, 21, 30),
        Operation("r", ("get", "k"), "abc", 31, 40),
        Operation("r", ("get", "k"), got, 41, 50),
    ]
    found = check_linearizable(key_value(), operations)
    assert (key_value().glance(operations), found.verdict) == (seen, verdict)
    assert found.stuck == (None if verdict == "holds" else 4)


def test_an_answer_of_another_type_is_left_to_the_search():
    """A glance cannot look it up, and a text is never equal to it."""
    put = Operation("w", ("put", "k", "a"), None, 0, 10)
    gets = [Operation("r", ("get", "k"), ["a"], i, i + 5) for i in (11, 21)]
    assert check_linearizable(key_value(), [put, *gets]).verdict == "violated"


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
    operations = [
        Operation(0, ("get", "k"), "what nobody put", 0, 1),
        Operation(0, ("delete", "k"), None, 2, 3),
        Operation(0, ("get", "k"), "", 4, 5),
    ]
    assert key_value().glance(operations) is None


def test_an_answer_can_be_compared_printed_and_pickled():
    """What there is to tell of a verdict belongs to it, whether it was asked for or not."""
    operations = [write(1, 0, 1), read(2, 2, 3)]
    one, other = (check_linearizable(register(0), operations) for _ in range(2))
    assert one == other != check_linearizable(register(0), [operations[1]])
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own
    assert "cannot be placed" in repr(one)

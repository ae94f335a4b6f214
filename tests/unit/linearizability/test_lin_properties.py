"""The checker agrees with trying every order, for every ready model, with its promises and without."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from kalam_props.checks.linearizability.again import can_show
from kalam_props.checks.linearizability.blocks import NEVER
from kalam_props.checks.linearizability.forward import look_for_order
from kalam_props.checks.linearizability.moves import Move, register_moves, text_moves
from kalam_props.checks.linearizability.stale import stale_text, stale_value

sys.path.insert(0, str(Path(__file__).parent))
from lin_oracle import histories, is_legal_order, some_order_is_legal, true_histories
from lin_store import store_history

small = st.integers(0, 2)
texts = st.text("ab", max_size=3)
flag = st.booleans()
nothing = st.none()


def call(verb, *arguments, output=nothing):
    return st.tuples(st.tuples(st.just(verb), *arguments), output)


REGISTER_CALLS = call("read", output=small) | call("write", small)
CALLS = {
    "register": (register(0), REGISTER_CALLS),
    "cas-register": (cas_register(0), REGISTER_CALLS | call("cas", small, small, output=flag)),
    "counter": (
        counter(),
        call("add", st.integers(-1, 2))
        | call("read", output=small)
        | call("add-and-get", st.integers(-1, 1), output=small),
    ),
    "mutex": (mutex(), call("acquire", output=flag) | call("release", output=flag)),
    "set": (
        set_model(),
        call("add", small, output=flag | st.none())
        | call("remove", small, output=flag | st.none())
        | call("contains", small, output=flag)
        | call("read", output=st.frozensets(small, max_size=2)),
    ),
    "key-value": (
        key_value(),
        call("get", st.sampled_from("kl"), output=texts)
        | call("put", st.sampled_from("kl"), texts)
        | call("append", st.sampled_from("kl"), texts),
    ),
    "queue": (fifo_queue(), call("enqueue", small) | call("dequeue", output=small | st.none())),
    "multi-register": (
        multi_register(0),
        call("write", st.tuples(st.tuples(st.sampled_from("xy"), small)))
        | call("write", st.tuples(st.tuples(st.just("x"), small), st.tuples(st.just("y"), small)))
        | call("read", st.just(("x", "y")), output=st.tuples(small, small))
        | call("read", st.just(("z",)), output=st.tuples(small)),
    ),
}


def without_promises(model):
    return attrs.evolve(model, shortcut=None, glance=None, effect=lambda _call, _output: None, towards=None)


def agree(model, operations):
    """All ways to judge give the verdict of trying every order, and the same operation is stuck."""
    groups = model.partition(operations) if model.partition else [range(len(operations))]
    legal = all(some_order_is_legal(model, [operations[i] for i in group]) for group in groups)
    answers = [
        check_linearizable(model, operations),
        check_linearizable(attrs.evolve(model, shortcut=None), operations),
        check_linearizable(attrs.evolve(model, towards=None, shortcut=None, glance=None), operations),
        check_linearizable(without_promises(model), operations),
    ]
    for answer in answers:
        assert answer.verdict == ("holds" if legal else "violated")
        if legal:
            assert (answer.stuck, answer.partial_linearizations) == (None, ())
            continue
        group = next(group for group in groups if answer.stuck in group)
        before = [operations[i] for i in group]
        # Up to its return, without it, there is a legal order; with it there is none.
        stuck = operations[answer.stuck]
        early = [o for o in before if o.invoked_ns <= stuck.returned_ns]
        later = {
            i for i, o in enumerate(early) if o.returned_ns is not None and o.returned_ns > stuck.returned_ns
        }
        tied = {i for i, o in enumerate(early) if o.returned_ns == stuck.returned_ns}
        assert not some_order_is_legal(model, early, open_=frozenset(later))
        assert some_order_is_legal(model, early, open_=frozenset(later | tied))
        assert answer.partial_linearizations
        assert len({len(order) for order in answer.partial_linearizations}) == 1
        for order in answer.partial_linearizations:
            assert operations[answer.stuck].at_most != 1 or answer.stuck not in order
            places = {i: at for at, i in enumerate(group)}
            assert is_legal_order(model, before, tuple(places[i] for i in order))
    return legal


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_history_gets_the_verdict_of_trying_every_order(name, data):
    """Whatever was answered, lost or resent, promises and shortcuts never change the verdict."""
    model, calls = CALLS[name]
    agree(model, data.draw(histories(calls)))


def _outputs(name):
    guesses = [None, True, False, *range(-10, 60)]
    if name in ("register", "cas-register", "counter"):
        return lambda state, call: (
            [state] if call[0] == "read" else [state + call[1]] if call[0] == "add-and-get" else [True, False]
        )
    if name == "mutex":
        return lambda _state, _call: [True, False]
    if name == "set":
        return lambda state, call: [state] if call[0] == "read" else [True, False]
    if name == "key-value":
        return lambda state, _call: [state]
    return lambda state, call: [state[0] if state and call[0] == "dequeue" else None, *guesses]


@pytest.mark.parametrize(
    "name", ["register", "cas-register", "counter", "mutex", "set", "key-value", "queue"]
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_correct_store_is_never_condemned(name, data):
    """A history that really took place one effect at a time holds, also with lost answers."""
    model, calls = CALLS[name]
    inputs = calls.map(lambda pair: pair[0])
    if name == "key-value":
        inputs = inputs.map(lambda made: (made[0], "k", *made[2:]))
    operations = data.draw(true_histories(model, inputs, _outputs(name)))
    assert agree(model, operations)


UNIQUE = st.integers(1, 6)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_unique_values_get_the_same_verdict_and_witness_by_shortcut_and_search(data):
    """Where every value is written once, the zone check and the search agree on what is stuck as well."""
    calls = (
        call("read", output=UNIQUE | st.just(0))
        | call("write", UNIQUE)
        | call("cas", UNIQUE | st.just(0), UNIQUE, output=flag)
    )
    operations = data.draw(histories(calls, most=7))
    made = [o.input[-1] for o in operations if o.input[0] != "read" and o.output is not False]
    if len(set(made)) < len(made):
        return
    model = cas_register(0)
    by_shortcut = check_linearizable(model, operations)
    by_search = check_linearizable(attrs.evolve(model, shortcut=None), operations)
    assert (by_shortcut.verdict, by_shortcut.stuck) == (by_search.verdict, by_search.stuck)
    agree(model, operations)


@settings(max_examples=120, deadline=None)
@given(operations=histories(call("write", small) | call("read", output=small), most=5))
def test_any_number_of_effects_allows_what_many_effects_allow(operations):
    """`at_most=None` is judged as more effects than a history of this size can need."""
    resent = [attrs.evolve(o, at_most=None if o.input[0] == "write" else 1) for o in operations]
    legal = some_order_is_legal(register(0), resent, endless=4)
    assert check_linearizable(register(0), resent).verdict == ("holds" if legal else "violated")


STORES = {"register": cas_register(0), "text": key_value()}


def spoiled(random, operations):
    """One answer is another, or one interval is shorter at its beginning."""
    at = random.randrange(len(operations))
    chosen = operations[at]
    if chosen.input[0] == "read":
        chosen = attrs.evolve(chosen, output=random.randrange(4))
    elif chosen.input[0] == "get":
        chosen = attrs.evolve(chosen, output=random.choice(["", "a", "b", "ab", "ba", "aa", "abc"]))
    elif chosen.input[0] == "cas":
        chosen = attrs.evolve(chosen, output=not chosen.output)
    elif chosen.returned_ns is not None:
        chosen = attrs.evolve(chosen, invoked_ns=random.randint(chosen.invoked_ns, chosen.returned_ns))
    return [*operations[:at], chosen, *operations[at + 1 :]]


def told_of_one_answer(model, operations):
    """The position of each answer that cannot be true, by a look at it alone."""
    moves_of = text_moves if model.init() == "" else register_moves
    moves = moves_of(operations, model.init())
    return [
        moves.position[rank]
        for rank, move in enumerate(moves.move)
        if move in (Move.READ, Move.CHANGE) and moves.returned[rank] < NEVER and not can_show(moves, rank)
    ]


def quick_means_agree(model, operations):
    """What finds an order or a stale value without the search is right, if it says anything."""
    legal = some_order_is_legal(model, operations)
    assert not told_of_one_answer(model, operations) or not legal
    assert model.glance is None or model.glance(operations) is None or not legal
    settled = model.shortcut(operations, lambda: None)
    assert settled is None or settled.verdict == ("holds" if legal else "violated")
    stale = stale_text if model.init() == "" else stale_value
    assert stale(operations, model.init()) is None or not legal
    assert check_linearizable(model, operations).verdict == ("holds" if legal else "violated")


@pytest.mark.parametrize("name", STORES)
@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from([(5, 2), (7, 3), (8, 5), (9, 4)]))
def test_one_wrong_answer_gets_the_verdict_of_trying_every_order(name, seed, shape):
    """A correct store's history with few values, before and after something in it was changed."""
    random, (size, concurrency) = Random(seed), shape
    operations = store_history(random, STORES[name], size=size, concurrency=concurrency, lost=0.2)
    quick_means_agree(STORES[name], operations)
    quick_means_agree(STORES[name], spoiled(random, operations))


def stale(random, operations):
    """One answer is what an earlier one of its kind was."""
    gets = [i for i, o in enumerate(operations) if o.input[0] in ("get", "read") and o.output is not UNKNOWN]
    if len(gets) < 2:
        return operations
    early, late = sorted(random.sample(gets, 2))
    changed = attrs.evolve(operations[late], output=operations[early].output)
    return [*operations[:late], changed, *operations[late + 1 :]]


@pytest.mark.parametrize("name", STORES)
@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**48), shape=st.sampled_from([(6, 1), (7, 2), (9, 2), (9, 4)]))
def test_an_old_answer_gets_the_verdict_of_trying_every_order(name, seed, shape):
    """The mistake that is looked for first, where it is one and where the value had come back."""
    random, (size, concurrency) = Random(seed), shape
    operations = store_history(random, STORES[name], size=size, concurrency=concurrency, lost=0.1)
    quick_means_agree(STORES[name], stale(random, operations))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_what_is_seen_at_a_glance_is_told_as_what_was_searched(seed):
    """A verdict that needed no search has an operation that is stuck and the longest orders before it."""
    random = Random(seed)
    agree(key_value(), stale(random, store_history(random, key_value(), size=8, concurrency=2, lost=0.1)))


@pytest.mark.parametrize(
    ("other", "begins", "again"),
    [
        ((11, 20), 21, None),
        ((10, 20), 21, None),
        ((11, 20), 20, None),
        ((11, 20), 21, 25),
        ((11, 20), 21, 26),
    ],
)
@pytest.mark.parametrize("name", STORES)
def test_a_look_at_one_answer_takes_what_touches_it_for_open(name, other, begins, again):
    """Two that touch at an instant may come in either order; a nanosecond apart they may not."""
    shown, written = (("get", "k"), "a"), [("put", "k", "a"), ("put", "k", "b"), ("append", "k", "")]
    if name == "register":
        shown, written = (("read",), 1), [("write", 1), ("write", 2), ("cas", 9, 9)]
    operations = [
        Operation(0, written[0], None, 0, 10),
        Operation(1, written[1], None, *other),
        Operation(2, *shown, begins, 25),
        Operation(3, written[2], False if name == "register" else None, 90, 99),
    ]
    if again is not None:
        operations.append(Operation(4, written[0], None, again, 80))
    wrong = not some_order_is_legal(STORES[name], operations)
    assert wrong == ((other, begins, again) in [((11, 20), 21, None), ((11, 20), 21, 26)])
    assert told_of_one_answer(STORES[name], operations) == ([2] if wrong else [])


@pytest.mark.parametrize("name", STORES)
def test_most_old_answers_are_seen_by_a_look_at_them(name):
    """Of those that make a history illegal, whatever else is open; and for texts mostly at a glance."""
    illegal, looks, glances = 0, 0, 0
    for seed in range(300):
        random, model = Random(seed), STORES[name]
        operations = stale(random, store_history(random, model, size=10, concurrency=2, lost=0.1))
        if some_order_is_legal(model, operations):
            continue
        illegal += 1
        looks += bool(told_of_one_answer(model, operations))
        glances += model.glance is not None and model.glance(operations) is not None
    assert illegal > 50
    assert looks > illegal * 0.5
    assert model.glance is None or glances > illegal * 0.3


def test_where_a_pass_over_a_register_is_stuck_that_answer_is_looked_at():
    """So an old answer in a long history is found without looking at all the others."""
    stuck = wrong = 0
    for seed in range(100):
        random, model = Random(seed), STORES["register"]
        operations = stale(random, store_history(random, model, size=60, concurrency=3, lost=0))
        moves, asked = register_moves(operations, 0), []
        look_for_order(moves, lambda: None, asked.append, lambda: None)
        stuck += bool(asked)
        if any(moves.move[rank] == Move.READ and not can_show(moves, rank) for rank in asked):
            wrong += 1
            found = model.shortcut(operations, lambda: None)
            assert (found.verdict, found.stuck) == ("violated", check_linearizable(model, operations).stuck)
    assert stuck > wrong > 20


@pytest.mark.parametrize("name", STORES)
def test_most_histories_need_no_search(name):
    """Of histories with few values and few open at a time, nine in ten are settled at once."""
    settled = [
        STORES[name].shortcut(
            store_history(Random(seed), STORES[name], size=60, concurrency=3, lost=0), lambda: None
        )
        for seed in range(100)
    ]
    assert sum(one is not None and one.verdict == "holds" for one in settled) >= 90


@pytest.mark.nightly
@pytest.mark.parametrize("name", STORES)
def test_wrong_answers_get_the_verdict_of_trying_every_order_all_night(name):
    """The same with a hundred times as many."""
    for seed in range(50_000):
        random = Random(seed)
        operations = store_history(
            random, STORES[name], size=4 + seed % 5, concurrency=2 + seed % 4, lost=0.2
        )
        quick_means_agree(STORES[name], operations)
        quick_means_agree(STORES[name], spoiled(random, operations))
        quick_means_agree(STORES[name], stale(random, operations))


LONG = st.sampled_from([(20, 3), (20, 8), (60, 5), (60, 12)])


@pytest.mark.parametrize("model", [cas_register(0), key_value()], ids=["cas-register", "key-value"])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**48), shape=LONG)
def test_longer_histories_of_a_correct_store_are_never_condemned(model, seed, shape):
    """Where promises let the search skip orders that only show their worth much later."""
    size, concurrency = shape
    operations = store_history(Random(seed), model, size=size, concurrency=concurrency)
    assert check_linearizable(model, operations, timeout=20).verdict in ("holds", "unknown")


@pytest.mark.parametrize(
    ("size", "concurrency", "seed"), [(60, 5, 109), (80, 5, 159), (80, 5, 241), (40, 6, 285)]
)
def test_what_a_later_return_asks_for_is_still_to_be_had(size, concurrency, seed):
    """Once condemned: the next answer was had in the same step as a put, and the one after it forgotten."""
    operations = store_history(Random(seed), key_value(), size=size, concurrency=concurrency)
    assert check_linearizable(key_value(), operations).verdict == "holds"


@pytest.mark.nightly
def test_longer_histories_of_a_correct_store_hold_all_night():
    """The same with a hundred times as many."""
    for seed in range(15_000):
        for model in (cas_register(0), key_value()):
            operations = store_history(Random(seed), model, size=80, concurrency=3 + seed % 6)
            assert check_linearizable(model, operations, timeout=20).verdict != "violated", seed

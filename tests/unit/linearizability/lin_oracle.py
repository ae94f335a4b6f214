"""The definition, tried out: every order of a small history, and histories to try it on."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from hypothesis import strategies as st

from kalam_props.checks.linearizability import UNKNOWN, Model, Operation


def indeterminate(operation: Operation) -> bool:
    return operation.returned_ns is None or operation.output is UNKNOWN


def some_order_is_legal(
    model: Model, operations: list[Operation], endless: int = 3, open_: frozenset[int] = frozenset()
) -> bool:
    """By trying all. An operation without a bound on its effects may have `endless` of them here.

    Those whose positions are in `open_` need not be placed, but if they are, with the answer they gave.
    """
    effects = []
    for i, operation in enumerate(operations):
        times = endless if operation.at_most is None else operation.at_most
        if not indeterminate(operation):
            ends = None if i in open_ else operation.returned_ns
            effects.append((operation.invoked_ns, ends, operation.input, operation.output))
            times -= 1
        effects += [(operation.invoked_ns, None, operation.input, UNKNOWN)] * times

    @lru_cache(None)
    def can_go_on(placed: int, state: object) -> bool:
        left = [i for i in range(len(effects)) if not placed >> i & 1]
        owed = [effects[i][1] for i in left if effects[i][1] is not None]
        return not owed or any(
            can_go_on(placed | 1 << i, after)
            for i in left
            if effects[i][0] <= min(owed)
            for after in model.step(state, effects[i][2], effects[i][3])
        )

    return can_go_on(0, model.init())


def is_legal_order(model: Model, operations: list[Operation], order: tuple[int, ...]) -> bool:
    """Whether the order respects real time and the model, and has nothing too often.

    Of an operation that was resent, any one place in it may be that of the effect that gave the answer.
    """
    ways, times = {(model.init(), frozenset())}, Counter(order)
    if any(o.at_most is not None and times[i] > o.at_most for i, o in enumerate(operations)):
        return False
    for i in order:
        operation, following = operations[i], set()
        earlier = {
            j
            for j, other in enumerate(operations)
            if not indeterminate(other) and other.returned_ns < operation.invoked_ns
        }
        for state, answered in ways:
            if not earlier <= answered:
                continue
            if not indeterminate(operation) and i not in answered:
                for after in model.step(state, operation.input, operation.output):
                    following.add((after, answered | {i}))
            if indeterminate(operation) or operation.at_most != 1:
                for after in model.step(state, operation.input, UNKNOWN):
                    following.add((after, answered))
        ways = following
    return bool(ways)


def histories(calls: st.SearchStrategy[tuple[object, object]], most: int = 6) -> st.SearchStrategy:
    """Small crowded histories: any calls at any times, some without an answer, some resent."""
    operation = st.builds(
        lambda call, start, length, lost, at_most: Operation(
            "p", call[0], UNKNOWN if lost else call[1], start, None if lost else start + length, at_most
        ),
        calls,
        st.integers(0, 12),
        st.integers(0, 6),
        st.sampled_from([False] * 4 + [True]),
        st.sampled_from([1] * 5 + [2]),
    )
    return st.lists(operation, min_size=1, max_size=most)


@st.composite
def true_histories(draw: st.DrawFn, model: Model, inputs: st.SearchStrategy, answers: dict, most: int = 8):
    """Histories of a store that is correct: each operation takes effect at an instant of its interval.

    `answers(state, input)` lists outputs of which the first legal one is given.
    """
    count = draw(st.integers(1, most))
    drawn = []
    for i in range(count):
        start, length = draw(st.integers(0, 15)), draw(st.integers(0, 6))
        drawn.append((start + draw(st.integers(0, length)), i, start, start + length, draw(inputs)))
    state, result = model.init(), {}
    for _, i, start, end, call in sorted(drawn, key=lambda entry: entry[:2]):
        output, after = next(
            (output, after) for output in answers(state, call) for after in model.step(state, call, output)
        )
        lost, happens = draw(st.sampled_from([False] * 4 + [True])), draw(st.booleans())
        if happens or not lost:
            state = after
        result[i] = Operation(i % 3, call, UNKNOWN if lost else output, start, None if lost else end)
    return [result[i] for i in range(count)]

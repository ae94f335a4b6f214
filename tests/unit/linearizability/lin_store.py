"""Longer histories of a correct store, made from a seed: many open at once, few values, answers lost."""

from __future__ import annotations

from random import Random

from kalam_props.checks.linearizability import UNKNOWN, Model, Operation


def store_history(
    random: Random, model: Model, *, size: int, concurrency: int, lost: float = 0.05
) -> list[Operation]:
    """Each operation takes effect at an instant of its interval; one without an answer did so, or did not."""
    free = [0] * concurrency
    planned = []
    for number in range(size):
        process = min(range(concurrency), key=free.__getitem__)
        begin = free[process] + random.randint(1, 20)
        end = free[process] = begin + random.randint(50, 200)
        planned.append((random.randint(begin, end), number, process, begin, end))
    state = model.init()
    done: list[tuple[int, Operation]] = []
    for _, number, process, begin, end in sorted(planned):
        call, output, after = _call(random, model.init(), state)
        silent = random.random() < lost
        if not silent or random.random() < 0.5:
            state = after
        operation = Operation(process, call, UNKNOWN if silent else output, begin, None if silent else end)
        done.append((number, operation))
    return [operation for _, operation in sorted(done)]


def _call(random: Random, initial: object, state: object) -> tuple[tuple, object, object]:
    """An operation of a register, or of a text where the store begins with one: call, answer, new state."""
    kind = random.random()
    if isinstance(initial, str):
        piece = random.choice("abc")
        if kind < 0.4:
            return ("get", "k"), state, state
        if kind < 0.55:
            return ("put", "k", piece), None, piece
        return ("append", "k", piece), None, state + piece
    value = random.randrange(4)
    if kind < 0.4:
        return ("read",), state, state
    if kind < 0.6:
        return ("write", value), None, value
    expected = random.randrange(4)
    return ("cas", expected, value), expected == state, value if expected == state else state

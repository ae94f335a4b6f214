"""Ready models.

Inputs are tuples of a verb and its arguments, such as `("write", 3)`. Outputs of operations that only change
something are not looked at, unless said otherwise: give None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeAlias

from kalam_props.checks.linearizability.again import impossible_text
from kalam_props.checks.linearizability.operation import UNKNOWN, Effect, Model, Operation
from kalam_props.checks.linearizability.unique import register_shortcut, text_shortcut

Call: TypeAlias = tuple[Any, ...]
States: TypeAlias = tuple[Hashable, ...]


def register(initial: Hashable = None) -> Model:
    """One value: `("write", value)`, `("read",)` with the value as output."""
    return Model(
        lambda: initial,
        _step_register,
        describe=_describe,
        effect=_effect_register,
        shortcut=register_shortcut(initial),
    )


def cas_register(initial: Hashable = None) -> Model:
    """A register with `("cas", expected, new)` as well; its output says whether it found `expected`."""
    return register(initial)


def _step_register(state: Hashable, call: Call, output: object) -> States:
    verb = call[0]
    if verb == "read":
        return (state,) if output is UNKNOWN or output == state else ()
    if verb == "write":
        return (call[1],)
    if verb != "cas":
        raise ValueError(f"a register knows read, write and cas, not {call!r}")
    found = state == call[1]
    if output is not UNKNOWN and bool(output) != found:
        return ()
    return (call[2] if found else state,)


def _effect_register(call: Call, output: object) -> Effect | None:
    if call[0] == "cas":
        if output is UNKNOWN:
            return "update"
        return None if output else "read"
    return "read" if call[0] == "read" else "write"


def multi_register(initial: Hashable = None) -> Model:
    """Several registers, written and read together: `("write", ((key, value), …))`, `("read", (key, …))`.

    A read's output is the tuple of the values in the order of its keys.
    """

    def step(state: frozenset[tuple[Hashable, Hashable]], call: Call, output: Any) -> States:
        values = dict(state)
        if call[0] == "read":
            legal = output is UNKNOWN or tuple(output) == tuple(values.get(key, initial) for key in call[1])
            return (state,) if legal else ()
        if call[0] != "write":
            raise ValueError(f"a multi-register knows read and write, not {call!r}")
        values.update(call[1])
        return (frozenset(values.items()),)

    return Model(
        frozenset,
        step,
        _by_shared_keys,
        describe=_describe,
        effect=lambda call, _output: "read" if call[0] == "read" else "update",
    )


def _by_shared_keys(operations: Sequence[Operation]) -> list[list[int]]:
    """Operations that touch a key in common, directly or by way of others, stay together."""
    leader: dict[Hashable, Hashable] = {}

    def find(key: Hashable) -> Hashable:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    touched: list[list[Hashable]] = []
    for operation in operations:
        call: Call = operation.input  # type: ignore[assignment]
        keys = [pair[0] for pair in call[1]] if call[0] == "write" else list(call[1])
        touched.append(keys)
        for key in keys[1:]:
            leader[find(key)] = find(keys[0])
    return _group(range(len(touched)), lambda i: find(touched[i][0]) if touched[i] else None)


def mutex() -> Model:
    """One lock, free at first: `("acquire",)`, `("release",)`; the output False says that it was refused."""

    def step(held: bool, call: Call, output: object) -> States:  # noqa: FBT001  # the state
        if call[0] not in ("acquire", "release"):
            raise ValueError(f"a mutex knows acquire and release, not {call!r}")
        possible = held == (call[0] == "release")
        if output is UNKNOWN:
            return (not held,) if possible else (held,)
        if output is False:
            return () if possible else (held,)
        return (not held,) if possible else ()

    return Model(lambda: False, step, describe=_describe)


def counter(initial: int = 0) -> Model:
    """A number: `("add", n)`, `("read",)` with it as output, `("add-and-get", n)` with the new number."""

    def step(state: int, call: Call, output: object) -> States:
        verb = call[0]
        if verb == "read":
            return (state,) if output is UNKNOWN or output == state else ()
        if verb == "add":
            return (state + call[1],)
        if verb != "add-and-get":
            raise ValueError(f"a counter knows add, read and add-and-get, not {call!r}")
        return (state + call[1],) if output is UNKNOWN or output == state + call[1] else ()

    def effect(call: Call, output: object) -> Effect | None:
        if call[0] == "read":
            return "read"
        return "update" if call[0] == "add" or output is UNKNOWN else None

    return Model(lambda: initial, step, describe=_describe, effect=effect)


def set_model() -> Model:
    """A set, empty at first: `("add", x)`, `("remove", x)`, `("contains", x)`, `("read",)`.

    Add and remove answer whether they changed anything, or None where that was not told; contains answers
    True or False; read answers all elements, as any iterable of hashable ones.
    """
    return Model(frozenset, _step_set, _by_element, describe=_describe, effect=_effect_set)


def _step_set(state: frozenset[Hashable], call: Call, output: Any) -> States:
    verb = call[0]
    if verb == "read":
        return (state,) if output is UNKNOWN or frozenset(output) == state else ()
    element = call[1]
    there = element in state
    if verb == "contains":
        return (state,) if output is UNKNOWN or output == there else ()
    if verb not in ("add", "remove"):
        raise ValueError(f"a set knows add, remove, contains and read, not {call!r}")
    changes = there == (verb == "remove")
    if output is not UNKNOWN and output is not None and output != changes:
        return ()
    if not changes:
        return (state,)
    return (state | {element} if verb == "add" else state - {element},)


def _effect_set(call: Call, output: object) -> Effect | None:
    if call[0] in ("read", "contains") or output is False:
        return "read"
    return "update" if output is UNKNOWN or output is None else None


def _by_element(operations: Sequence[Operation]) -> list[list[int]]:
    """By element, unless some operation reads them all."""
    calls: list[Call] = [operation.input for operation in operations]  # type: ignore[misc]
    if any(call[0] == "read" for call in calls):
        return [list(range(len(calls)))]
    return _group(range(len(calls)), lambda i: calls[i][1])


def key_value(initial: str = "") -> Model:
    """Texts by key: `("put", key, text)`, `("append", key, text)`, `("get", key)` with the text as output."""
    return Model(
        lambda: initial,
        _step_text,
        _by_key,
        describe=_describe,
        effect=lambda call, _output: _TEXT_EFFECTS[call[0]],
        towards=_text_may_become,
        shortcut=text_shortcut(initial),
        glance=lambda operations: impossible_text(operations, initial),
    )


_TEXT_EFFECTS: dict[str, Effect] = {"get": "read", "put": "write", "append": "update"}


def _text_may_become(state: str, call: Call, output: object) -> bool:
    """Appends keep what is there."""
    return call[0] != "get" or not isinstance(output, str) or output.startswith(state)


def _step_text(state: str, call: Call, output: object) -> States:
    verb = call[0]
    if verb == "get":
        return (state,) if output is UNKNOWN or output == state else ()
    if verb == "put":
        return (call[2],)
    if verb == "append":
        return (state + call[2],)
    raise ValueError(f"a key-value store knows get, put and append, not {call!r}")


def _by_key(operations: Sequence[Operation]) -> list[list[int]]:
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i, operation in enumerate(operations):
        groups[operation.input[1]].append(i)  # type: ignore[index]
    return list(groups.values())


def fifo_queue() -> Model:
    """A queue, empty at first: `("enqueue", x)`, `("dequeue",)` with x as output, None where it is empty."""

    def step(state: tuple[Hashable, ...], call: Call, output: object) -> States:
        if call[0] == "enqueue":
            return ((*state, call[1]),)
        if call[0] != "dequeue":
            raise ValueError(f"a queue knows enqueue and dequeue, not {call!r}")
        if not state:
            return (state,) if output is UNKNOWN or output is None else ()
        return (state[1:],) if output is UNKNOWN or output == state[0] else ()

    def effect(call: Call, output: object) -> Effect | None:
        if call[0] == "enqueue" or output is UNKNOWN:
            return "update"
        return "read" if output is None else None

    return Model(tuple, step, describe=_describe, effect=effect)


def _group(those: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i in those:
        groups[key(i)].append(i)
    return list(groups.values())


def _describe(call: Call, output: object) -> str:
    words = f"{call[0]}({', '.join(repr(argument) for argument in call[1:])})"
    return words if output is None and call[0] not in ("read", "get", "dequeue") else f"{words} -> {output!r}"

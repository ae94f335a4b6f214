"""A model's steps, computed once each and then looked up by small integers.

States and kinds of operations (an input with its output) are numbered; the search never sees the user's
values, and asks the model only when it meets a pair for the first time.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from time import monotonic

from kalam_props.checks.linearizability.operation import Effect, Model

_STATE_BYTES = 400  # a number, a row and an entry or two, measured
_TRANSITION_BYTES = 150


class OutOfTimeError(Exception):
    """The time granted is used up."""


class OutOfMemoryBudgetError(Exception):
    """The memory granted is used up."""


class Budget:
    """The time and memory that one check may use.

    Memory is estimated, not measured: by what configurations, states and transitions take in CPython.
    """

    def __init__(self, timeout: float | None, memory_bytes: int) -> None:
        self._ends = None if timeout is None else monotonic() + timeout
        self._left = memory_bytes

    def check(self) -> None:
        """Raises OutOfTimeError when the time is up."""
        if self._ends is not None and monotonic() >= self._ends:
            raise OutOfTimeError

    def spend(self, memory_bytes: int) -> None:
        """Takes memory.

        Raises:
            OutOfMemoryBudgetError: there is not so much left.
            OutOfTimeError: the time is up.

        """
        self._left -= memory_bytes
        if self._left < 0:
            raise OutOfMemoryBudgetError
        self.check()

    def give_back(self, memory_bytes: int) -> None:
        self._left += memory_bytes

    def renew(self, seconds: float) -> None:
        """Grants that many seconds from now, if time is limited."""
        if self._ends is not None:
            self._ends = monotonic() + seconds


class Transitions:
    """The part of the model's transition relation that was met so far.

    `rows[state][kind]` is the tuple of next states, empty where that answer is impossible.
    """

    def __init__(self, model: Model, budget: Budget) -> None:
        self.model = model
        self.budget = budget
        self.states: list[Hashable] = []
        self.rows: list[dict[int, tuple[int, ...]]] = []
        self._state_ids: dict[Hashable, int] = {}
        self.calls: list[tuple[object, object]] = []
        self.kinds: dict[Hashable, int] = {}
        self.effects: list[Effect | None] = []
        # The promises, by kind: never changes the state; a "write"; legal in every state.
        self.still: list[bool] = []
        self.blind: list[bool] = []
        self.total: list[bool] = []
        self._leads: dict[tuple[int, int], bool] = {}
        self.initial = self._new_state(model.init())

    def kind(self, call_input: object, output: object) -> int:
        """The number of this input with this output. Unhashable ones get a number each."""
        key = (call_input, output)
        try:
            known = self.kinds.get(key)
        except TypeError:
            return self._new_kind(call_input, output)
        if known is None:
            known = self.kinds[key] = self._new_kind(call_input, output)
        return known

    def _new_kind(self, call_input: object, output: object) -> int:
        self.calls.append((call_input, output))
        effect = self.model.effect(call_input, output)
        self.effects.append(effect)
        self.still.append(effect == "read")
        self.blind.append(effect == "write")
        self.total.append(effect in ("write", "update"))
        return len(self.calls) - 1

    def miss(self, state: int, kind: int) -> tuple[int, ...]:
        """Asks the model for the next states, and keeps the answer in `rows`.

        Raises:
            OutOfTimeError: a slow model is stopped here.
            OutOfMemoryBudgetError: a model without bounds is stopped here.

        """
        self.budget.spend(_TRANSITION_BYTES)
        call_input, output = self.calls[kind]
        value = self.states[state]
        found = tuple(self.model.step(value, call_input, output))
        after: tuple[int, ...]
        if len(found) == 1:  # nearly always, and often the state that it was
            after = (state,) if found[0] is value else (self._state(found[0]),)
        else:
            after = tuple(dict.fromkeys([self._state(one) for one in found]))
        self.rows[state][kind] = after
        return after

    def leads(self, state: int, kind: int) -> bool:
        """Whether that answer may become possible from this state without a "write"."""
        if self.model.towards is None:
            return True
        known = self._leads.get((state, kind))
        if known is None:
            known = self._leads[state, kind] = self.model.towards(self.states[state], *self.calls[kind])
        return known

    def next_states(self, state: int, kind: int) -> tuple[int, ...]:
        after = self.rows[state].get(kind)
        return self.miss(state, kind) if after is None else after

    def _state(self, value: Hashable) -> int:
        known = self._state_ids.get(value)
        if known is None:
            self.budget.spend(_STATE_BYTES + sys.getsizeof(value))
            known = self._new_state(value)
        return known

    def _new_state(self, value: Hashable) -> int:
        number = self._state_ids[value] = len(self.states)
        self.states.append(value)
        self.rows.append({})
        return number

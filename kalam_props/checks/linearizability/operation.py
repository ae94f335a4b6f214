"""What the checker is given and what it answers: operations, models, verdicts."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

from kalam_props.checks.verdict import VerdictName


class Unknown(enum.Enum):
    """The type of `UNKNOWN`; an enumeration, so that it survives copying and pickling."""

    UNKNOWN = "UNKNOWN"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
"""The output of an operation whose answer nobody saw."""


@frozen
class Operation:
    """One call of one process.

    It took effect at one instant of the closed interval from `invoked_ns` to `returned_ns`: two operations
    that touch at one instant are concurrent. With `returned_ns=None` or `output=UNKNOWN` it is indeterminate:
    it takes effect at any time after `invoked_ns`, or never, and the model's step is given UNKNOWN.

    Attributes:
        process: who called; only told, never judged. Operations of one process may overlap.
        input: what was asked for, in the model's own terms.
        output: what was answered, or UNKNOWN.
        invoked_ns: when it was called, on any monotonic clock that all operations share.
        returned_ns: when the answer came, or None.
        at_most: how often it may have taken effect: 1, or more if a client resent it; None: any number of
            times. One effect, in the interval, gave the answer; the others may come at any time after
            `invoked_ns`, before that one or long after the answer, and nobody saw theirs.

    """

    process: Hashable
    input: object
    output: object
    invoked_ns: int
    returned_ns: int | None
    at_most: int | None = 1


Effect: TypeAlias = Literal["read", "write", "update"]
"""What a model promises of an operation, see `Model.effect`."""


@frozen
class Settled:
    """What a shortcut found out about the operations that it was given; indices are positions in them.

    Attributes:
        verdict: "holds" or "violated".
        stuck: for a violation, the operation at whose return it shows; the operations before its return
            must have a legal order.
        order: for a violation, a legal order of all operations that had returned before `stuck` did (and any
            others that were open then), or None: the search finds one.

    """

    verdict: Literal["holds", "violated"]
    stuck: int | None = None
    order: tuple[int, ...] | None = None


def describe_call(input: object, output: object) -> str:  # noqa: A002  # the field's name
    """The default for `Model.describe`."""
    return f"{input!r} -> {output!r}"


def _promises_nothing(_input: object, _output: object) -> Effect | None:
    return None


Shortcut: TypeAlias = Callable[[Sequence[Operation], Callable[[], None]], Settled | None]
"""See `Model.shortcut`."""

Glance: TypeAlias = Callable[[Sequence[Operation]], int | None]
"""See `Model.glance`."""


@frozen
class Model:
    """A sequential specification.

    States, and inputs with their outputs, that compare equal are taken to be the same. The functions must be
    pure.

    Attributes:
        init: gives the initial state, a hashable value.
        step: `step(state, input, output)` gives the possible next states, none if that answer is impossible
            in this state. `output` is UNKNOWN where nobody saw the answer.
        partition: groups that can be judged apart, where the whole is linearizable exactly if each group is
            (P-compositionality): given the operations, it returns groups, each a sequence of the operations
            it was given, or of their positions. Every operation is in exactly one group, and `init` and
            `step` work for one group as well as for the whole.
        describe: an operation in words, `describe(input, output)`.
        effect: an optional promise that lets the search skip orders, `effect(input, output)`. "read": never
            changes the state. "write": legal in every state, and the next states do not depend on the state.
            "update": legal in every state. None: no promise.
        towards: an optional promise that narrows the search. `towards(state, input, output)` is False if no
            operations other than "write"s lead from `state` to a state in which that answer is possible.
        shortcut: an optional faster way to judge one group, `shortcut(operations, check)`: None where it
            cannot tell. It calls `check()` now and then, which raises when the time is up.
        glance: an optional look at one group, `glance(operations)`, that takes little time: the position of
            an operation whose answer cannot be true, or None where none such is seen. All groups are looked
            at before any is judged.

    """

    init: Callable[[], Hashable]
    step: Callable[..., Iterable[Hashable]]
    partition: Callable[[Sequence[Operation]], Iterable[Sequence[Operation] | Sequence[int]]] | None = None
    describe: Callable[..., str] = describe_call
    effect: Callable[..., Effect | None] = field(default=_promises_nothing, kw_only=True)
    towards: Callable[..., bool] | None = field(default=None, kw_only=True)
    shortcut: Shortcut | None = field(default=None, kw_only=True)
    glance: Glance | None = field(default=None, kw_only=True)


@frozen
class Told:
    """What there is to tell of a verdict."""

    partial_linearizations: tuple[tuple[int, ...], ...] = ()
    stuck: int | None = None
    explanation: str = ""


@frozen
class Linearizability:
    """The answer. Indices are positions in the operations that were given.

    The verdict is decided; the rest is found out when it is first asked for, which may take half a second.

    Attributes:
        verdict: "holds": some order that respects real time is legal. "violated": none is. "unknown": the
            time or the memory was used up before either was certain.

    """

    verdict: VerdictName
    _tell: Callable[[], Told] = field(eq=lambda tell: tell(), repr=lambda tell: repr(tell()))

    @property
    def partial_linearizations(self) -> tuple[tuple[int, ...], ...]:
        """For a violation, the longest legal orders, without `stuck`, of the group that proves it.

        See `docs/linearizability.md` for what is longest. An operation that was resent may be in one several
        times, and even `stuck` then, for effects that nobody saw.
        """
        return self._tell().partial_linearizations

    @property
    def stuck(self) -> int | None:
        """For a violation, the operation at whose return it shows.

        The operations that had returned before can be put in a legal order, those and this one cannot. (The
        operations that were open at that moment may be in the order, with the answers that they gave later,
        or not.)
        """
        return self._tell().stuck

    @property
    def explanation(self) -> str:
        """One paragraph for people."""
        return self._tell().explanation

    def __reduce__(self) -> tuple[object, ...]:
        return answer, (self.verdict, self._tell())


def answer(verdict: VerdictName, told: Told) -> Linearizability:
    """An answer that has been told already."""
    return Linearizability(verdict, lambda: told)

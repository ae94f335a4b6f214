"""For each fault the smallest programs that can show it, written by hand, and the names it may show under.

Every execution ends with reads of everything (`execution.run.closing`), so a loss for good needs no read of
its own. Where two programs are equally small, both are here. Keys of two users never meet, so an expert
writes them down as they come; what programs call their users, keys and values makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import TypeAlias

from attrs import evolve, field, frozen

from kalam_props.history.operations import (
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Kill,
    Operation,
    Recreate,
    Restart,
    Select,
    Subscribe,
    Update,
)
from kalam_props.hunt.structure import in_turns
from kalam_props.measure.shape import same_up_to_names
from kalam_props.programs.keys import with_key_type
from kalam_props.programs.model import Program, Release, Round, Step, TableDef

_COLUMNS = (("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT"))
_Lanes: TypeAlias = dict[str, tuple[Operation, ...]]

_A, _B, _C = "u0/1", "u0/2", "u0/3"
_OTHER = "u1/1"


@frozen
class Yardstick:
    """What an expert would hand in for a fault.

    Attributes:
        minima: the smallest programs known, one kind of flush at a time: all that flush by command have the
            same number of operations, and so have the others. A command is an operation, a policy is none.
        names: anomalies under which the fault may show itself; others are another bug, or ours.
        aimed: a program that meets the window whatever the machine is doing, where the smallest do not.
        under: larger ones, by the name of an anomaly that none of the minima shows.

    """

    minima: tuple[Program, ...]
    names: frozenset[str]
    aimed: Program | None = None
    under: Mapping[str, tuple[Program, ...]] = field(factory=dict)

    @property
    def operations(self) -> int:
        return min(program.operations for program in self.minima)

    def has(self, program: Program, name: str) -> bool:
        """Whether a program that shows an anomaly is one of these up to names, or without its concurrency."""
        return any(
            same_up_to_names(program, known)
            for minimum in (*self.minima, *self.under.get(name, ()))
            for known in (minimum, *in_turns(minimum))
        )


def _program(flush_rows: int | None, *rounds: _Lanes) -> Program:
    steps = tuple(
        Round({name: tuple(_steps(f"{at} {name}", lane)) for name, lane in lanes.items()})
        for at, lanes in enumerate(rounds)
    )
    return Program({"t": TableDef(_COLUMNS, "id", flush_rows=flush_rows)}, steps)


def _steps(where: str, lane: tuple[Operation, ...]) -> Iterator[Step]:
    """A lane's steps, each insert with values of its own: whose row is seen is told by its value."""
    for op in lane:
        if isinstance(op, Insert):
            rows = tuple((key, f"{where} {value}", n) for key, value, n in op.rows)
            yield Step(Insert(op.table, rows))
        else:
            yield Step(op)


def _insert(*keys: int) -> Insert:
    return Insert("t", tuple((key, f"row {key}", 0) for key in keys))


_FLUSH, _FLUSHED = Flush("t"), AwaitFlush("t")
_SCAN, _COUNT, _GET = Select("t"), Count("t"), Get("t", 1)
_READS: tuple[Operation, ...] = (_SCAN, _COUNT, _GET)
_INCREMENT, _UPDATE, _DELETE = Increment("t", 1, "n"), Update("t", 1, {"v": "new"}), Delete("t", 1)

_OF_NO_ROW: tuple[Operation, ...] = (Update("t", 2, {"v": "new"}), Increment("t", 2, "n"), Delete("t", 2))

_MISSING = frozenset(
    {"lost-row", "stale-read", "flickering-row", "wrong-count", "wrong-affected", "not-atomic-scan"}
    | {"wrongly-accepted", "wrongly-refused", "torn-batch", "lost-update", "stale-value", "resurrected-row"}
)
"""Rows, or what was done to them last, that are not there when they should be: an update then changes
nothing, a second insert is accepted, and a row whose tombstone is missing is back."""

_TOO_MANY = frozenset(
    {"phantom-row", "failed-but-visible", "wrong-count", "wrongly-refused", "duplicate-row"}
)
_FOREIGN = frozenset({"foreign-row"}) | _MISSING | _TOO_MANY
_OVERWRITTEN = _MISSING | {"duplicate-row"}
_OLD_VALUE = _MISSING | {"corrupt-row", "failed-but-visible"}


def _during_a_flush(*ops: Operation) -> tuple[Program, ...]:
    """A row, and one of some operations that meets the flush of it: by policy, or by command."""
    return (
        *(_program(1, {_A: (_insert(1), op)}) for op in ops),
        *(_program(1, {_A: (_insert(1),), _B: (op,)}) for op in ops),
        *(_program(None, {_A: (_insert(1),)}, {_A: (_FLUSH,), _B: (op,)}) for op in ops),
        *(_program(None, {_A: (_insert(1),)}, {_A: (op,), _B: (_FLUSH,)}) for op in ops),
        *(_program(None, {_A: (_insert(1), _FLUSH, op)}) for op in ops),  # it is answered before it runs
    )


def _into_flush(op: Operation) -> Program:
    """A row, then a flush by command with an operation released into it.

    The client of what is released there runs by then: how long one takes to start, on a busy machine longer
    than any flush, has no part in it.
    """
    program = _program(None, {_A: (_insert(1),)}, {_A: (_FLUSH,), _B: (op,)})
    first, second = program.rounds
    step = evolve(second.lanes[_B][0], release=Release("flush", fraction=0.7))
    return program.with_rounds((first, Round({**second.lanes, _B: (step,)})))


_ONE_EACH_COLD = (
    _program(2, {_A: (_insert(1),), _OTHER: (_insert(1),)}),
    _program(None, {_A: (_insert(1),), _OTHER: (_insert(1),)}, {_A: (_FLUSH,)}),
)
"""Or one after the other (`Yardstick.has`)."""
_BATCH_AND_READER = (
    _program(None, {_A: (_insert(1, 2),), _B: (_SCAN,)}),
    _program(None, {_A: (_insert(1, 2),), _B: (_COUNT,)}),
)
_UNDONE_BY_A_KILL = Yardstick(
    (_program(None, {_A: (_insert(1), Kill())}),),
    frozenset({"lost-after-crash"}) | _MISSING,
    under={
        "resurrected-row": (_program(None, {_A: (_insert(1), _DELETE, Kill())}),),
        "lost-update": tuple(
            _program(None, {_A: (_insert(1), change, Kill())}) for change in (_UPDATE, _INCREMENT)
        ),
    },
)


def _then_together(first: Operation, one: Operation, other: Operation) -> tuple[Program, ...]:
    """An insert, then two operations at the same time, either of them in the session that inserted."""
    return tuple(
        _program(None, {_A: (first,)}, {_A: (own,), _B: (beside,)})
        for own, beside in ((one, other), (other, one))[: 1 if one == other else 2]
    )


_TWO_CASES = with_key_type(
    _program(None, {_A: (_insert(1), _insert(2))}), "t", "TEXT", lambda key: "A" if key == 2 else "a"
)

_AGAIN = evolve(
    _program(None, {_A: (_insert(1),)}, {_A: (Recreate("t_2"),)}),
    tables={"t": TableDef(_COLUMNS, "id"), "t_2": TableDef(_COLUMNS, "id", name="t")},
)

_IN_A_FLUSH: dict[str, Yardstick] = {
    "lost-on-flush": Yardstick(
        _during_a_flush(_insert(2), _UPDATE, _INCREMENT, _DELETE),
        _MISSING,
        aimed=_into_flush(_insert(2)),
    ),
    "boundary-row-dropped": Yardstick((_program(1, {_A: (_insert(1),)}),), _MISSING),
    "seen-twice": Yardstick(
        _during_a_flush(_SCAN, _COUNT, _GET),
        frozenset({"duplicate-row", "wrong-count"}),
        aimed=_into_flush(_SCAN),
    ),
    "gone-between": Yardstick(_during_a_flush(_SCAN, _COUNT, _GET), _MISSING, aimed=_into_flush(_SCAN)),
    "foreign-flush": Yardstick(_ONE_EACH_COLD, _FOREIGN),
    "tombstone-dropped": Yardstick(
        (
            _program(1, {_A: (_insert(1), _FLUSHED, _DELETE)}),
            _program(None, {_A: (_insert(1), _FLUSH, _DELETE, _FLUSH)}),
        ),
        _MISSING,
    ),
    "old-version-flushed": Yardstick(
        (
            _program(2, {_A: (_insert(1), _INCREMENT)}),
            _program(2, {_A: (_insert(1), _UPDATE)}),
            _program(2, {_A: (_insert(1), _DELETE)}),
            _program(None, {_A: (_insert(1), _INCREMENT, _FLUSH)}),
            _program(None, {_A: (_insert(1), _UPDATE, _FLUSH)}),
            _program(None, {_A: (_insert(1), _DELETE, _FLUSH)}),
        ),
        _MISSING,
    ),
    "shifted-column": Yardstick(
        (_program(2, {_A: (_insert(1, 2),)}), _program(None, {_A: (_insert(1, 2), _FLUSH)})),
        frozenset({"corrupt-row", "stale-value", "lost-update"}),
    ),
    "hang-at-flush": Yardstick(
        _during_a_flush(_insert(2), _insert(1), _UPDATE, _INCREMENT, _DELETE, *_OF_NO_ROW),
        frozenset({"hung"}),
        aimed=_into_flush(_insert(2)),
    ),
}

_IN_A_READ: dict[str, Yardstick] = {
    "stale-manifest": Yardstick(_during_a_flush(_SCAN, _COUNT), _MISSING, aimed=_into_flush(_SCAN)),
    "hot-only-count": Yardstick(
        _during_a_flush(_COUNT), frozenset({"wrong-count"}), aimed=_into_flush(_COUNT)
    ),
    "stale-count": Yardstick(
        (
            _program(None, {_A: (_insert(1), _COUNT)}),
            _program(None, {_A: (_insert(1),), _B: (_COUNT,)}),
        ),
        frozenset({"wrong-count"}),
    ),
    "stale-snapshot": Yardstick(
        tuple(
            _program(None, *rounds)
            for read in (_SCAN, _COUNT)
            for rounds in (({_A: (_insert(1), read)},), ({_A: (_insert(1),), _B: (read,)},))
        ),
        _MISSING,
    ),
    "stale-index": Yardstick(
        (
            _program(None, {_A: (_insert(1), _INCREMENT, _GET)}),
            _program(None, {_A: (_insert(1), _UPDATE, _GET)}),
            *_then_together(_insert(1), _INCREMENT, _GET),
            *_then_together(_insert(1), _UPDATE, _GET),
        ),
        _OLD_VALUE,
    ),
    "split-scan": Yardstick(
        (
            _program(None, {_A: (_insert(1), _insert(2)), _B: (_SCAN,)}),
            _program(None, {_A: (_insert(1),), _B: (_insert(2),), _C: (_SCAN,)}),
        ),
        _MISSING,
    ),
    "foreign-file": Yardstick(_ONE_EACH_COLD, _FOREIGN),
}

_IN_A_WRITE: dict[str, Yardstick] = {
    "torn-batch": Yardstick(
        _BATCH_AND_READER, frozenset({"torn-batch", "wrong-count", "not-atomic-scan", "flickering-row"})
    ),
    "update-race": Yardstick(
        (
            *_then_together(_insert(1), _INCREMENT, _INCREMENT),
            *_then_together(_insert(1), _UPDATE, _INCREMENT),
            *_then_together(_insert(1), _DELETE, _INCREMENT),
            *_then_together(_insert(1), _DELETE, _UPDATE),
        ),
        _MISSING,
    ),
    "insert-race": Yardstick((_program(None, {_A: (_insert(1),), _B: (_insert(1),)}),), _OVERWRITTEN),
    "delete-race": Yardstick(
        _then_together(_insert(1), _DELETE, _DELETE),
        _OVERWRITTEN,
        under={
            # One delete more than there were rows, and a row in the end.
            "resurrected-row": (
                _program(None, {_A: (_insert(1),)}, {_A: (_DELETE,), _B: (_DELETE,), _C: (_insert(1),)}),
            )
        },
    ),
    "version-tie": Yardstick(
        (
            _program(None, {_A: (_insert(1),), _B: (_INCREMENT,)}),
            _program(None, {_A: (_insert(1),), _B: (_UPDATE,)}),
            _program(None, {_A: (_insert(1), _INCREMENT)}),
            _program(None, {_A: (_insert(1), _UPDATE)}),
        ),
        _OLD_VALUE,
    ),
    "sequence-collision": Yardstick(
        (
            _program(None, {_A: (_insert(1),), _B: (_insert(2),)}),
            _program(None, {_A: (_insert(1), _insert(2))}),
        ),
        _MISSING,
    ),
    "keys-not-per-user": Yardstick(
        (_program(None, {_A: (_insert(1),), _OTHER: (_insert(1),)}),), frozenset({"wrongly-refused"})
    ),
    "refused-batch-seen": Yardstick(
        (
            *_then_together(_insert(1), _insert(1, 2), _SCAN),
            *_then_together(_insert(1), _insert(1, 2), _COUNT),
        ),
        _TOO_MANY | {"flickering-row"},
    ),
    "applied-but-refused": Yardstick((_program(None, {_A: (_insert(1),)}),), _TOO_MANY),
    "dropped-rows-return": Yardstick((_AGAIN,), _TOO_MANY | {"corrupt-row"}),
    "keys-folded": Yardstick((_TWO_CASES,), frozenset({"wrongly-refused"})),
}

_BETWEEN_REQUESTS: dict[str, Yardstick] = {
    "shared-identity": Yardstick(
        (
            _program(None, {_A: (_insert(1),), _OTHER: (_insert(1),)}),
            _program(None, {_A: (_insert(1),), _OTHER: (_SCAN,)}),
        ),
        _FOREIGN | {"wrongly-accepted", "server-error"},
    ),
    "swapped-answers": Yardstick(
        (
            _program(None, {_A: (_insert(1),)}, {_A: (_SCAN,), _OTHER: (_SCAN,)}),
            _program(None, {_A: (_insert(1),)}, {_A: (_COUNT,), _OTHER: (_COUNT,)}),
            _program(None, {_A: (_insert(1),)}, {_A: (_GET,), _OTHER: (_GET,)}),
        ),
        _FOREIGN,
    ),
    "error-under-load": Yardstick(
        # Any three will do: three reads are the plainest.
        tuple(
            _program(None, {_A: (one,), _B: (other,), _C: (third,)})
            for one, other, third in combinations_with_replacement(_READS, 3)
        ),
        frozenset({"server-error"}),
    ),
}

_IN_A_RESTART: dict[str, Yardstick] = {
    "not-durable": _UNDONE_BY_A_KILL,
    "hot-not-replayed": _UNDONE_BY_A_KILL,
    "flush-replayed": Yardstick(
        tuple(
            program
            for end in (Restart(), Kill())
            for change in (_DELETE, _UPDATE, _INCREMENT)
            for program in (
                _program(2, {_A: (_insert(1, 2), _FLUSHED, change, end)}),
                _program(1, {_A: (_insert(1), _FLUSHED, change, end)}),  # if it is down before the next flush
                _program(None, {_A: (_insert(1), _FLUSH, _FLUSHED, change, end)}),
            )
        ),
        _MISSING,
    ),
}

_TOLD: dict[str, Yardstick] = {
    "missed-notification": Yardstick(
        (_program(None, {_A: (Subscribe("t"), _insert(1))}),), frozenset({"missed-notification"})
    ),
    "notification-twice": Yardstick(
        (_program(None, {_A: (Subscribe("t"), _insert(1))}),), frozenset({"duplicate-notification"})
    ),
    "foreign-notification": Yardstick(
        (_program(None, {_A: (Subscribe("t"),)}, {_OTHER: (_insert(1),)}),),
        frozenset({"foreign-notification"}),
    ),
    "notification-overtaken": Yardstick(
        tuple(
            _program(None, *rounds)
            for then in (_INCREMENT, _UPDATE, _DELETE, _insert(2))
            for rounds in (
                ({_A: (Subscribe("t"), _insert(1), then)},),
                ({_A: (Subscribe("t"),)}, {_A: (_insert(1),), _B: (then,)}),
            )
        ),
        frozenset({"reordered-notification"}),
    ),
}

YARDSTICKS: Mapping[str, Yardstick] = MappingProxyType(
    {
        **_IN_A_FLUSH,
        **_IN_A_READ,
        **_IN_A_WRITE,
        **_BETWEEN_REQUESTS,
        **_IN_A_RESTART,
        **_TOLD,
    }
)
"""One for each fault of the reference server, by its name."""

"""Which histories of the ready models have unique values, and what their operations have to do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import attrs

from kalam_props.checks.linearizability.again import can_show
from kalam_props.checks.linearizability.blocks import (
    NEVER,
    NOTHING,
    Contradiction,
    Part,
    Reading,
    Shape,
    settle,
)
from kalam_props.checks.linearizability.forward import look_for_order
from kalam_props.checks.linearizability.moves import Move, Moves, register_moves, text_moves
from kalam_props.checks.linearizability.operation import UNKNOWN, Operation, Settled, Shortcut
from kalam_props.checks.linearizability.stale import stale_text, stale_value

NONE, READ, WRITE, CHANGE, UNSEEN, REFUSED = Part


def register_shortcut(initial: object) -> Shortcut:
    """For a register with reads, writes and compare-and-sets, where each value is made at most once.

    Of others it finds an order that needs no long search, or a value that cannot be there.
    """

    def judge(operations: Sequence[Operation], check: Callable[[], None]) -> Settled | None:
        try:
            settled = unique(operations, check)
            if settled is not None:
                return settled
            moves = register_moves(operations, initial)
            if moves is None:
                return stale_value(operations, initial)
            return look_for_order(
                moves, check, partial(at_once, moves), lambda: stale_value(operations, initial)
            )
        except TypeError:  # a value that cannot be looked up
            return None

    def at_once(moves: Moves, rank: int) -> Settled | None:
        if moves.move[rank] not in (Move.READ, Move.CHANGE) or can_show(moves, rank):
            return None
        return Settled("violated", stuck=moves.position[rank])

    def unique(operations: Sequence[Operation], check: Callable[[], None]) -> Settled | None:
        shape = _register_shape(operations, initial, _returns(operations))
        if shape is None:
            return None
        return settle(lambda returned: attrs.evolve(shape, known=returned), shape.invoked, shape.known, check)

    return judge


def text_shortcut(initial: str) -> Shortcut:
    """For texts that are put, appended to and got, where what was got can be read in one way only.

    Of others it finds an order that needs no long search, or a text that cannot be there.
    """

    def judge(operations: Sequence[Operation], check: Callable[[], None]) -> Settled | None:
        try:
            moves = text_moves(operations, initial)
            if moves is None:
                return otherwise(operations, check)
            told = cache(lambda: otherwise(operations, check))
            return look_for_order(moves, check, lambda _: told(), told)
        except TypeError:  # what should be a text is none
            return None

    def otherwise(operations: Sequence[Operation], check: Callable[[], None]) -> Settled | None:
        return unique(operations, check) or stale_text(operations, initial)

    def unique(operations: Sequence[Operation], check: Callable[[], None]) -> Settled | None:
        puts: dict[str, int] = {}
        appends: dict[str, int] = {}
        for i, operation in enumerate(operations):
            call: tuple[str, ...] = operation.input  # type: ignore[assignment]
            if call[0] == "get":
                continue
            made = puts if call[0] == "put" else appends if call[0] == "append" else None
            if made is None or operation.at_most != 1 or call[2] in made or not call[2] or call[2] == initial:
                return None
            made[call[2]] = i
        returned = _returns(operations)
        texts: list[Any] = [
            operation.input[2]  # type: ignore[index]
            if operation.input[0] != "get"  # type: ignore[index]
            else initial
            if end == NEVER
            else operation.output
            for operation, end in zip(operations, returned, strict=True)
        ]
        if not all(isinstance(text, str) for text in texts):
            return None
        invoked = [operation.invoked_ns for operation in operations]
        return settle(_text_reading(initial, texts, puts, appends, invoked), invoked, returned, check)

    return judge


def _returns(operations: Sequence[Operation]) -> list[int]:
    return [NEVER if o.returned_ns is None or o.output is UNKNOWN else o.returned_ns for o in operations]


def _register_shape(
    operations: Sequence[Operation], initial: object, returned: Sequence[int]
) -> Shape | None:
    count = len(operations)
    part: list[Part] = [NONE] * count
    found: list[object] = [NOTHING] * count
    made: list[object] = [NOTHING] * count
    maker: dict[object, int] = {}
    for i, operation in enumerate(operations):
        call: tuple[object, ...] = operation.input  # type: ignore[assignment]
        output = UNKNOWN if operation.returned_ns is None else operation.output
        if call[0] == "read":
            if output is not UNKNOWN:
                part[i] = READ
                found[i] = output
            continue
        if operation.at_most != 1 or call[0] not in ("write", "cas"):
            return None
        if call[0] == "write":
            part[i] = WRITE
            value = call[1]
        else:
            found[i], value = call[1], call[2]
            if output is not UNKNOWN and not output:
                part[i] = REFUSED
                continue
            if found[i] == value:
                part[i] = NONE if output is UNKNOWN else READ
                continue
            part[i] = CHANGE
        if value in maker or value == initial:
            return None
        maker[value] = i
        made[i] = value
    return Shape(initial, part, found, made, maker, [o.invoked_ns for o in operations], returned)


def _text_reading(
    initial: str, texts: list[str], puts: dict[str, int], appends: dict[str, int], invoked: list[int]
) -> Reading:
    lengths = sorted({len(text) for text in appends})

    def ends(text: str) -> list[str]:
        return [text[-length:] for length in lengths if length <= len(text) and text[-length:] in appends]

    def reading(returned: Sequence[int]) -> Shape | Contradiction | None:
        """Takes what was got apart, those that returned first first.

        An append that two texts show at different places makes them contradict each other. A text that no
        operations can have made stays without a maker.
        """
        part: list[Part] = [NONE] * len(texts)
        found: list[object] = [NOTHING] * len(texts)
        made: list[object] = [NOTHING] * len(texts)
        maker: dict[object, int] = {}
        known = list(returned)
        for text, i in puts.items():
            part[i], made[i], maker[text] = WRITE, text, i
        for i in appends.values():
            if returned[i] != NEVER:
                part[i] = UNSEEN
        changing = {*puts.values(), *appends.values()}
        gets = [i for i in range(len(texts)) if returned[i] != NEVER and i not in changing]
        impossible: set[str] = set()
        for i in sorted(gets, key=returned.__getitem__):
            text = found[i] = texts[i]
            part[i] = READ
            tail: list[str] = []
            while text != initial and text not in maker and text not in impossible:
                endings = ends(text)
                if len(endings) != 1:
                    if endings:
                        return None
                    impossible.add(text)
                    break
                tail.append(endings[0])
                text = text[: -len(endings[0])]
            if (text in puts or text == initial) and ends(text):
                return None
            for ending in reversed(tail):
                longer = text + ending
                by = appends[ending]
                if text in impossible:
                    impossible.add(longer)
                elif made[by] is not NOTHING and made[by] != longer:
                    return Contradiction(returned[i])
                else:
                    part[by], found[by], made[by], maker[longer] = CHANGE, text, longer, by
                    # The append's own return tells nothing of what it was appended to.
                    known[by] = max(returned[i], 0 if returned[by] == NEVER else returned[by])
                text = longer
        return Shape(initial, part, found, made, maker, invoked, known)

    return reading

"""When a step of a race goes on to the server: with the others, a little later, at a flush, at a write.

What is drawn is a small number; its simplest value is "with the others". Which release point a number stands
for depends on what the round has to aim at.
"""

from __future__ import annotations

from hypothesis import strategies as st

from kalam_props.programs.model import Release

MOMENTS = st.integers(0, 31)
"""A moment in a race; 0, the simplest: no release point."""

AT_ITS_ANSWER = Release("answer")
"""As soon as the first write of the round is answered."""

_OFFSETS_US = (100, 200, 400, 600, 800, 1000, 1300, 1600, 2000, 2400, 2800, 3200, 3800, 4500, 5500, 7000)
"""Up to as long as a statement takes: one that commits in another's first millisecond left long before it."""

_NEAR_WRITE = (0.3, 0.5, 0.65, *(round(0.75 + at / 20, 2) for at in range(15)))
"""Where in a write another request is sent; mostly shortly before the write commits, or after. One sent
before that slows it down on a busy server, so that it commits later than it would have alone."""

_AFTER_ANSWER_US = (0, 0, 50, 150, 400, 1000)
"""How long after the answer to a write another request is sent: what was promised must be seen by then."""

_WRITES_FROM, _WATCHERS_FROM, _READS_FROM = 26, 22, 16
"""From this moment on they are sent then: writes that meet another, reads of all rows, and reads of the row
that is written, which after the answer have to see it."""

_FRACTIONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, *(round(0.5 + at / 33, 2) for at in range(22)))
"""Where in a flush a request takes effect: seldom in the middle, where it writes files and nobody can tell;
more often where it begins; mostly from where it publishes what it wrote until shortly after it has deleted
the rows that it moved."""

_WITHOUT = 32 - len(_FRACTIONS)

_STRIDE = 13
"""Near the golden section of all moments, and prime to their number: multiples of it leave no large gap."""


def in_race(moment: int) -> Release | None:
    """Half leave with the others, half a little later."""
    return Release(us=_OFFSETS_US[moment - 16]) if moment >= 16 else None


def in_writes(moment: int, number: int) -> Release | None:
    """At the beginning of so many writes of one lane, anywhere until after the last, or at the first answer.

    On a busy server a write takes twice as long when others watch it as it does alone.
    """
    if moment >= _WATCHERS_FROM:
        return _after_answer(moment - _WATCHERS_FROM)
    fraction = round(moment / _WATCHERS_FROM * (2 * number + 0.5), 2)
    return Release("write", fraction=fraction) if moment else None


def read_at_write(moment: int) -> Release | None:
    """A read: half at the answer to the first write of the round, the others about where that commits."""
    if moment >= _READS_FROM:
        return _after_answer(moment - _READS_FROM)
    return Release("write", fraction=_NEAR_WRITE[moment + 1]) if moment else None


def at_write(moment: int) -> Release | None:
    """Most about where the first write of the round commits, some at its answer, the others with it."""
    if moment >= _WRITES_FROM:
        return _after_answer(moment - _WRITES_FROM)
    return Release("write", fraction=_NEAR_WRITE[moment - 8]) if moment >= 8 else None


def _after_answer(place: int) -> Release:
    return Release("answer", us=_AFTER_ANSWER_US[place % len(_AFTER_ANSWER_US)])


def at_flush(moment: int) -> Release | None:
    """Nine in ten at some point of the flush."""
    return Release("flush", fraction=_FRACTIONS[moment - _WITHOUT]) if moment >= _WITHOUT else None


def swept(moment: int, number: int) -> int:
    """The moment of the `number`th request that meets a flush, when the first was drawn to have `moment`.

    Spread over the flush: two that were drawn each for itself are often at the same point of it.
    """
    return (moment + number * _STRIDE) % 32


def in_comb(moment: int, tooth: int, teeth: int) -> Release:
    """The `tooth`th of several requests that meet a flush one after the other, about where it publishes.

    A single one is, with moment 0, where a read met most windows; several lie on both sides of that, further
    apart than a window of a millisecond is long: how long the flush takes varies by more.
    """
    side = (moment + 1) // 2 * (1 if moment % 2 else -1)
    first = 0.7 if teeth == 1 else 0.6
    return Release("flush", fraction=round(first + side * 0.012 + tooth * 0.2, 3))

"""When a step of a race goes on to the server: together with the others, a little later, or at a flush.

What is drawn is a small number; its simplest value is "with the others". Which release point a number stands
for depends on whether the round has a flush to aim at.
"""

from __future__ import annotations

from hypothesis import strategies as st

from kalam_props.programs.model import Release

MOMENTS = st.integers(0, 31)
"""A moment in a race; 0, the simplest: no release point."""

_OFFSETS_US = (100, 200, 400, 600, 800, 1000, 1300, 1600, 2000, 2400, 2800, 3200, 3800, 4500, 5500, 7000)
"""Up to as long as a statement takes: one that commits in another's first millisecond left long before it."""

_FRACTIONS = 24
"""Steps of a flush at which a request can be released."""


def in_race(moment: int) -> Release | None:
    """Half leave with the others, half a little later."""
    return Release(us=_OFFSETS_US[moment - 16]) if moment >= 16 else None


def at_flush(moment: int) -> Release | None:
    """Three in four at some point of the flush."""
    return Release("flush", fraction=(moment - 8) / (_FRACTIONS - 1)) if moment >= 8 else None

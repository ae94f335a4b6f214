"""When a step of a race goes on to the server: together with the others, a little later, or at a flush.

What is drawn is a small number; its simplest value is "with the others". Which release point a number stands
for depends on whether the round has a flush to aim at.
"""

from __future__ import annotations

from hypothesis import strategies as st

from kalam_props.programs.model import Release

MOMENTS = st.integers(0, 31)
"""A moment in a race; 0, the simplest: no release point."""

_OFFSETS_US = (50, 100, 200, 400, 800, 1600, 3200, 6400)
"""About as long as a statement takes, and windows of races are: from a tenth of a millisecond up."""

_FRACTIONS = 24
"""Steps of a flush at which a request can be released."""


def in_race(moment: int) -> Release | None:
    """Three in four leave with the others: most races want two requests at the same time."""
    return Release(us=_OFFSETS_US[moment - 24]) if moment >= 24 else None


def at_flush(moment: int) -> Release | None:
    """Three in four at some point of the flush."""
    return Release("flush", fraction=(moment - 8) / (_FRACTIONS - 1)) if moment >= 8 else None

"""What the client calls itself: never `kalam`, so that nobody takes its answers for those of KalamDB's."""

import sys

from .arguments import NAME


def describe() -> str:
    """Name and version on the first line, and what it is not on the second."""
    root = __file__.rsplit("/", 4)[0]
    if root not in sys.path:  # an isolated interpreter has only this package in its path
        sys.path.append(root)
    from kalam_props import __version__  # noqa: PLC0415

    note = "A kalam-compatible client of the kalam_props project; not KalamDB's own kalam."
    return f"{NAME} {__version__}\n{note}"

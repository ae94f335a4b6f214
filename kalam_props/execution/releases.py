"""From symbolic release points to what the gate is told: after which requests, and how many microseconds.

Pure. A program says "at 0.37 of the flush"; when a flush runs after its cause is learnt from histories (see
`aim`), so the same program is aimed better the longer a hunt lasts, and is never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from kalam_props.execution.aim import Aim, Window
from kalam_props.history.events import Released
from kalam_props.history.operations import Flush, Insert
from kalam_props.programs.model import Release, Step


@frozen
class Placed:
    """When one request may go: `us` after the later of the round's release and the end of each of `after`.

    `release`: what a symbolic release point came to, for the history; None where the step has none.
    """

    after: tuple[int, ...]
    us: int
    release: Released | None = None


@frozen
class Hot:
    """What is known of a table when a round begins: hot row versions, and how many the policy allows."""

    versions: int
    boundary: int | None


def resolve(lanes: Sequence[Sequence[Step]], aim: Aim, hot: Mapping[str, Hot]) -> tuple[Placed, ...]:
    """When each request of a round may go, lane by lane; places count through all lanes.

    A release point at a flush that this round does not cause, or that its own lane has yet to cause, is the
    round's release.
    """
    steps = [step for lane in lanes for step in lane]
    previous: list[int | None] = []
    lane_of: list[int] = []
    for number, lane in enumerate(lanes):
        first = len(previous)
        previous += [None if at == 0 else first + at - 1 for at in range(len(lane))]
        lane_of += [number] * len(lane)
    placed = [_alone(step.release, before) for step, before in zip(steps, previous, strict=True)]
    for place, step in enumerate(steps):
        release = step.release
        if release is None or release.anchor != "flush":
            continue
        cause = _cause(steps, str(getattr(step.op, "table", "")), hot)
        if cause is None or (lane_of[cause] == lane_of[place] and place <= cause):
            continue
        fraction = release.fraction or 0.0
        if isinstance(steps[cause].op, Flush):
            # From the moment at which the flush command itself leaves, whatever that waits for.
            after, since, window = placed[cause].after, placed[cause].us, aim.command
        else:
            after, since, window = (cause,), 0, aim.policy
        us = since + _inside(window, fraction)
        placed[place] = Placed(after, us, Released("flush", us))
    return tuple(placed)


def _alone(release: Release | None, previous: int | None) -> Placed:
    """Without looking at the other lanes; a lane's next request follows its last answer."""
    follows = () if previous is None else (previous,)
    if release is None:
        return Placed(follows, 0)
    if release.anchor == "previous":
        return Placed(follows, release.us, Released("previous" if follows else "round", release.us))
    return Placed((), release.us, Released("round", release.us))


def _cause(steps: Sequence[Step], table: str, hot: Mapping[str, Hot]) -> int | None:
    """The request that makes the table flush: the first command, else the largest insert if they reach it."""
    for place, step in enumerate(steps):
        if isinstance(step.op, Flush) and step.op.table == table:
            return place
    known = hot.get(table)
    if known is None or known.boundary is None:
        return None
    sizes = {
        place: len(step.op.rows)
        for place, step in enumerate(steps)
        if isinstance(step.op, Insert) and step.op.table == table
    }
    if not sizes or known.versions + sum(sizes.values()) < known.boundary:
        return None
    return max(sizes, key=lambda place: (sizes[place], -place))


def _inside(window: Window, fraction: float) -> int:
    return max(0, round(window.begin_us + fraction * window.length_us))

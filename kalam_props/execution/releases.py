"""From symbolic release points to what the gate is told: after which requests, and how many microseconds.

Pure. A program says "at 0.37 of the flush"; when a flush runs after its cause is learnt from histories (see
`aim`), so the same program is aimed better the longer a hunt lasts, and is never rewritten.

A request is sent so much sooner as it takes to take effect (`Leads`): what is aimed at a flush is a read's
look at the rows, and a write's commit. At another's write it is simply sent: what comes in shortly before
that commits, or shortly after, is what does not see it. At its answer it is sent when the gate has that: the
two are one after the other in real time, and nothing of a client's is between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import evolve, frozen

from kalam_props.execution.aim import Aim
from kalam_props.history.events import Released
from kalam_props.history.operations import WRITES, Flush, Insert
from kalam_props.programs.model import Release, Step

_SOONER = 3
"""A write that makes a flush due is sent so many times its lead before the server looks at the row counts."""

_MARGIN_US = 1_000
"""And so much sooner: what is aimed at the flush waits for its answer."""


@frozen
class Placed:
    """When one request may go: `us` after the later of the round's release and the end of each of `after`.

    `check_us`: if not None, it waits besides for the server's next look at the row counts, plus so many
    microseconds (minus, if negative).
    `release`: what a symbolic release point came to, for the history; None where the step has none.
    """

    after: tuple[int, ...]
    us: int
    release: Released | None = None
    check_us: int | None = None


@frozen
class Hot:
    """What is known of a table when a round begins: hot row versions, and how many the policy allows."""

    versions: int
    boundary: int | None


def resolve(lanes: Sequence[Sequence[Step]], aim: Aim, hot: Mapping[str, Hot]) -> tuple[Placed, ...]:
    """When each request of a round may go, lane by lane; places count through all lanes.

    A release point at a flush or a write that this round does not have, or that waits for the request itself,
    is the round's release; so is one at a write, of what causes a flush that others are aimed at.
    """
    steps = [step for lane in lanes for step in lane]
    previous: list[int | None] = []
    lane_of: list[int] = []
    for number, lane in enumerate(lanes):
        first = len(previous)
        previous += [None if at == 0 else first + at - 1 for at in range(len(lane))]
        lane_of += [number] * len(lane)
    placed = [_alone(step.release, before) for step, before in zip(steps, previous, strict=True)]
    causes: set[int] = set()
    at_commands: dict[int, dict[int, int]] = {}
    for place, step in enumerate(steps):
        release = step.release
        if release is None or release.anchor != "flush":
            continue
        cause = _cause(steps, getattr(step.op, "table", None), hot)
        if cause is None or place == cause or place in _waited_for(cause, placed, previous):
            continue
        causes.add(cause)
        window = aim.command if isinstance(steps[cause].op, Flush) else aim.policy
        fraction = release.fraction or 0.0
        us = round(window.begin_us + fraction * window.length_us) - aim.leads.of(step.op)
        if isinstance(steps[cause].op, Flush):
            at_commands.setdefault(cause, {})[place] = us
        elif aim.rhythm is None:
            placed[place] = Placed((cause,), max(0, us), Released("flush", max(0, us)))
        else:
            placed[place] = Placed((cause,), 0, Released("check", us), check_us=us)
            placed[cause] = evolve(placed[cause], check_us=-_SOONER * aim.leads.write_us - _MARGIN_US)
    for cause, aimed in at_commands.items():
        _around_command(placed, previous, cause, aimed)
    for place, step in enumerate(steps):
        release = step.release
        if release is None or not step.at_write or place in causes:
            continue
        write = write_beside(lanes, lane_of[place], step)
        if write is None or place in _waited_for(write, placed, previous):
            continue
        if release.anchor == "answer":
            placed[place] = Placed((write,), release.us, Released("answer", release.us))
        else:
            us = round((release.fraction or 0.0) * aim.leads.of(steps[write].op))
            placed[place] = _later(placed[write], us)
    return tuple(placed)


def write_beside(lanes: Sequence[Sequence[Step]], own: int, step: Step) -> int | None:
    """What a step of lane number `own` meets at a write: the first one of its table in another lane.

    Not one that is itself released by a write. Its place, which counts through all lanes; None where there is
    none.
    """
    table = getattr(step.op, "table", None)
    numbered = ((number, other) for number, lane in enumerate(lanes) for other in lane)
    for place, (number, other) in enumerate(numbered):
        beside = number != own and not other.at_write
        if beside and isinstance(other.op, WRITES) and table in (None, getattr(other.op, "table", None)):
            return place
    return None


def _waited_for(place: int, placed: Sequence[Placed], previous: Sequence[int | None]) -> set[int]:
    """All that must be over before a request goes: what it was placed after, and its lane so far."""
    found: set[int] = set()
    left = [place]
    while left:
        at = left.pop()
        last = previous[at]
        before = {*placed[at].after, *(() if last is None else (last,))} - found
        found |= before
        left += before
    return found


def _later(write: Placed, us: int) -> Placed:
    """So long after a write leaves."""
    check_us = None if write.check_us is None else write.check_us + us
    return Placed(write.after, write.us + us, Released("write", write.us + us), check_us)


def _around_command(
    placed: list[Placed], previous: Sequence[int | None], cause: int, aimed: Mapping[int, int]
) -> None:
    """Place requests that are aimed so many microseconds after a flush command; it waits for earlier ones."""
    # Not where others that were placed meanwhile made the command wait for it.
    before = _waited_for(cause, placed, previous)
    meeting = {place: us for place, us in aimed.items() if place not in before}
    command = placed[cause]
    late = max(0, -min(meeting.values(), default=0) - command.us)
    if late:
        told = Released(
            command.release.anchor if command.release else _anchor(command.after), command.us + late
        )
        placed[cause] = command = evolve(command, us=command.us + late, release=told)
    for place, us in meeting.items():
        # From the moment at which the command itself leaves, whatever that waits for.
        placed[place] = Placed(command.after, command.us + us, Released("flush", command.us + us))


def _alone(release: Release | None, previous: int | None) -> Placed:
    """Without looking at the other lanes; a lane's next request follows its last answer."""
    follows = () if previous is None else (previous,)
    if release is None:
        return Placed(follows, 0)
    if release.anchor == "previous":
        return Placed(follows, release.us, Released(_anchor(follows), release.us))
    return Placed((), release.us, Released("round", release.us))


def _anchor(after: tuple[int, ...]) -> Literal["round", "previous"]:
    return "previous" if after else "round"


def _cause(steps: Sequence[Step], table: str | None, hot: Mapping[str, Hot]) -> int | None:
    """The request that makes the table flush: the first command, else the largest insert if they reach it.

    Without a table (what is aimed is a kill), the first command of all.
    """
    for place, step in enumerate(steps):
        if isinstance(step.op, Flush) and table in (step.op.table, None):
            return place
    known = None if table is None else hot.get(table)
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

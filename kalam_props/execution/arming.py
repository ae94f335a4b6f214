"""Announce the requests of lanes to the gate, so that it holds them and releases them as the program says.

Only what is a request can be held. A lane is cut where it waits for something else (a flush, a pause, a
restart): its first requests belong to the round, later ones are announced when the lane gets there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Self

from attrs import frozen

from kalam_props.errors import TargetError
from kalam_props.execution.aim import Aim, Rhythm
from kalam_props.execution.releases import Hot, Placed, resolve
from kalam_props.execution.session import SessionClient
from kalam_props.gate.handle import ArmedRound, Gate
from kalam_props.gate.plan import Every, Planned, PlannedKill, WireRecord
from kalam_props.history.operations import AwaitFlush, Kill, Pause, Restart, Subscribe, Unsubscribe
from kalam_props.programs.model import Step

WAITS = (AwaitFlush, Pause, Restart, Kill, Subscribe, Unsubscribe)
"""Operations that are no request of the session's client."""


def segments(lane: Sequence[Step]) -> list[tuple[Step, ...]]:
    """A lane cut into runs of requests and of what is none."""
    return [tuple(run) for _, run in groupby(lane, key=lambda step: isinstance(step.op, WAITS))]


def are_requests(segment: Sequence[Step]) -> bool:
    return not isinstance(segment[0].op, WAITS)


@frozen
class Announced:
    """One request that the gate knows of."""

    placed: Placed
    _round: ArmedRound
    _place: int

    def collect(self) -> WireRecord:
        """What the gate saw of it; ask when the client has answered or given up.

        Raises:
            TargetError: the gate has died.

        """
        return self._round.collect(self._place)


@frozen
class AimedKill:
    """A kill that is to be done among the requests of a round, and of which process."""

    step: Step
    pid: int


class Armed:
    """Requests that were announced together; at the end the gate forgets them."""

    def __init__(self, round_: ArmedRound | None, requests: Mapping[tuple[str, int], Announced]) -> None:
        self._round = round_
        self._requests = requests

    def get(self, session: str, index: int) -> Announced | None:
        """The request at an index of the session's segment; None where there is no gate."""
        return self._requests.get((session, index))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._round is None:
            return
        try:
            self._round.end()
        except TargetError:
            if error is None:  # else that is the reason, and this its consequence
                raise


NOTHING_ARMED = Armed(None, {})


def arm(
    gate: Gate,
    lanes: Sequence[tuple[SessionClient, Sequence[Step]]],
    text: Callable[[SessionClient, Step], str],
    mark: Callable[[Step], str],
    *,
    aim: Aim,
    hot: Mapping[str, Hot],
    kill: AimedKill | None = None,
) -> Armed:
    """Announce the segments of some sessions, which begin together.

    Args:
        gate: holds the requests.
        lanes: each session with the requests that it is about to do.
        text: the SQL as the server will be sent it.
        mark: what no other request of the session has in its SQL.
        aim: where flushes are expected.
        hot: what is known of the tables, by name.
        kill: the server's end among them.

    Raises:
        TargetError: the gate has died.

    """
    placed = resolve([*(steps for _, steps in lanes), *([(kill.step,)] if kill else [])], aim, hot)
    plan: list[Planned] = []
    keys: list[tuple[str, int]] = []
    for client, steps in lanes:
        if client.port is None:
            raise ValueError(f"{client.name} has no port of the gate")
        for index, step in enumerate(steps):
            at = placed[len(plan)]
            plan.append(
                Planned(
                    client.port,
                    text(client, step),
                    at.after,
                    at.us,
                    net=step.net,
                    mark=mark(step),
                    every=_moments(aim.rhythm, at.check_us),
                )
            )
            keys.append((client.name, index))
    round_ = gate.arm(
        plan, kill=None if kill is None else PlannedKill(kill.pid, placed[-1].after, placed[-1].us)
    )
    return Armed(round_, {key: Announced(placed[place], round_, place) for place, key in enumerate(keys)})


def _moments(rhythm: Rhythm | None, check_us: int | None) -> Every | None:
    """So many microseconds from each look of the server at its tables, by the clock of the gate."""
    if rhythm is None or check_us is None:
        return None
    ours = time.monotonic_ns() - time.time_ns()
    return Every(rhythm.period_ns, rhythm.phase_ns + check_us * 1000 + ours)

"""What the tester asks the gate to do with the requests of one round, and what the gate saw of them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from kalam_props.history.events import Interval
from kalam_props.programs.model import Net


@frozen
class GateSession:
    """A session of the tester and the loopback port that it has now. `url` is what its client is given."""

    number: int
    port: int
    url: str


@frozen
class Every:
    """Moments that come back each `period_ns`, `phase_ns` being one of them; of `time.monotonic_ns`."""

    period_ns: int
    phase_ns: int


@frozen
class Planned:
    """One request of a round, known by its place in the plan.

    It is forwarded `us` microseconds after the later of the round's release and the end of each request in
    `after` (places in the plan; an end is the server's answer, or the certainty that none will come). So `()`
    is an offset from the release, the place of the lane's previous request an offset from its answer, and
    `others(plan, place)` a lane that is paused while the others run on. Requests that are due at the same
    time leave in the order of the plan.

    `every`: once it is due, it goes at the next of these moments.

    `mark`: text that its SQL has and no other request of its session outside of the plan. A request with the
    mark that is none of the plan's may be this one, changed by the client (`WireRecord.strangers`).
    """

    session: GateSession
    sql: str
    after: tuple[int, ...] = ()
    us: int = 0
    net: Net | None = None
    mark: str = ""
    every: Every | None = None


@frozen
class PlannedKill:
    """The end of a process (the server's) among the requests of a round: `after` and `us` as theirs."""

    pid: int
    after: tuple[int, ...] = ()
    us: int = 0


@frozen
class WireAttempt:
    """One time that a request was forwarded. Nanoseconds of `time.monotonic_ns`, the same in every process.

    Attributes:
        sent_ns: before its last byte was sent to the server.
        answered_ns: after the last byte of the answer came, before any delay of ours; None: no whole answer.
        status: of the HTTP answer.
        error: why there is no answer, where that is known.

    """

    sent_ns: int
    answered_ns: int | None
    status: int | None
    error: str | None


@frozen
class WireRecord:
    """What the gate saw of one operation.

    Attributes:
        attempts: each time that its request was forwarded; more than one is at-least-once.
        arrived_ns: when its first complete request was here.
        due_ns: when its rule let it go; it went at `attempts[0].sent_ns`.
        forced: it went without its rule being met (held for too long, or the server answered already).
        net_done: the network fault that was really done: `cut-before-forward`, `cut-after-forward`, `reset`,
            `delay`, `stall`, `trickle`, `bandwidth`.
        error: the first thing that went wrong.
        opaque: how many requests on its port could not be understood; 0 for every client that speaks HTTP.
        strangers: how many requests passed on its port that no operation of the plan accounts for, and that
            have its mark; 0 for every client that leaves the SQL as it is.
        retired: its session's port was closed when it was collected; the session needs a new one.

    """

    attempts: tuple[WireAttempt, ...]
    arrived_ns: int | None
    due_ns: int | None
    forced: bool
    net_done: str | None
    error: str | None
    opaque: int
    strangers: int
    retired: bool

    @property
    def never_forwarded(self) -> bool:
        """Certain that no server has seen it, or ever will."""
        return not self.attempts and not self.opaque and not self.strangers

    @property
    def wire(self) -> Interval | None:
        """From before the first attempt to after the last answer; open while an attempt has none."""
        if not self.attempts:
            return None
        answers = [attempt.answered_ns for attempt in self.attempts]
        known = [ns for ns in answers if ns is not None]
        return self.attempts[0].sent_ns, max(known) if len(known) == len(answers) else None


def others(plan: Sequence[Planned], place: int) -> tuple[int, ...]:
    """Where the requests of other sessions are: the `after` of one that waits until all have finished."""
    own = plan[place].session.number
    return tuple(other for other, request in enumerate(plan) if request.session.number != own)


def check(plan: Sequence[Planned]) -> None:
    """See that every request can be released one day.

    Raises:
        ValueError: a request waits for one that is not there, or, through others, for itself.

    """
    waits: list[set[int]] = []
    last_of: dict[int, int] = {}
    for place, request in enumerate(plan):
        bad = [other for other in request.after if not 0 <= other < len(plan)]
        if bad or request.us < 0:
            raise ValueError(f"request {place} waits for {bad or request.us}, which never comes")
        previous = last_of.get(request.session.number)
        waits.append(set(request.after) | ({previous} if previous is not None else set()))
        last_of[request.session.number] = place
    free: set[int] = set()
    while len(free) < len(plan):
        now_free = {place for place in range(len(plan)) if place not in free and waits[place] <= free}
        if not now_free:
            stuck = sorted(set(range(len(plan))) - free)
            raise ValueError(f"requests {stuck} wait for each other")
        free |= now_free

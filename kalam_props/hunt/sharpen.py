"""When the requests of a race must arrive for it to show most often: found by trying.

A release point is no operation: a program with one is no larger, and one that fails five times as often
is worth more to whoever runs it, and cheaper to shrink. Places are compared by successive halving (Karnin,
Koren and Somekh 2013): each is run a few times, the best third of them twice as often, until three are left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from attrs import evolve

from kalam_props.execution.arming import are_requests, segments
from kalam_props.execution.releases import write_beside
from kalam_props.history.operations import WRITES, Flush, Insert
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.measure import Bench, count
from kalam_props.hunt.structure import (
    Place,
    distinct,
    free_session,
    joined,
    map_steps,
    operation_at,
    places,
    step_at,
    with_release,
)
from kalam_props.programs.codec import digest
from kalam_props.programs.model import Program, Release, Round, Step

FRACTIONS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
"""Places in a flush that are tried; closest where it publishes and deletes, which is where most is lost."""

IN_A_WRITE = (0.15, 0.3, 0.5, 0.7, 0.9, 1.25)
"""Places in another lane's write that are tried in a race that causes no flush, beside that at its answer:
until it is about to commit, and when it has. A write takes two milliseconds, and what is open in it as little
as a sixth of that; what ties with it comes after (`benchmarks/gate_moments.py`)."""

OFFSETS_US = (300, 1_000, 2_000, 3_500)
"""Delays that are tried where no other lane writes."""

FIRST_RUNS = 4
"""Runs of each place at first; the best are run twice as often again, and so on."""

KEPT = 3
"""One place in so many is kept each time, beside the program as it is."""

FINALISTS = 3
"""So many are run a last time, and compared by all their runs."""

ONE_BY_ONE = 2
"""Of so many steps in a flush at the most each is also placed alone."""

ENOUGH = 2
"""Failures that may be luck."""

AS_GOOD = 0.75
"""A plainer program is taken when it fails this often, compared with the best."""


def placements(program: Program) -> list[Program]:
    """The program with its release points changed, plainest first; the program as it is, last.

    No release points at all; what can meet a flush at places of that flush, together and each alone; in a
    race without a flush, each lane's first step at another lane's write or its answer, or a little later;
    what follows a write in its lane, at its answer.
    """
    plain = without_release_points(program)
    raced = _beside_its_flush(plain)
    found = [plain, *_in_flushes(raced, FRACTIONS)]
    meeting = _all_meeting(raced)
    if 1 < len(meeting) <= ONE_BY_ONE:
        found += [
            with_release(raced, [place], Release("flush", fraction=fraction))
            for place in meeting
            for fraction in FRACTIONS
        ]
    found += [*_later(plain, IN_A_WRITE), _at_its_answer(plain)]
    released = [place for place in places(program) if step_at(program, place).release is not None]
    if 1 < len(released) <= ONE_BY_ONE:
        found += [with_release(program, [place], None) for place in released]
    own = digest(program)
    return [*(other for key, other in distinct(found).items() if key != own), program]


def placed_together(
    program: Program, fractions: Sequence[float] = FRACTIONS, in_a_write: Sequence[float] = IN_A_WRITE
) -> list[Program]:
    """The program as it is, without release points, and with all that can meet a flush at places of it.

    In a race without a flush, with each lane's first step at another lane's write or its answer, or later;
    and with what follows a write in its lane at its answer.
    """
    plain = without_release_points(program)
    in_flushes = _in_flushes(_beside_its_flush(plain), fractions)
    found = (program, plain, *in_flushes, *_later(plain, in_a_write), _at_its_answer(plain))
    return list(distinct(found).values())


def with_clients_ahead(program: Program) -> Program:
    """The program with what meets a flush, or follows an answer, in lanes whose clients run by then.

    Release points stay as they are, but for that which follows an answer.
    """
    return _at_its_answer(_beside_its_flush(joined(program)))


def sharpen(bench: Bench, program: Program, wanted: Sighting, *, deadline: float) -> list[Trial]:
    """Trials of the placement that fails most often; of a plainer one that fails about as often.

    The trials name their program. None at all when there is nothing to choose, or none was seen to fail.
    """
    choices = placements(program)
    if len(choices) < 2:
        return []
    arms: list[list[Trial]] = [[] for _ in choices]
    left, own = list(range(len(choices))), len(choices) - 1
    runs = FIRST_RUNS
    while True:
        for at in left:
            if time.monotonic() >= deadline:
                return _clearest(arms, wanted)
            arms[at] += bench.until(choices[at], runs, lambda _: False)
            if at == 0 and count(arms[0], wanted) == len(arms[0]):
                return arms[0]  # the plainest fails always: there is nothing better
        if len(left) <= FINALISTS:
            break
        best_first = sorted(left, key=lambda at: -_rate(arms[at], wanted))
        # The program as it is stays: that it fails is known, and of the others that one was lucky.
        left = sorted({*best_first[: max(FINALISTS - 1, (len(left) + 2) // KEPT)], own})
        runs *= 2
    best = max(_rate(arms[at], wanted) for at in left)
    if not best:
        return []
    return next(arms[at] for at in left if _rate(arms[at], wanted) >= AS_GOOD * best)


def _clearest(arms: list[list[Trial]], wanted: Sighting) -> list[Trial]:
    """What can be said when the time is over: what failed most often, unless that may be luck.

    Compared with the program as it is, the last one; where that was not run yet, only what failed always.
    """
    failed = [trials for trials in arms if count(trials, wanted) > ENOUGH]
    if not failed:
        return []
    best, own = max(failed, key=lambda trials: _rate(trials, wanted)), arms[-1]
    clear = _rate(best, wanted) > 2 * _rate(own, wanted) if own else _rate(best, wanted) == 1
    return best if clear else []


def _rate(trials: list[Trial], wanted: Sighting) -> float:
    return count(trials, wanted) / len(trials)


def without_release_points(program: Program) -> Program:
    """Without any, and so that a flush is caused in the round in which it can be met."""
    return joined(map_steps(program, lambda step: evolve(step, release=None)))


def _beside_its_flush(program: Program) -> Program:
    """What follows the cause of a flush in its lane, in a lane of its own; what precedes a command, before.

    There its client runs already when the flush does. In the lane of the cause it would start after the
    answer to that, which on a busy machine takes longer than a flush. So does the client of a command that
    follows something, and what is aimed at its flush would be there before.
    """
    rounds = []
    for at, round_ in enumerate(program.rounds):
        lanes = dict(round_.lanes)
        requests = list(_requests(program, at))
        causes = {place[1]: place[2] for place in reversed(requests) if _causes_flush(program, place)}
        for session, cause in causes.items():
            lane = lanes[session]
            first = cause if isinstance(operation_at(program, (at, session, cause)), Flush) else 0
            end = cause + 1 if (at, session, cause + 1) in requests else len(lane)
            lanes[session] = lane[first:end]
            if lane[:first]:
                rounds.append(Round({session: lane[:first]}))
            if lane[end:]:
                lanes[free_session(session, {*program.sessions, *lanes})] = lane[end:]
        rounds.append(Round(lanes))
    return program.with_rounds(tuple(rounds))


def _at_its_answer(program: Program) -> Program:
    """The last step of a lane, where it follows a write, in a lane of its own that is released by its answer.

    As `_beside_its_flush`: its client runs by then. What comes before the two is done before, which it can
    be in a lane that is alone. Of several such lanes the first: two of them would follow one answer.
    """
    for at, round_ in enumerate(program.rounds):
        for session, lane in round_.lanes.items():
            if len(lane) < 2 or (len(lane) > 2 and round_.concurrent) or not _follows_write(*lane[-2:]):
                continue
            before = [Round({session: lane[:-2]})] if lane[:-2] else []
            other = free_session(session, {*program.sessions, *round_.lanes})
            released = evolve(lane[-1], release=Release("answer"))
            apart = Round({**round_.lanes, session: lane[-2:-1], other: (released,)})
            return program.with_rounds((*program.rounds[:at], *before, apart, *program.rounds[at + 1 :]))
    return program


def _follows_write(write: Step, step: Step) -> bool:
    """Whether it is a request about the table that the step before writes, and no flush of it."""
    same = getattr(write.op, "table", None) == getattr(step.op, "table", None)
    return isinstance(write.op, WRITES) and same and are_requests((step,)) and not isinstance(step.op, Flush)


def _in_flushes(raced: Program, fractions: Sequence[float]) -> Iterator[Program]:
    """All that can meet a flush at one place of it, for each place."""
    meeting = _all_meeting(raced)
    if meeting:
        for fraction in fractions:
            yield with_release(raced, meeting, Release("flush", fraction=fraction))


def _later(plain: Program, fractions: Sequence[float]) -> list[Program]:
    """In races without a flush, each lane's first step at another lane's write or its answer, or later."""
    return [
        with_release(plain, [place], release)
        for place in _heads(plain)
        for release in (
            [*(Release("write", fraction=fraction) for fraction in fractions), Release("answer")]
            if _beside_a_write(plain, place)
            else [Release(us=us) for us in OFFSETS_US]
        )
    ]


def _beside_a_write(program: Program, place: Place) -> bool:
    """Whether there is one that the step could be released by."""
    at, session, _ = place
    lanes = program.rounds[at].lanes
    released = [first if are_requests(first := segments(lane)[0]) else () for lane in lanes.values()]
    return write_beside(released, [*lanes].index(session), step_at(program, place)) is not None


def _all_meeting(program: Program) -> list[Place]:
    return [place for at in range(len(program.rounds)) for place in _meeting_a_flush(program, at)]


def _meeting_a_flush(program: Program, at: int) -> Iterator[Place]:
    """What a round asks for while a flush that it causes may run."""
    requests = list(_requests(program, at))
    causes = [place for place in requests if _causes_flush(program, place)]
    for place in requests:
        if any(
            (cause[1] != place[1] or cause[2] < place[2]) and _table(program, cause) == _table(program, place)
            for cause in causes
        ):
            yield place


def _table(program: Program, place: Place) -> str | None:
    return getattr(operation_at(program, place), "table", None)


def _causes_flush(program: Program, place: Place) -> bool:
    op = operation_at(program, place)
    if isinstance(op, Insert):
        return program.tables[op.table].flush_rows is not None
    return isinstance(op, Flush)


def _heads(program: Program) -> Iterator[Place]:
    """The first requests of the lanes that race in rounds without a flush, where they are few."""
    for at, round_ in enumerate(program.rounds):
        requests = list(_requests(program, at))
        if round_.concurrent and not any(_causes_flush(program, place) for place in requests):
            heads = [place for place in requests if place[2] == 0]
            yield from heads if len(heads) <= ONE_BY_ONE else ()


def _requests(program: Program, at: int) -> Iterator[Place]:
    """The requests of a round that are released with it: those of each lane before it first waits."""
    for session, lane in program.rounds[at].lanes.items():
        first = segments(lane)[0]
        if are_requests(first):
            yield from ((at, session, index) for index in range(len(first)))

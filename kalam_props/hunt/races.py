"""Less concurrency: candidates as those of `reductions`.

A pass that a race would not survive is still worth its try: a failure that survives it is no race, and the
report says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from attrs import evolve

from kalam_props.history.operations import AwaitFlush
from kalam_props.hunt import plainer
from kalam_props.hunt.flushing import asking, flushed_later, meetings
from kalam_props.hunt.structure import (
    free_session,
    lanes_in_turn,
    map_sessions,
    map_steps,
    places,
    with_table,
)
from kalam_props.programs.model import Program, Round, Step, user_of


def sequential(program: Program) -> Iterator[Program]:
    """No concurrency at all, also with a boundary that the last write reaches; then of one round.

    In one session of each user first: where nothing is concurrent there is mostly no need for another.
    """
    concurrent = [at for at, round_ in enumerate(program.rounds) if round_.concurrent]
    if not concurrent:
        return
    in_turn = lanes_in_turn(program, set(concurrent))
    merged = _one_session_each(in_turn)
    yield merged
    for name, table in flushed_later(program).items():
        yield with_table(merged, name, table)
    if merged != in_turn:
        yield in_turn
    if len(concurrent) > 1:
        for at in concurrent:
            yield lanes_in_turn(program, {at})


def clear_of_flushes(program: Program) -> Iterator[Program]:
    """Nothing under way while a flush is: a boundary that the last write reaches, or each flush waited for.

    Small programs only, of which the lanes do not race: where they have to, so has the flush, as a rule.
    """
    raced = any(round_.concurrent for round_ in program.rounds)
    if raced or len(places(program)) > plainer.FEW_STEPS or not meetings(program):
        return
    in_turn = map_steps(program, lambda step: evolve(step, release=None))
    for name, table in flushed_later(program).items():
        yield _waiting_for_each(with_table(in_turn, name, table))
    yield _waiting_for_each(in_turn)


def _waiting_for_each(in_turn: Program) -> Program:
    """With a wait after each step that asks for a flush, but for the last one."""
    asked = dict(asking(in_turn))
    *_, last = places(in_turn)
    rounds = []
    for at, round_ in enumerate(in_turn.rounds):
        ((session, lane),) = round_.lanes.items()
        steps: list[Step] = []
        for index, step in enumerate(lane):
            place = (at, session, index)
            waits = place in asked and place != last
            steps += (step, Step(AwaitFlush(asked[place]))) if waits else (step,)
        rounds.append(Round({session: tuple(steps)}))
    return in_turn.with_rounds(tuple(rounds))


def take_out_of_race(program: Program) -> Iterator[Program]:
    """A lane of a race with more than two, done before the others or after them."""
    for at, round_ in enumerate(program.rounds):
        if len(round_.lanes) > 2:
            for session, lane in round_.lanes.items():
                rest = Round({other: steps for other, steps in round_.lanes.items() if other != session})
                alone = Round({session: lane})
                for pair in ((alone, rest), (rest, alone)):
                    yield program.with_rounds((*program.rounds[:at], *pair, *program.rounds[at + 1 :]))


def move_out_of_race(program: Program) -> Iterator[Program]:
    """The beginning of a racing lane done before the race, or its end after it: all but a step, then one."""
    for at, round_ in enumerate(program.rounds):
        if not round_.concurrent:
            continue
        for session, lane in round_.lanes.items():
            for cut in sorted({len(lane) - 1, 1} - {0}, reverse=True):
                first = Round({session: lane[:cut]})
                rest = Round({**round_.lanes, session: lane[cut:]})
                if len(lane) > cut:
                    yield program.with_rounds((*program.rounds[:at], first, rest, *program.rounds[at + 1 :]))
                    race = Round({**round_.lanes, session: lane[:-cut]})
                    last = Round({session: lane[-cut:]})
                    yield program.with_rounds((*program.rounds[:at], race, last, *program.rounds[at + 1 :]))


def race_with_the_round_before(program: Program) -> Iterator[Program]:
    """One lane of a race beside what came before it, in place of what it raced with.

    Where it was released, it then meets that.
    """
    for at, (before, round_) in enumerate(pairwise(program.rounds), 1):
        if round_.concurrent:
            for session, lane in round_.lanes.items():
                other = free_session(session, before.lanes) if session in before.lanes else session
                both = Round({**before.lanes, other: lane})
                yield program.with_rounds((*program.rounds[: at - 1], both, *program.rounds[at + 1 :]))


def _one_session_each(in_turn: Program) -> Program:
    """With all that a user does in that user's first session; nothing may be concurrent.

    Rounds stay: in one lane what is aimed at a flush would be so still, with a client that starts too late.
    """
    return map_sessions(in_turn, lambda session: f"{user_of(session)}/1")

"""What a witness lets one leave out at once: first guesses of a shrinker, most daring first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import History, Invoke
from kalam_props.history.operations import (
    AwaitFlush,
    Flush,
    Insert,
    Kill,
    Operation,
    Pause,
    Recreate,
    Restart,
)
from kalam_props.hunt.recreated import created_again
from kalam_props.hunt.structure import Place, fills, keep, keys_of, operation_at, places
from kalam_props.programs.model import Program


def cut_to_witness(program: Program, history: History, anomaly: Anomaly) -> Iterator[Program]:
    """The witness alone; with the flushes before its end; with what it ran beside; all before its end.

    What it ran beside comes with what made both possible (see `core`).

    Where the server went down, the same without that first, but for all of it: such a cut costs a fraction.

    The n-th invocation of a session is its n-th step; what comes after its steps are closing reads.
    """
    steps = _steps(program, history)
    witness = {steps[i] for i in anomaly.witness if i in steps}
    if not witness:
        return
    closing_reads_needed = any(i not in steps for i in anomaly.witness)
    last = len(program.rounds) if closing_reads_needed else max(place[0] for place in witness)
    before = {place for place in places(program) if place[0] <= last}

    def of(*kinds: type[Operation]) -> set[Place]:
        return {place for place in before if isinstance(operation_at(program, place), kinds)}

    ends, made, flushes = of(Kill, Restart), of(Recreate), of(Flush, AwaitFlush)
    racing = {place for place in before if place[0] in {at for at, _, _ in witness}}
    needed = before.intersection(core(program, history, anomaly))
    cuts = (witness, witness | flushes, needed | flushes | racing)
    if ends:
        yield from (keep(program, (kept | made) - ends) for kept in cuts)
    yield from (keep(program, kept | made | ends) for kept in (*cuts, before))


def core(program: Program, history: History, anomaly: Anomaly) -> list[Place]:
    """The steps that matter, in order: those of the witness, and what makes them possible.

    That is, of the rows that they name, the insert before them; where they name none, the last insert before
    them, for a flush needs something to do; what creates their tables again (see `recreated`); and the first
    restart and the first kill after the first of them. Flushes and waits are left out: `shapes` puts them
    where they matter.
    """
    steps = _steps(program, history)
    witness = {steps[i] for i in anomaly.witness if i in steps}
    if not witness:
        return []
    everything = places(program)
    needed = set(witness)
    began = {place: i for i, place in steps.items()}
    for place in witness:
        inserts = [p for p in everything if p != place and _makes(program, p, place)]
        earlier = [p for p in inserts if began.get(p, 0) < began[place]]
        anyway = [] if isinstance(operation_at(program, place), Insert) else inserts[:1]
        earlier.sort(key=lambda p: began.get(p, 0))
        needed.update(earlier[-1:] or anyway)
        # What ran beside it may have come after it; then it needed the one before that.
        needed.update([p for p in earlier if p[0] < place[0]][-1:])
    if not any(isinstance(operation_at(program, p), Insert) for p in needed):
        needed.update(_last_insert_before(program, min(witness), began))
    needed.update(created_again(program, witness, anomaly.table))
    at, session, index = min(witness)
    after = [p for p in everything if p[0] > at or (p[0] == at and (p[1] != session or p[2] > index))]
    for end in (Kill, Restart):
        needed.update([p for p in after if isinstance(operation_at(program, p), end)][:1])
    waits = (Flush, AwaitFlush, Pause)
    return [p for p in everything if p in needed and not isinstance(operation_at(program, p), waits)]


def _makes(program: Program, place: Place, later: Place) -> bool:
    """Whether a step inserts the row that another one names, or inserts as well."""
    made, named = (keys_of(program, operation_at(program, p)) for p in (place, later))
    return _fills(program, place, later) and not made.isdisjoint(named)


def _last_insert_before(program: Program, place: Place, began: Mapping[Place, int]) -> list[Place]:
    """The last one into what a step reads or writes that was invoked before it, if there is one."""
    end = began[place]
    return [p for p in places(program) if _fills(program, p, place) and began.get(p, end) < end][-1:]


def _fills(program: Program, place: Place, later: Place) -> bool:
    """Whether a step inserts into what another one reads or writes: the table, of its user."""
    return fills(program, place, getattr(operation_at(program, later), "table", None), later[1])


def _steps(program: Program, history: History) -> dict[int, Place]:
    """From the `i` of an invocation to its place in the program."""
    ordered: dict[str, list[Place]] = {}
    for place in places(program):
        ordered.setdefault(place[1], []).append(place)
    steps: dict[int, Place] = {}
    position: dict[str, int] = {}
    for event in history.events:
        if isinstance(event, Invoke):
            session = event.p.split("#")[0]
            at = position.get(session, 0)
            position[session] = at + 1
            if at < len(ordered.get(session, [])):
                steps[event.i] = ordered[session][at]
    return steps

"""What a witness lets one leave out at once: first guesses of a shrinker, most daring first."""

from __future__ import annotations

from collections.abc import Iterator

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import History, Invoke
from kalam_props.history.operations import AwaitFlush, Flush, Recreate
from kalam_props.hunt.structure import Place, keep, operation_at, places
from kalam_props.programs.model import Program


def cut_to_witness(program: Program, history: History, anomaly: Anomaly) -> Iterator[Program]:
    """The witness alone; with the flushes before its end; then all that came before its end.

    The n-th invocation of a session is its n-th step; what comes after its steps are closing reads.
    """
    steps = _steps(program, history)
    witness = {steps[i] for i in anomaly.witness if i in steps}
    if not witness:
        return
    closing_reads_needed = any(i not in steps for i in anomaly.witness)
    last = len(program.rounds) if closing_reads_needed else max(place[0] for place in witness)
    before = {place for place in places(program) if place[0] <= last}
    tables = {place for place in places(program) if isinstance(operation_at(program, place), Recreate)}
    flushes = {place for place in before if isinstance(operation_at(program, place), (Flush, AwaitFlush))}
    racing = {place for place in before if place[0] in {at for at, _, _ in witness}}
    for kept in (witness, witness | flushes, witness | flushes | racing, before):
        yield keep(program, kept | tables)


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

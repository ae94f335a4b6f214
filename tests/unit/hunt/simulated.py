"""A lab without a server: a program fails with a probability that a model of the bug gives it."""

from __future__ import annotations

import json
import random
from pathlib import Path

from kalam_props.checks.verdict import Anomaly, Verdict
from kalam_props.history import operations
from kalam_props.history.operations import Flush, Insert, Kill, Select
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.lab import Trial


def sighting(name, witness=()):
    return Sighting(Anomaly(name, witness, f"a simulated {name}"))


class SimulatedLab:
    """Runs nothing: each execution fails with what `model` says, a dict of anomaly name to probability."""

    def __init__(self, model, seed):
        self.model = model
        self.random = random.Random(seed)
        self.executions = 0
        self.operations = 0
        self.programs = []

    def until(self, program, runs, enough):
        trials = []
        self.programs.append(program)
        while len(trials) < runs and not enough(trials):
            self.executions += 1
            self.operations += program.operations
            trials.append(self.trial(program))
        return trials

    def trial(self, program):
        seen = tuple(
            sighting(name)
            for name, probability in self.model(program).items()
            if self.random.random() < probability
        )
        verdict = Verdict("violated" if seen else "holds", program.operations, tuple(s.anomaly for s in seen))
        return Trial(program, Path("no-history.jsonl"), verdict, seen)


def write_history(program, path):
    """A history with an invocation for every step, in order: where a witness finds its steps."""
    header = {
        "format": "kalam-props-history",
        "version": 1,
        "tables": {
            name: {"type": table.type, "columns": list(table.column_names), "key": table.key}
            for name, table in program.tables.items()
        },
    }
    lines = [header]
    for round_ in program.rounds:
        for session, lane in round_.lanes.items():
            for step in lane:
                i = 2 * len(lines) - 1
                op = operations.to_json(step.op)
                lines.append(
                    {"i": i, "t": i, "e": "invoke", "p": f"{session}#{i}", "user": session[:2], **op}
                )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def steps(round_):
    return [(session, step) for session, lane in round_.lanes.items() for step in lane]


def races_lost_on_flush(program):
    """Rounds in which a flush races an insert of another lane, with a row of that user hot before."""
    hot = set()
    races = 0
    for round_ in program.rounds:
        flushing = [session for session, step in steps(round_) if isinstance(step.op, Flush)]
        inserting = [session for session, step in steps(round_) if isinstance(step.op, Insert)]
        if any(f != i and i.split("/")[0] in hot for f in flushing for i in inserting):
            races += 1
        hot |= {session.split("/")[0] for session in inserting}
    return races


def lost_on_flush(rate):
    """A model of the fault of that name: an insert that arrives in a window of a flush is lost."""

    def model(program):
        return {"lost-row": 1 - (1 - rate) ** races_lost_on_flush(program)}

    return model


def gone_between(rate):
    """A model: a scan beside a flush misses a row that was there before, and has it again later."""

    def model(program):
        hot, races = set(), 0
        for round_ in program.rounds:
            flushing = [session for session, step in steps(round_) if isinstance(step.op, Flush)]
            scans = [session for session, step in steps(round_) if isinstance(step.op, Select)]
            races += any(f != s and s.split("/")[0] in hot for f in flushing for s in scans)
            hot |= {s.split("/")[0] for s, step in steps(round_) if isinstance(step.op, Insert)}
        return {"stale-read": 1 - (1 - rate) ** races}

    return model


def lost_at_kill(rate):
    """A model: a kill loses what each user wrote before it, or not."""

    def model(program):
        hot, lost = set(), set()
        for round_ in program.rounds:
            for session, step in steps(round_):
                if isinstance(step.op, Insert):
                    hot.add(session.split("/")[0])
                elif isinstance(step.op, Kill):
                    lost |= hot
        return {"lost-after-crash": 1 - (1 - rate) ** len(lost)}

    return model

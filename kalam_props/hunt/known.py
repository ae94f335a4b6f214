"""What is known already: findings of this run, and seeds of bugs that are known and open.

A known finding is counted and not shrunk again, so that a frequent bug does not hide the rarer ones; and it
explains only what goes by one of its names with its kinds of operations, so that it does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kalam_props.hunt import seeds
from kalam_props.hunt.families import Sighting, shows
from kalam_props.hunt.finding import Name, kinds
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.replay import sighting


def known_and_open(folder: Path) -> tuple[Name, ...]:
    """The names of the bugs whose seeds in a folder say that they are open.

    Raises:
        CorruptInputError: a file in the folder that is no seed.

    """
    if not folder.is_dir():
        return ()
    found = (seeds.read(path) for path in seeds.find((folder,)))
    return tuple(Name(sighting(seed), seed.program) for seed in found if seed.known_open is not None)


def first_new(trial: Trial, known: Iterable[Name]) -> Sighting | None:
    """The most telling anomaly of a trial that nothing known explains; None: all are explained."""
    program = kinds(trial.program)
    here = [
        name
        for name in known
        if name.kinds <= program and any(seen.label == name.sighting.label for seen in trial.sightings)
    ]
    return next((seen for seen in trial.sightings if not _explained(seen, here)), None)


def _explained(seen: Sighting, here: list[Name]) -> bool:
    """Whether a known name was seen in the same run that is this one, or tells more of the same family."""
    return any(name.sighting.label == seen.label or shows(name.sighting, seen) for name in here)

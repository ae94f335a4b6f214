"""What is known already: findings of this run, and seeds of bugs that are known and open.

A known finding is counted and not shrunk again, so that a frequent bug does not hide the rarer ones; and it
explains only what goes by one of its names with its kinds of operations, so that it does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import evolve, frozen

from kalam_props.errors import UsageError
from kalam_props.hunt import seeds
from kalam_props.hunt.families import SIDES, Sighting, shows
from kalam_props.hunt.finding import Name, kinds
from kalam_props.hunt.lab import Trial
from kalam_props.hunt.replay import sighting


@frozen
class Open:
    """A bug whose seed says that it is open: what it goes by, why it is expected to fail, and the seed."""

    name: Name
    reason: str
    seed_file: Path

    def __str__(self) -> str:
        return f"{self.name.sighting.name}, {self.reason} ({self.seed_file})"


def known_and_open(folder: Path, *more: Path) -> tuple[Open, ...]:
    """The bugs whose seeds say that they are open: in the folder of seeds, and in `more` files and folders.

    Raises:
        CorruptInputError: a file that is no seed, or is not there.
        UsageError: one of `more` holds no seed that says so.

    """
    found = _open_in(folder) if folder.is_dir() else ()
    for place in more:
        named = _open_in(place)
        if not named:
            raise UsageError(f'{place} holds no seed of an open bug ("known_open": "why")')
        found = (*found, *named)
    return found


def _open_in(place: Path) -> tuple[Open, ...]:
    read = ((path, seeds.read(path)) for path in seeds.find((place,)))
    return tuple(
        Open(Name(sighting(seed), seed.program), seed.known_open, path)
        for path, seed in read
        if seed.known_open is not None
    )


def shown(trial: Trial, known: Iterable[Name]) -> list[Name]:
    """The known names that a trial goes by, with at least their kinds of operations."""
    program = kinds(trial.program)
    return [
        name
        for name in known
        if name.kinds <= program and any(seen.label == name.sighting.label for seen in trial.sightings)
    ]


def first_new(trial: Trial, known: Iterable[Name]) -> Sighting | None:
    """The most telling anomaly of a trial that nothing known explains; None: all are explained."""
    here = shown(trial, known)
    return next((seen for seen in trial.sightings if not _explained(seen, here)), None)


def is_open(found: Name, known: Iterable[Open]) -> Open | None:
    """The open bug that a finding turned out to be when it was small, if it is one of them."""
    return next(
        (
            bug
            for bug in known
            if bug.name.sighting.label == found.sighting.label and bug.name.kinds <= found.kinds
        ),
        None,
    )


def _explained(seen: Sighting, here: list[Name]) -> bool:
    """Whether a known name was seen in the same run that is this one, or tells more of the same family.

    A count that is wrong, and may be too low or too high for all that the history says, is either.
    """
    sides = [evolve(seen, side=side) for side in SIDES] if seen.side is None else [seen]
    return any(
        name.sighting.label == seen.label or any(shows(name.sighting, one) for one in sides) for name in here
    )

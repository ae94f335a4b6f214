"""Which anomalies are sides of one defect, and which of its names tells most.

A row that a flush dropped is a lost row to the scan at the end, a stale read to a scan on the way, a count
that is too low, and to a delete a row that is not there. A shrinker that holds on to the name by which a
failure happened to be discovered keeps the operations that make this name; one that takes any failure slips
from one bug to another. So a candidate counts when it shows the same name, or one that tells *more* in the
same family; the names in between two steps of a ladder are never exchanged, and a family is not left.

But what mixes up users shows as any of these: rows of others are there, and one's own are not. So a row of
another user tells more than any name of both families.

Three names have two sides, and a family for each: a count is too low or too high, a write affected a row too
few or too many, a key was refused as missing or as taken. The history says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import Fail, History, Invoke, Ok
from kalam_props.history.operations import Count, Delete, Increment, Insert, Scalar, Update

Side: TypeAlias = Literal["low", "high"]
SIDES: tuple[Side, ...] = ("low", "high")

LADDERS: dict[str, tuple[frozenset[str], ...]] = {
    # An acknowledged write without its effect: for good, for a while, or only in what was answered.
    "loss": (
        frozenset({"lost-row"}),
        frozenset({"lost-after-crash"}),
        frozenset({"lost-update"}),
        frozenset({"stale-read", "flickering-row"}),
        frozenset({"stale-value"}),
        frozenset({"torn-batch", "not-atomic-scan"}),
        frozenset({"wrongly-accepted", "wrongly-refused low", "wrong-affected low"}),
        frozenset({"wrong-count low"}),
    ),
    # Something is there that must not be. Its rows are different bugs; its answers may be any of them.
    "surplus": (
        frozenset({"foreign-row"}),
        frozenset({"duplicate-row", "resurrected-row", "phantom-row", "failed-but-visible"}),
        frozenset({"wrongly-refused high", "wrong-affected high"}),
        frozenset({"wrong-count high"}),
    ),
}
"""Families of several names: steps from the most telling down. Every other name is a family of its own."""

_ALIKE = frozenset({"stale-read", "flickering-row"})
"""A row that a read misses although it is there: which of the two it is called depends on whether another
read had seen it before. Each counts as the other."""

_ABOVE_ALL = frozenset({"foreign-row"})
"""On top of every ladder."""

_TWO_SIDED = frozenset({"wrong-count", "wrong-affected", "wrongly-refused"})


@frozen
class Sighting:
    """An anomaly, with its side where its name has two and the history tells which."""

    anomaly: Anomaly
    side: Side | None = None

    @property
    def name(self) -> str:
        return self.anomaly.name

    @property
    def label(self) -> str:
        """Its name on a ladder."""
        return f"{self.name} {self.side}" if self.side is not None else self.name

    @property
    def family(self) -> str:
        """The ladder that it stands on, or its own name."""
        return next((family for family, step, _ in _steps() if self.label in step), self.name)


def sight(anomaly: Anomaly, history: History) -> Sighting:
    """The anomaly with its side, as its witness in the history shows it."""
    if anomaly.name not in _TWO_SIDED:
        return Sighting(anomaly)
    events = history.events
    witness = set(anomaly.witness)
    invokes = {event.i: event for event in events if isinstance(event, Invoke) and event.i in witness}
    answers = [event for event in events if isinstance(event, (Ok, Fail)) and event.of in invokes]
    match anomaly.name:
        case "wrongly-refused":
            side = _side_of_refusals(answer for answer in answers if isinstance(answer, Fail))
        case "wrong-affected":
            side = _side_of_affected((invokes[a.of], a) for a in answers if isinstance(a, Ok))
        case _:
            side = _side_of_counts(history, witness)
    return Sighting(anomaly, side)


def shows(seen: Sighting, wanted: Sighting) -> bool:
    """Whether `seen` counts as `wanted`: the same name and side, alike, or more telling in its family.

    Or a row of another user, where `wanted` is of a family of several names.
    """
    if seen.name == wanted.name:
        return seen.side is None or wanted.side is None or seen.side == wanted.side
    if {seen.name, wanted.name} == _ALIKE:
        return True
    for _, step, higher in _steps():
        if wanted.label in step:
            return seen.label in higher
    return False


def most_telling(sightings: Iterable[Sighting], wanted: Sighting) -> Sighting | None:
    """Of those that count as `wanted`, the one highest on its ladder; None: there is none."""
    counted = [seen for seen in sightings if shows(seen, wanted)]
    heights = {label: at for at, (_, step, _) in enumerate(_steps()) for label in step}
    heights |= dict.fromkeys(_ABOVE_ALL, -1)
    return min(counted, key=lambda seen: heights.get(seen.label, len(heights)), default=None)


def majority(runs: Sequence[Iterable[Sighting]], wanted: Sighting) -> Sighting:
    """The most telling name, counting as `wanted`, that at least half of these failed runs show.

    So a name that tells more is taken when a program mostly goes by it, not when luck showed it once.
    `wanted` itself, as the last run shows it, where no other name is that frequent.
    """
    best = [seen for run in runs if (seen := most_telling(run, wanted)) is not None]
    frequent = [seen for seen in best if 2 * sum(o.label == seen.label for o in best) >= len(runs)]
    return most_telling(reversed(frequent), wanted) or wanted


def _steps() -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Family, the names of a step, and those of all steps above it."""
    for family, ladder in LADDERS.items():
        higher = _ABOVE_ALL
        for step in ladder:
            yield family, step, higher - step
            higher |= step


def _side_of_refusals(refusals: Iterable[Fail]) -> Side | None:
    codes = {refusal.error.code for refusal in refusals}
    if "duplicate-key" in codes:
        return "high" if "not-found" not in codes else None
    return "low" if "not-found" in codes else None


def _side_of_affected(answers: Iterable[tuple[Invoke, Ok]]) -> Side | None:
    """A write that says less than it was asked to do accuses the server of a loss, else of a surplus."""
    sides: set[Side] = set()
    for invoke, answer in answers:
        match invoke.op:
            case Insert(rows=rows):
                asked = len(rows)
                if answer.affected != asked:
                    sides.add("low" if (answer.affected or 0) < asked else "high")
            case Update() | Increment() | Delete():
                sides.add("low" if answer.affected == 0 else "high")
            case _:
                continue
    # Among a delete that was right to say 1 and one that was wrong to say 0, the 0 is what is accused.
    return "low" if "low" in sides else "high" if sides else None


def _side_of_counts(history: History, witness: set[int]) -> Side | None:
    """Whether a count is below the rows that must be there, or above those that may."""
    answers = {event.of: event for event in history.events if isinstance(event, (Ok, Fail))}
    invokes = [event for event in history.events if isinstance(event, Invoke)]
    sides: set[Side] = set()
    for count in invokes:
        answer = answers.get(count.i)
        if count.i not in witness or not isinstance(count.op, Count) or not isinstance(answer, Ok):
            continue
        shape = history.header.tables[count.op.table]
        writes = [
            _Write(key, isinstance(other.op, Delete), other.t, answers.get(other.i))
            for other in invokes
            if other.t <= answer.t and (shape.type == "shared" or other.user == count.user)
            for key in _keys(other, count.op.table, shape.key_index)
        ]
        least, most = _bounds([write for write in writes if not isinstance(write.answer, Fail)], count.t)
        if answer.count is not None and answer.count < least:
            sides.add("low")
        elif answer.count is not None and answer.count > most:
            sides.add("high")
    return sides.pop() if len(sides) == 1 else None


@frozen
class _Write:
    """An insert or a delete of one key. `answer`: None while its outcome is not known."""

    key: Scalar
    deletes: bool
    invoked: int
    answer: Ok | Fail | None

    def done_by(self, t: int) -> bool:
        return isinstance(self.answer, Ok) and self.answer.t < t


def _bounds(writes: list[_Write], counted: int) -> tuple[int, int]:
    """Rows that must be there at `counted`, and that may; not always the tightest bounds that there are."""
    least = most = 0
    for key in {write.key for write in writes}:
        inserts = [write for write in writes if write.key == key and not write.deletes]
        deletes = [write for write in writes if write.key == key and write.deletes]
        least += any(insert.done_by(counted) for insert in inserts) and not deletes
        last = max((write.answer.t if write.answer else counted for write in inserts), default=0)
        most += bool(inserts) and not any(
            delete.done_by(counted) and delete.invoked > last for delete in deletes
        )
    return least, most


def _keys(invoke: Invoke, table: str, key_index: int) -> list[Scalar]:
    match invoke.op:
        case Insert(table=name, rows=rows) if name == table:
            return [row[key_index] for row in rows]
        case Delete(table=name, key=key) if name == table:
            return [key]
        case _:
            return []

"""One small change to a history, of the kinds that a broken store, or a broken recorder, would make."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from attrs import evolve, frozen

from kalam_props.history.events import Error, Event, Fail, History, Info, Invoke, Ok
from kalam_props.history.operations import (
    Count,
    Delete,
    Get,
    Increment,
    Insert,
    Operation,
    Select,
    Update,
)


@frozen
class Place:
    """An answer that a change can be made to."""

    event: Ok | Fail | Info
    op: Operation
    invoked: int
    history: History


def mutate(random: Random, history: History) -> tuple[str, History]:
    """The name of the change, and the history with it; the same history where the change finds no place."""
    name = random.choice(sorted(_CHANGES))
    applies, change = _CHANGES[name]
    events = list(history.events)
    invokes = {event.i: event for event in events if isinstance(event, Invoke)}
    places = [
        (number, Place(event, invokes[event.of].op, invokes[event.of].t, history))
        for number, event in enumerate(events)
        if isinstance(event, (Ok, Fail, Info))
    ]
    places = [(number, place) for number, place in places if applies(place)]
    if not places:
        return name, history
    number, place = random.choice(places)
    events[number] = change(random, place)
    events.sort(key=lambda event: (event.t, not isinstance(event, Invoke)))
    return name, evolve(history, events=tuple(events))


def _answered(place: Place) -> bool:
    return isinstance(place.event, Ok)


def _read(place: Place) -> bool:
    return _answered(place) and isinstance(place.op, (Select, Get))


def _rows(place: Place) -> bool:
    return _answered(place) and bool(place.event.rows)


def _counted(place: Place) -> bool:
    return _answered(place) and isinstance(place.op, Count)


def _wrote(place: Place) -> bool:
    return _answered(place) and isinstance(place.op, _WRITES)


def _not_wrote(place: Place) -> bool:
    return not _answered(place) and isinstance(place.op, _WRITES)


def _row_dropped(random: Random, place: Place) -> Event:
    rows = list(place.event.rows)
    rows.pop(random.randrange(len(rows)))
    return evolve(place.event, rows=tuple(rows))


def _row_added(random: Random, place: Place) -> Event:
    """A row that somebody wrote at some time, which is the harder case; or one that nobody did."""
    written = [row for op in _inserts(place.history) for row in op.rows]
    row = random.choice([*written, (random.randrange(4), "nobody", 0)])
    if isinstance(place.op, Get) and random.random() < 0.8:
        row = (place.op.key, *row[1:])
    rows = list(place.event.rows) if isinstance(place.op, Select) else []
    if random.random() < 0.7:
        rows = [other for other in rows if other[0] != row[0]]
    rows.insert(random.randint(0, len(rows)), row)
    return evolve(place.event, rows=tuple(rows))


def _value_swapped(random: Random, place: Place) -> Event:
    """A value of a row becomes another one that was written somewhere, or one that was not."""
    rows = list(place.event.rows)
    at = random.randrange(len(rows))
    row = list(rows[at])
    if random.random() < 0.5:
        texts = [row[1] for op in _inserts(place.history) for row in op.rows]
        updates = [event.op for event in place.history.events if isinstance(event, Invoke)]
        texts += [op.set["v"] for op in updates if isinstance(op, Update)]
        row[1] = random.choice([*texts, "nobody"])
    else:
        row[2] = random.choice([-1, 0, 1, 2, 3, None])
    rows[at] = tuple(row)
    return evolve(place.event, rows=tuple(rows))


def _read_inside(place: Place) -> bool:
    return _answered(place) and any(result.get("rows") for result in place.event.results or ())


def _row_dropped_inside(random: Random, place: Place) -> Event:
    """A read of a transaction shows a row less."""
    results = list(place.event.results)
    at = random.choice([n for n, result in enumerate(results) if result.get("rows")])
    rows = list(results[at]["rows"])
    rows.pop(random.randrange(len(rows)))
    results[at] = {**results[at], "rows": tuple(rows)}
    return evolve(place.event, results=tuple(results))


def _inserts(history: History) -> list[Insert]:
    ops = [event.op for event in history.events if isinstance(event, Invoke)]
    return [op for op in ops if isinstance(op, Insert)]


def _count_changed(random: Random, place: Place) -> Event:
    return evolve(place.event, count=max(0, place.event.count + random.choice([-1, 1])))


def _affected_changed(random: Random, place: Place) -> Event:
    return evolve(place.event, affected=random.choice([0, 1, 2, 3]))


def _answered_earlier(random: Random, place: Place) -> Event:
    """The interval shrinks, so that fewer orders are legal."""
    return evolve(place.event, t=random.randint(place.invoked, place.event.t), wire=None)


def _wire_narrowed(random: Random, place: Place) -> Event:
    first = random.randint(place.invoked, place.event.t)
    return evolve(place.event, wire=(first, random.randint(first, place.event.t)))


def _resent(random: Random, place: Place) -> Event:
    return evolve(place.event, attempts=random.choice([2, 3]), wire=None)


def _refused(_: Random, place: Place) -> Event:
    return _unanswered(Fail, place, "duplicate-key" if isinstance(place.op, Insert) else "not-found")


def _of_unknown_outcome(_: Random, place: Place) -> Event:
    return _unanswered(Info, place, "timeout")


def _unanswered(cls: type[Fail | Info], place: Place, code: str) -> Event:
    event = place.event
    return cls(i=event.i, t=event.t, of=event.of, error=Error(code, ""), wire=event.wire)


def _accepted(_: Random, place: Place) -> Event:
    affected = len(place.op.rows) if isinstance(place.op, Insert) else 1
    event = place.event
    return Ok(i=event.i, t=event.t, of=event.of, affected=affected, wire=event.wire)


_WRITES = (Insert, Update, Increment, Delete)
_CHANGES: dict[str, tuple[Callable[[Place], bool], Callable[[Random, Place], Event]]] = {
    "row dropped": (_rows, _row_dropped),
    "row dropped inside of a transaction": (_read_inside, _row_dropped_inside),
    "row added": (_read, _row_added),
    "value swapped": (_rows, _value_swapped),
    "count changed": (_counted, _count_changed),
    "affected changed": (_wrote, _affected_changed),
    "answered earlier": (_answered, _answered_earlier),
    "wire narrowed": (_answered, _wire_narrowed),
    "refused": (_wrote, _refused),
    "accepted": (_not_wrote, _accepted),
    "of unknown outcome": (_wrote, _of_unknown_outcome),
    "resent": (_wrote, _resent),
}

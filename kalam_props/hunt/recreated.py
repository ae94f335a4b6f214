"""Tables that have one name after another: which of their `recreate`s have a part in a failure."""

from __future__ import annotations

from collections.abc import Iterator

from kalam_props.history.operations import Recreate
from kalam_props.hunt.structure import Place, fills, keys_of, operation_at, places, tables_of
from kalam_props.programs.model import Program
from kalam_props.programs.tables import predecessors


def created_again(program: Program, witness: set[Place], shown: str | None) -> set[Place]:
    """What creates the tables of a witness again.

    Of several that had one name the first is there from the beginning, in what is made of these steps. Where
    it is one alone, also the last insert into the table before it: what is in it may be what was there.

    Args:
        program: the one that failed.
        witness: the steps that the anomaly is about.
        shown: the table that it is about.

    """
    about = {place: tables_of(operation_at(program, place)) for place in witness}
    named = set().union(*about.values()) | ({shown} if shown is not None else set())
    followed = {earlier for table in named for earlier in predecessors(program, table)}
    needed: set[Place] = set()
    for place, table in _recreates(program):
        earlier = predecessors(program, table)
        if table in named and not named.isdisjoint(earlier):
            needed.add(place)
        elif table in named - followed:
            like = min((step for step in witness if table in about[step]), default=min(witness))
            needed.update((place, *_last_insert(program, earlier[-1], like)))
    return needed


def _recreates(program: Program) -> Iterator[tuple[Place, str]]:
    for place in places(program):
        if isinstance(op := operation_at(program, place), Recreate):
            yield place, op.table


def _last_insert(program: Program, table: str, like: Place) -> list[Place]:
    """The last insert into a table by the user of a step; of a row that the step names, if there is one."""
    keys = keys_of(program, operation_at(program, like))
    inserts = [place for place in places(program) if fills(program, place, table, like[1])]
    of_its_rows = [p for p in inserts if not keys.isdisjoint(keys_of(program, operation_at(program, p)))]
    return (of_its_rows or inserts)[-1:]

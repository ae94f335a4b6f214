"""Rows of which sessions change different columns."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve
from hypothesis.stateful import rule

from kalam_props.history.operations import Update
from kalam_props.programs import payloads
from kalam_props.programs.machine import JOINS, KEYS, SESSIONS
from kalam_props.programs.machines.races import Action, Races
from kalam_props.programs.machines.rules import Inserts, Reads, Writes
from kalam_props.programs.model import TableDef


class Columns(Inserts, Writes, Reads, Races):
    """The key is not the first column; sessions change different columns of the same rows at once."""

    max_users = 2
    max_sessions = 3
    table_def = TableDef((("v", "TEXT"), ("n", "BIGINT"), ("id", "BIGINT"), ("w", "TEXT")), "id")
    race_kinds: ClassVar[tuple[str, ...]] = (
        "update",
        "second",
        "increment",
        "get",
        "delete",
        "second",
        "select",
    )

    def act(self, action: Action, session: int) -> None:
        if self.race_kinds[action.pick % len(self.race_kinds)] == "second":
            self.update_second(session, action.key, join=True)
        else:
            super().act(action, session)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def update_second_column(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.update_second(session, key, join=join)

    def update_second(self, session: int, key: int, *, join: bool) -> None:
        name = self.session(session)
        value = payloads.payload(payloads.PLAIN, payloads.fingerprint(name, self.drawn, 0))
        self.add(Update(self.on, self.key(name, key), {"w": value}), name, join=join)
        self.hot += 1


class Shared(Columns):
    """A shared table with several writers: everybody sees and changes every row."""

    needs = frozenset({"shared-tables"})
    table_def = evolve(Columns.table_def, type="shared")
    race_kinds = ("update", "second", "increment", "get", "delete", "insert", "select", "reinsert")

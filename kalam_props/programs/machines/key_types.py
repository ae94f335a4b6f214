"""Keys of other types than numbers."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from kalam_props.programs.keys import key_of, with_key_type
from kalam_props.programs.machine import TABLE
from kalam_props.programs.machines.races import Races
from kalam_props.programs.machines.rules import Inserts, Writes
from kalam_props.programs.model import Program


class Keys(Inserts, Writes, Races):
    """Keys that are texts, one the prefix of another or in the other case; less often numbers below zero."""

    needs = frozenset({"text-keys", "int-keys"})
    key_types: ClassVar[tuple[str, ...]] = ("TEXT", "TEXT", "INT", "TEXT", "TEXT", "TEXT")
    max_users = 2
    race_kinds = ("insert", "get", "update", "delete", "select", "reinsert")

    def __init__(self) -> None:
        super().__init__()
        self.key_type = self.key_types[0]

    @initialize(which=st.integers(0, 5))
    def choose_keys(self, which: int) -> None:
        self.key_type = self.key_types[which % len(self.key_types)]

    def program(self) -> Program:
        drawn, kind = super().program(), self.key_type
        # What a machine draws as a key is a number.
        return with_key_type(
            drawn, TABLE, kind, lambda key: key_of(key, kind) if isinstance(key, int) else key
        )


class UuidKeys(Keys):
    """Keys that are UUIDs, which some servers let one declare and then accept no row with."""

    needs = frozenset({"uuid-keys"})
    key_types = ("UUID",)

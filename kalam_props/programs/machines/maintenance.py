"""Flushes of all forms, compaction and new columns beside reads and writes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import AddColumn, Compact, Flush
from kalam_props.programs.machines.races import ACTIONS, Action, Races
from kalam_props.programs.machines.rules import Inserts, Reads, Writes


class Maintenance(Inserts, Writes, Reads, Races):
    """Every form of flush, compaction, and new columns, while rows come and go; none changes a row."""

    needs = frozenset({"flush-namespace", "compact", "add-column"})
    race_kinds = ("insert", "select", "count", "update", "delete", "get")

    def __init__(self) -> None:
        super().__init__()
        self.columns_added = 0

    @rule(
        actions=st.lists(ACTIONS, min_size=1, max_size=5),
        kinds=st.lists(
            st.sampled_from(("flush-namespace", "compact", "add-column", "flush")), min_size=1, max_size=3
        ),
    )
    def maintain(self, actions: list[Action], kinds: list[str]) -> None:
        """Maintenance in a lane of its own, beside reads and writes."""
        self.race(actions, "none")
        lane = f"u0/{self.max_sessions + 1}"
        for chosen in kinds:
            match chosen:
                case "flush-namespace":
                    self.add(Flush(self.on, "namespace"), lane, join=True)
                case "compact":
                    self.add(Compact(self.on), lane, join=True)
                case "add-column":
                    self.columns_added += 1
                    self.add(AddColumn(self.on, f"x{self.columns_added}"), lane, join=True)
                case _:
                    self.add(Flush(self.on), lane, join=True)

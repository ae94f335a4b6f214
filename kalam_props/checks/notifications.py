"""Live notifications. They are no reads: one may arrive late, and only what it says is judged."""

from __future__ import annotations

from collections.abc import Sequence

from kalam_props.checks.acts import Act
from kalam_props.checks.finding import Finding
from kalam_props.checks.writes import Writes
from kalam_props.history.events import History


def judge_notifications(history: History, writes: Writes, acts: Sequence[Act]) -> list[Finding]:
    return []

"""Consistency profiles: which anomalies fail a run, and which are only told.

- `linearizable`: every anomaly counts; what KalamDB documents for reads at the leader.
- `snapshot`: each read may show an older state, and must show one state; writes still exclude each other.
- `read-committed`: each row that is read was committed; one read may mix several moments.
- `eventual`: reads may lag behind and writes of one row may overwrite each other; everything acknowledged is
  there in the end, and nothing else.

Isolation, loss, phantoms, corruption, duplicates and wrong quiescent counts fail in every profile. For the
two in the middle, what counts besides is what is violated even when reads may lag (`weaker`), whatever its
name.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from kalam_props.checks.finding import Finding
from kalam_props.errors import UsageError

Profile: TypeAlias = Literal["linearizable", "snapshot", "read-committed", "eventual"]
PROFILES: tuple[str, ...] = get_args(Profile)

MOST_TELLING_FIRST: tuple[str, ...] = (
    "foreign-row",
    "server-died",
    "lost-row",
    "lost-after-crash",
    "duplicate-row",
    "phantom-row",
    "corrupt-row",
    "torn-batch",
    "resurrected-row",
    "failed-but-visible",
    "lost-update",
    "wrongly-accepted",
    "wrongly-refused",
    "wrong-affected",
    "flickering-row",
    "stale-value",
    "stale-read",
    "not-atomic-scan",
    "wrong-count",
    "foreign-notification",
    "duplicate-notification",
    "reordered-notification",
    "missed-notification",
    "hung",
    "server-error",
)
"""All anomalies. Where one fault shows in several ways, the first of them is its name."""

_MIXED_STATES = frozenset({"not-atomic-scan", "torn-batch", "lost-update"})

_LAG_EXCUSES = frozenset({"wrong-count", "resurrected-row"})
_LATE = frozenset({"stale-read", "stale-value", "flickering-row"})
_ANSWERS = frozenset({"wrong-affected", "wrongly-refused", "wrongly-accepted"})
"""Where a read and the answer of a write contradict each other, the read may be the one that is late."""

RELAXED: frozenset[str] = frozenset({"snapshot", "read-committed"})
"""Profiles under which a history is judged once more; what is found then counts, whatever its name."""

_TOLD: dict[str, frozenset[str]] = {
    "linearizable": frozenset(),
    "snapshot": _LATE | _ANSWERS | {"not-atomic-scan", "torn-batch"},
    "read-committed": _LATE | _ANSWERS | _MIXED_STATES,
    "eventual": _LATE | _ANSWERS | _MIXED_STATES | {"resurrected-row", "reordered-notification"},
}


def known(expect: str) -> str:
    """The profile of that name.

    Raises:
        UsageError: there is none.

    """
    if expect not in PROFILES:
        raise UsageError(f"unknown consistency profile {expect!r}; known are {', '.join(PROFILES)}")
    return expect


def counts(finding: Finding, expect: str) -> bool:
    """Whether a finding fails a run under a profile."""
    if not finding.certain:
        return False
    if finding.proven and expect in RELAXED:
        return True
    if finding.name in _LAG_EXCUSES and not finding.quiescent:
        return expect == "linearizable"
    return finding.name not in _TOLD[expect]

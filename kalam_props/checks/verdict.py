"""What checking a history says: anomalies with their witnesses, and three-valued verdicts."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

VerdictName: TypeAlias = Literal["holds", "violated", "unknown"]


@frozen
class Anomaly:
    """One violated property.

    Attributes:
        name: one of the anomaly names of ARCHITECTURE.md, such as `lost-row`.
        witness: the `i` of the invocations that prove it, in order of invocation.
        explanation: one paragraph that a reader can follow by hand.
        table: the table that it is about, or None.
        user: the user whose row or answer it is about, or None.
        key: the key of the row that it is about, or None.

    """

    name: str
    witness: tuple[int, ...]
    explanation: str
    table: str | None = None
    user: str | None = None
    key: object = None


@frozen
class Verdict:
    """The judgement of one history.

    Attributes:
        verdict: `violated` when an anomaly counts under the consistency profile asked for, `unknown` when a
            check could not decide and none was violated.
        anomalies: those that count, most telling first.
        told: anomalies that this profile allows, and that a reader should know of.
        sessions: the session guarantees (such as `read-your-writes`) that the history proves broken; always
            with an anomaly that is counted or told.
        unknown: why, for each check that could not decide.
        operations: how many invocations were judged.

    """

    verdict: VerdictName
    operations: int
    anomalies: tuple[Anomaly, ...] = ()
    told: tuple[Anomaly, ...] = ()
    sessions: tuple[Anomaly, ...] = ()
    unknown: tuple[str, ...] = ()

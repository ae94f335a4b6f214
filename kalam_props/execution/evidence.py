"""What a history shows to have been exercised: flushes, overlaps, reads from the cold tier.

What a target does not let us see is None, not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import asdict, frozen

from kalam_props.history.events import Fail, FlushRun, History, Info, Invoke, Notify, Ok
from kalam_props.history.operations import READS, AwaitFlush, Flush, Insert, Kill, Pause, Restart


@frozen
class Evidence:
    """Counts over one history, or the sum over many.

    Attributes:
        operations: invocations, without those that only wait.
        flushes: flushes that completed.
        rows_flushed: rows that they moved, as far as the server says.
        ops_overlapping_flush: operations whose interval meets one of a flush of their table.
        overlapping_pairs: pairs of operations of different processes whose intervals meet.
        cold_reads: reads invoked after rows of their table had gone cold.
        indeterminate: operations without a certain outcome.
        behind_gate: operations of runs with a gate.
        wire_times: operations among them that the gate saw sent on.
        asked_for_flush: programs that asked for a flush, by command or by row count.
        flushed: programs among them in which a flush completed.
        notifications: changes that subscribers were told of.

    """

    operations: int = 0
    flushes: int = 0
    rows_flushed: int = 0
    ops_overlapping_flush: int = 0
    overlapping_pairs: int = 0
    cold_reads: int = 0
    indeterminate: int = 0
    behind_gate: int = 0
    wire_times: int = 0
    asked_for_flush: int = 0
    flushed: int = 0
    notifications: int = 0

    def __add__(self, other: Evidence) -> Evidence:
        mine, theirs = asdict(self), asdict(other)
        return Evidence(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def vacuous(self) -> str | None:
        """Why these runs show nothing, or None."""
        if self.operations == 0:
            return "no operation was run"
        if self.behind_gate and not self.wire_times:
            return "the gate recognised no request of the client (--no-gate runs without it)"
        if self.overlapping_pairs == 0:
            return "no two operations overlapped"
        if self.asked_for_flush and self.flushes == 0:
            return "programs asked for flushes and none completed"
        return None


def evidence(history: History, flush_rows: Mapping[str, int | None]) -> Evidence:
    """What one history shows. `flush_rows`: rows of each table that ask for a flush; None: none do."""
    asked_for_flush = _asked_for_flush(history, flush_rows)
    spans, indeterminate, reads = _spans(history)
    flushes = [
        event for event in history.events if isinstance(event, FlushRun) and event.status == "completed"
    ]
    moved = [flush for flush in flushes if flush.rows]
    return Evidence(
        operations=len(spans),
        flushes=len(flushes),
        rows_flushed=sum(flush.rows or 0 for flush in flushes),
        ops_overlapping_flush=sum(
            any(_meets(span, table, flush) for flush in flushes) for span, table in spans.values()
        ),
        overlapping_pairs=_overlapping_pairs(span for span, _ in spans.values()),
        cold_reads=sum(
            any(flush.table == table and flush.ended[0] < invoked for flush in moved)
            for invoked, table in reads
        ),
        indeterminate=indeterminate,
        behind_gate=len(spans) if history.header.gate else 0,
        wire_times=sum(
            isinstance(event, (Ok, Fail, Info)) and event.wire is not None for event in history.events
        ),
        asked_for_flush=int(asked_for_flush),
        flushed=int(asked_for_flush and bool(flushes)),
        notifications=sum(
            isinstance(event, Notify) and event.change != "initial" for event in history.events
        ),
    )


def _asked_for_flush(history: History, flush_rows: Mapping[str, int | None]) -> bool:
    """Whether a run asked for a flush: by a command after rows, or by rows, not refused, at a boundary."""
    refused = {event.of for event in history.events if isinstance(event, Fail)}
    rows = dict.fromkeys(flush_rows, 0)
    for event in history.events:
        if isinstance(event, Invoke) and event.i not in refused:
            if isinstance(event.op, Flush) and any(rows.values()):
                return True
            if isinstance(event.op, Insert):
                rows[event.op.table] += len(event.op.rows)
    return any(boundary is not None and rows[name] >= boundary for name, boundary in flush_rows.items())


def met_its_flush(history: History) -> bool:
    """Whether some request that was aimed at a flush was under way while one ran; True where none was aimed.

    A race that was not met is no evidence that it is gone.
    """
    aimed = [
        event.i
        for event in history.events
        if isinstance(event, Invoke)
        and event.release is not None
        and event.release.anchor in {"flush", "check"}
    ]
    if not aimed:
        return True
    spans, _, _ = _spans(history)
    flushes = [event for event in history.events if isinstance(event, FlushRun)]
    return any(_meets(*spans[i], flush) for i in aimed for flush in flushes)


_Span = tuple[int, int]


def _spans(history: History) -> tuple[dict[int, tuple[_Span, str | None]], int, list[tuple[int, str]]]:
    """Interval and table of each operation; how many are indeterminate; when each read was invoked."""
    end = history.events[-1].t if history.events else 0
    spans: dict[int, tuple[_Span, str | None]] = {}
    reads: list[tuple[int, str]] = []
    answered = indeterminate = 0
    for event in history.events:
        if isinstance(event, Invoke):
            if isinstance(event.op, (AwaitFlush, Pause, Restart, Kill)):
                continue
            spans[event.i] = ((event.t, end), getattr(event.op, "table", None))
            if isinstance(event.op, READS):
                reads.append((event.t, event.op.table))
        elif isinstance(event, (Ok, Fail, Info)) and event.of in spans:
            (invoked, _), table = spans[event.of]
            wire = event.wire
            first = invoked if wire is None else wire[0]
            last = event.t if wire is None or wire[1] is None else wire[1]
            spans[event.of] = ((first, last), table)
            answered += 1
            indeterminate += isinstance(event, Info)
    return spans, indeterminate + len(spans) - answered, reads


def _meets(span: _Span, table: str | None, flush: FlushRun) -> bool:
    ended = flush.ended[1]
    return (
        table == flush.table
        and span[0] <= (span[1] if ended is None else ended)
        and flush.began[0] <= span[1]
    )


def _overlapping_pairs(spans: Iterable[_Span]) -> int:
    """Pairs that share an instant, counted as each span begins: those begun before and not yet ended."""
    ends: list[int] = []
    pairs = 0
    for first, last in sorted(spans):
        ends = [end for end in ends if end >= first]
        pairs += len(ends)
        ends.append(last)
    return pairs

"""The operations of a witness as lanes, for the terminal: time runs down, a column is a process.

time (ms)   u0/1                      u0/2
   0.000    ┌ #1 insert (1, 'a')
   1.000    └ ok, 1 row
   2.000                              ┌ #3 select all
   2.500    ── flush j1 of t: 2 rows, between 1.900 and 2.400
   3.000                              └ 0 rows
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from kalam_props.history.events import (
    CONNECTION_LOST,
    Completion,
    Event,
    Fail,
    FlushRun,
    Header,
    History,
    Info,
    Interval,
    Invoke,
    NetFault,
    Notify,
    Ok,
    ServerEvent,
)
from kalam_props.history.operations import Insert, Operation, Row, Scalar
from kalam_props.report.programs import describe_among

_WIDE = 44
_SHOWN_KEYS = 6


@frozen
class _Line:
    """One instant: what a lane shows, or a remark that goes across all of them."""

    t: int
    lane: str | None
    text: str
    opens: int = 0
    """+1 begins an operation of the lane, -1 ends it."""


def lanes(history: History, witness: Collection[int]) -> str:
    """The lanes of the operations whose invocations are in `witness`, and what happened around them.

    Flushes, restarts and network faults between the first and the last of these operations are told as well.
    """
    lines = _lines(history, set(witness))
    if not lines:
        return "(no operations)"
    processes = list(dict.fromkeys(line.lane for line in lines if line.lane is not None))
    widths = {
        process: min(
            _WIDE, max(len(process), *(len(line.text) + 2 for line in lines if line.lane == process))
        )
        for process in processes
    }
    rows = ["time (ms)   " + "  ".join(process.ljust(widths[process]) for process in processes).rstrip()]
    active = dict.fromkeys(processes, 0)
    for line in lines:
        rows.append(f"{line.t / 1e6:>9.3f}   {_row(line, active, widths)}".rstrip())
        if line.lane is not None:
            active[line.lane] += line.opens
    return "\n".join(rows)


def _lines(history: History, witness: set[int]) -> list[_Line]:
    events = history.events
    invokes = {event.i: event for event in events if isinstance(event, Invoke) and event.i in witness}
    if not invokes:
        return []
    ends = [event.t for event in events if isinstance(event, (Ok, Fail, Info)) and event.of in invokes]
    first, last = min(invoke.t for invoke in invokes.values()), max([*ends, *_starts(invokes)])
    lines = []
    for event in events:
        if isinstance(event, Invoke) and event.i in invokes:
            text = f"#{event.i} {describe_among(event.op, history.header.tables)}"
            lines.append(_Line(event.t, event.p, text, opens=1))
        elif isinstance(event, (Ok, Fail, Info)) and event.of in invokes:
            lines.append(_Line(event.t, invokes[event.of].p, answer_words(event), opens=-1))
        elif isinstance(event, Notify) and event.of in invokes and _is_about(event, invokes, history.header):
            lines.append(_Line(event.t, invokes[event.of].p, f"told: {event.change} {_told(event)}"))
        else:
            remark = _remark(event, invokes, first, last)
            if remark is not None:
                lines.append(_Line(event.t, None, remark))
    return sorted(lines, key=lambda line: line.t)


def _is_about(event: Notify, invokes: dict[int, Invoke], header: Header) -> bool:
    """Whether a notification is about a row of one of these writes; without any, all are."""
    watched = invokes[event.of].op
    shape = header.tables[str(getattr(watched, "table", ""))]
    keys = {key for invoke in invokes.values() for key in _keys(invoke.op, shape.key_index)}
    rows = (*(event.rows or ()), *(event.old or ()))
    return not keys or any(row[shape.key_index] in keys for row in rows)


def _keys(op: Operation, key_index: int) -> list[Scalar]:
    if isinstance(op, Insert):
        return [row[key_index] for row in op.rows]
    key = getattr(op, "key", None)
    return [] if key is None else [key]


def _starts(invokes: dict[int, Invoke]) -> list[int]:
    return [invoke.t for invoke in invokes.values()]


def _row(line: _Line, active: dict[str, int], widths: dict[str, int]) -> str:
    if line.lane is None:
        return f"── {line.text}"
    cells = []
    for process, width in widths.items():
        if process == line.lane:
            mark = "┌" if line.opens > 0 else "└" if line.opens < 0 else "├"
            text = line.text if len(line.text) <= width - 2 else line.text[: width - 3] + "…"
            cells.append(f"{mark} {text}".ljust(width))
        else:
            cells.append(("│" if active[process] > 0 else "").ljust(width))
    return "  ".join(cells)


def answer_words(event: Completion) -> str:
    """What came of an operation, in a few words."""
    if isinstance(event, Ok):
        if event.rows is not None:
            return _rows(event.rows) + ("" if event.complete else ", more to come")
        if event.count is not None:
            return f"count {event.count}"
        if event.affected is not None:
            return f"ok, {event.affected} row{'' if event.affected == 1 else 's'}"
        return "ok"
    if isinstance(event, Fail):
        return f"refused: {event.error.code}"
    return f"outcome unknown: {event.error.code}"


def _rows(rows: tuple[Row, ...]) -> str:
    if not rows:
        return "0 rows"
    if len(rows) == 1:
        return f"1 row: ({', '.join(map(repr, rows[0]))})"
    shown = ", ".join(repr(row[0]) for row in rows[:_SHOWN_KEYS])
    return f"{len(rows)} rows: {shown}{', …' if len(rows) > _SHOWN_KEYS else ''}"


def _told(event: Notify) -> str:
    return _rows(event.rows or event.old or ())


def _remark(event: Event, invokes: dict[int, Invoke], first: int, last: int) -> str | None:
    """What else happened, as far as it can have to do with these operations."""
    if isinstance(event, FlushRun) and event.began[0] <= last and (event.ended[1] or event.t) >= first:
        rows = "" if event.rows is None else f", {event.rows} rows"
        return (
            f"flush {event.job} of {event.table}: {event.status}{rows}, {_between(event.began, event.ended)}"
        )
    if isinstance(event, ServerEvent) and first <= event.t <= last:
        return f"server {event.what}" + (f": {event.message}" if event.message else "")
    if isinstance(event, NetFault) and event.of in invokes:
        by_itself = event.what.startswith(CONNECTION_LOST)
        return f"#{event.of}: {event.what}" if by_itself else f"we did to #{event.of}: {event.what}"
    return None


def _between(began: Interval, ended: Interval) -> str:
    last = ended[1] if ended[1] is not None else ended[0]
    return f"between {began[0] / 1e6:.3f} and {last / 1e6:.3f}"

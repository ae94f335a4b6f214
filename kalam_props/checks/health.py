"""What the server owes apart from rows: an answer, and to stay alive. What we did to it is not its fault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.finding import Finding
from kalam_props.history.events import (
    JOB_HANGS,
    MALFORMED,
    NOT_RECOVERED,
    Event,
    History,
    NetFault,
    ServerEvent,
)
from kalam_props.history.operations import AwaitFlush, Flush, Kill, Pause, Restart

PATIENCE = 5_000_000_000
"""An operation without an answer for so many nanoseconds hangs; a shorter deadline was our impatience."""

SKIPPED = "skipped"
"""Server code of a flush that had nothing to do: an answer like any other."""


def crashes(events: Iterable[Event], acts: Sequence[Act]) -> list[int]:
    """When the server was killed or died."""
    at = [event.t for event in events if isinstance(event, ServerEvent) and event.what in ("killed", "died")]
    at += [act.start for act in acts if isinstance(act.op, Kill)]
    return sorted(at)


def judge_health(history: History, acts: Sequence[Act]) -> list[Finding]:
    """Server errors, hanging operations and a server that ended by itself."""
    disturbed = {event.of for event in history.events if isinstance(event, NetFault)}
    down = disturbances(history.events, acts)
    findings = [
        Finding(
            name="server-died",
            witness=tuple(act.i for act in acts if act.invoked <= event.t and _open_at(act, event.t))[:8],
            words=f"The server ended by itself at {words.at(event.t)}"
            + (f": {event.message}." if event.message else "."),
        )
        for event in history.events
        if isinstance(event, ServerEvent) and event.what == "died"
    ]
    for act in acts:
        if isinstance(act.op, (Restart, Kill)):
            findings += _recovery(act)
            continue
        if act.error is None or act.i in disturbed or isinstance(act.op, Pause):
            continue
        if any(_overlaps(act, first, last) for first, last in down):
            continue
        finding = _unanswered(act, gate=history.header.gate)
        if finding is not None:
            findings.append(finding)
    return findings


def _unanswered(act: Act, *, gate: bool) -> Finding | None:
    error = act.error
    if error is None or (isinstance(act.op, Flush) and error.server_code == SKIPPED):
        return None
    # From when its request was sent on, where that is known: before that, we may have held it ourselves.
    waited = (act.returned or act.start) - act.start
    said = f" It said: {error.message}" if error.message else ""
    if error.server_code == MALFORMED:
        sentence = f"{words.done(act)}: the answer does not fit its statement.{said}"
        return _finding(act, "server-error", sentence)
    if error.code == "server":
        return _finding(act, "server-error", f"{words.done(act)}: an error inside of the server.{said}")
    if isinstance(act.op, AwaitFlush):
        return _finding(act, "hung", f"{words.done(act)}.{said}") if error.server_code == JOB_HANGS else None
    if error.code == "timeout" and waited >= PATIENCE:
        return _finding(
            act, "hung", f"{words.done(act)}: no answer in {waited / 1e9:.1f} s, and nobody held it."
        )
    if error.code == "connection" and act.outcome == "info":
        # Only where the gate was in between is it certain that none of us cut the connection.
        sentence = f"{words.done(act)}: the connection was lost, and we did not cut it.{said}"
        return _finding(act, "server-error", sentence, certain=gate and act.start > act.invoked)
    return None


def _recovery(act: Act) -> list[Finding]:
    """A server that is healthy again after we stopped or killed it works as before."""
    if act.error is None or act.error.server_code != NOT_RECOVERED:
        return []
    name = "hung" if act.error.code == "timeout" else "server-error"
    return [_finding(act, name, f"{words.done(act)}; then {act.error.message}.")]


def _finding(act: Act, name: str, sentence: str, *, certain: bool = True) -> Finding:
    return Finding(
        name=name,
        witness=(act.i,),
        words=sentence,
        table=getattr(act.op, "table", None),
        user=act.user,
        certain=certain,
    )


def disturbances(events: Iterable[Event], acts: Sequence[Act]) -> list[tuple[int, int | None]]:
    """When the server was not there, or was going or coming back."""
    down: list[tuple[int, int | None]] = []
    since: int | None = None
    for event in events:
        if not isinstance(event, ServerEvent):
            continue
        if event.what in ("killed", "stopped", "died"):
            since = event.t if since is None else since
        elif event.what == "healthy" and since is not None:
            down.append((since, event.t))
            since = None
    if since is not None:
        down.append((since, None))
    down += [(act.start, act.returned) for act in acts if isinstance(act.op, (Kill, Restart))]
    return down


def _overlaps(act: Act, first: int, last: int | None) -> bool:
    return (act.returned is None or act.returned >= first) and (last is None or act.invoked <= last)


def _open_at(act: Act, t: int) -> bool:
    return act.returned is None or act.returned >= t

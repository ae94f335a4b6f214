"""Restarts and kills of the server, and whether it works again: a new table, rows, a flush, both tiers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from kalam_props.errors import ServerDiedError, TargetError, UsageError
from kalam_props.execution import flushes
from kalam_props.history.events import NOT_RECOVERED, Error, ServerEvent
from kalam_props.history.operations import Kill, Restart, kind
from kalam_props.history.writer import HistoryWriter
from kalam_props.programs.model import TableDef
from kalam_props.targets.workspace import Workspace

JOB_PATIENCE_S = 20.0
"""How long a background flush of one row may take before it hangs; it takes some ten milliseconds."""

_TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")


def bring_down(
    op: Restart | Kill, workspace: Workspace, writer: HistoryWriter, rest: Callable[[], None]
) -> Error | None:
    """Stop or kill the server among whatever the other lanes do, start it, and see whether it is whole.

    Requests that are under way are left to break off, or to be answered by a server that stops.

    Args:
        op: how.
        workspace: on a server that is ours.
        writer: of the history; gets the server's events.
        rest: closes connections that are idle. A server that is told to stop would wait for them.

    Returns:
        what does not work on the server that is up again, or None.

    Raises:
        UsageError: the server is not ours.
        ServerDiedError: it did not come up again.

    """
    server = workspace.target.managed
    if server is None:
        raise UsageError("a program with restart or kill needs a server that we started ourselves")
    if isinstance(op, Kill):
        server.kill()
        writer.server(ServerEvent(0, 0, "killed"))
        rest()
    else:
        rest()
        server.stop()
        writer.server(ServerEvent(0, 0, "stopped"))
    try:
        server.start()
    except TargetError as error:
        words = f"it did not come up again after a {kind(op)}: {error}"
        writer.server(ServerEvent(0, 0, "died", words))
        raise ServerDiedError(f"{words}\nits data stays with the run; recorded in {writer.path}") from None
    writer.server(ServerEvent(0, 0, "healthy"))
    return fault_after_restart(workspace)


def fault_after_restart(workspace: Workspace) -> Error | None:
    """What does not work on a server that has just become healthy again, or None."""
    table = f"after_{secrets.token_hex(4)}"
    qualified = workspace.qualified(table)
    try:
        return _fault(workspace, table, qualified)
    finally:
        workspace.drop_table(table)


def _fault(workspace: Workspace, table: str, qualified: str) -> Error | None:
    refused = workspace.try_to_create_table(table, _TABLE)
    if refused is not None:
        return _error(f"a new table was refused: {refused.message.strip()}")
    flush = f"STORAGE FLUSH TABLE {qualified}"
    can_flush = not {"flush-table", "jobs"} & workspace.capabilities.lacks.keys()
    inserts = [f"INSERT INTO {qualified} (id, v) VALUES ({key}, 'after')" for key in (1, 2)]
    for statement in (inserts[0], *([flush] if can_flush else []), inserts[1]):
        reply = workspace.target.ask(statement)
        if reply.error is not None:
            return _error(f"{statement} was refused: {reply.error.message.strip()}")
    if can_flush and not flushes.until_flushed(workspace.target, qualified, JOB_PATIENCE_S):
        return Error("timeout", f"a flush of a new table hangs for {JOB_PATIENCE_S:g} s", NOT_RECOVERED)
    reply = workspace.target.ask(f"SELECT id FROM {qualified} LIMIT 10")
    rows = reply.results[0].rows if reply.error is None and reply.results else None
    if rows is None or sorted(map(str, rows)) != ["(1,)", "(2,)"]:
        return _error(
            f"a new table with rows 1 and 2 answered {rows if reply.error is None else reply.error}"
        )
    return None


def _error(message: str) -> Error:
    return Error("server", message, NOT_RECOVERED)

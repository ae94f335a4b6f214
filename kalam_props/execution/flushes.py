"""Flushes as the server reports them: waiting until none is due, and their times in a history.

A server's clock is coarse (milliseconds) and not ours, so each end of a flush is an interval.
"""

from __future__ import annotations

import json
import re
import time

from attrs import frozen

from kalam_props.drivers.protocol import Reply
from kalam_props.targets.target import Target

POLL_S = 0.004
_COLUMNS = "job_id, job_type, status, message, created_at, started_at, finished_at"
_ROWS = re.compile(r"\((\d+) rows")
_JOB = re.compile(r"Job ID: ([\w-]+)")
_RUNNING = frozenset({"new", "queued", "running", "retrying"})


@frozen
class Job:
    """A flush job of one table. Times: milliseconds of the server's wall clock, None when not yet."""

    job: str
    status: str
    created_ms: int | None
    began_ms: int | None
    ended_ms: int | None
    rows: int | None

    @property
    def open(self) -> bool:
        return self.status.lower() in _RUNNING


def job_of(reply: Reply) -> str | None:
    """The job that a flush command started, where the answer names it."""
    found = (_JOB.search(result.message or "") for result in reply.results)
    return next((match[1] for match in found if match), None)


def jobs(target: Target, qualified: str) -> list[Job]:
    """The flush jobs of a table, oldest first; none where the target does not show them."""
    namespace, _, table = qualified.rpartition(".")
    reply = target.ask(
        f"SELECT {_COLUMNS} FROM system.jobs WHERE job_type = 'flush' AND parameters LIKE '%{table}%' "
        f"AND parameters LIKE '%{namespace}%' ORDER BY created_at LIMIT 1000"
    )
    if reply.error is not None or not reply.results:
        return []
    return [
        Job(str(job), str(status), _ms(created), _ms(began), _ms(ended), _rows(message))
        for job, _, status, message, created, began, ended in reply.results[0].rows
    ]


def await_no_flush(
    target: Target, qualified: str, *, due: bool, quiet_s: float, deadline_s: float
) -> list[Job]:
    """Wait until no flush of the table is open and, if one is due by row count, until it had its time.

    Args:
        target: the server.
        qualified: namespace and table.
        due: the hot rows have reached the boundary since the last flush began, as far as is known.
        quiet_s: how long a due flush may take to begin; the server looks at intervals.
        deadline_s: when to give up waiting.

    """
    began = time.monotonic()
    known = {job.job for job in jobs(target, qualified)} if due else set()
    while True:
        found = jobs(target, qualified)
        waited = time.monotonic() - began
        arrived = not due or any(job.job not in known for job in found) or waited > quiet_s
        if (arrived and not any(job.open for job in found)) or waited > deadline_s:
            return found
        time.sleep(POLL_S)  # a poll with a deadline: the server announces the end of a job in no other way


def until_flushed(target: Target, qualified: str, patience_s: float) -> bool:
    """Wait until a flush of the table has been seen to end; whether it was, in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = jobs(target, qualified)
        if found and not any(job.open for job in found):
            return True
        time.sleep(POLL_S)  # as above
    return False


def _ms(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _rows(message: object) -> int | None:
    if not isinstance(message, str):
        return None
    try:
        text = json.loads(message)["message"]
    except (ValueError, KeyError, TypeError):
        text = message
    found = _ROWS.search(str(text))
    return int(found.group(1)) if found else None

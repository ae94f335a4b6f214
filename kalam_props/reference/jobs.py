"""Background jobs: their records, and the queue that runs them."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

from attrs import asdict, evolve, frozen

from kalam_props.reference.hot import HotStore, new_batch
from kalam_props.reference.statements import TableName

JobType: TypeAlias = Literal["flush", "compact"]

KEPT_FINISHED = 500
"""Finished jobs that are kept, so that a long hunt does not grow without bound."""

_LOG = logging.getLogger(__name__)
_PREFIXES = {"flush": "FL", "compact": "CO"}


@frozen
class Job:
    """One job. Times are milliseconds since 1970."""

    job_id: str
    job_type: JobType
    namespace: str
    table: str
    table_id: int
    idempotency_key: str
    created_at: int
    updated_at: int
    status: str = "queued"
    message: str | None = None
    trace: str | None = None
    started_at: int | None = None
    finished_at: int | None = None

    @property
    def open(self) -> bool:
        return self.status in {"queued", "running"}


class JobQueue:
    """Runs jobs on threads of its own, at most one of a type for each table at a time."""

    def __init__(self, store: HotStore, run: Callable[[Job], str], max_concurrent: int) -> None:
        self._store = store
        self._run = run
        self._pool = ThreadPoolExecutor(max_concurrent, thread_name_prefix="job")
        self._lock = threading.Lock()
        known = sorted((Job(**data) for data in store.records("job/")), key=lambda job: job.created_at)
        self._jobs = {job.job_id: job for job in known}
        self._open: set[tuple[JobType, int]] = set()
        self._stopping = False

    def resume(self) -> None:
        """Run again what was queued or running when the last process ended."""
        for job in [job for job in self.jobs if job.open]:
            self._keep(evolve(job, status="queued", updated_at=_now_ms()))
            self._pool.submit(self._execute, job.job_id)

    @property
    def jobs(self) -> list[Job]:
        """Every job that is remembered, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def submit(self, job_type: JobType, name: TableName, table_id: int, idempotency_key: str) -> Job | None:
        """A new job, or None when one is queued or running already."""
        namespace, table = name
        with self._lock:
            if self._stopping or (job_type, table_id) in self._open:
                return None
            now = _now_ms()
            job_id = f"{_PREFIXES[job_type]}-{uuid.uuid4().hex[:12]}"
            job = Job(job_id, job_type, namespace, table, table_id, idempotency_key, now, now)
            self._keep_locked(job)
        self._pool.submit(self._execute, job.job_id)
        return job

    def forget_table(self, table_id: int) -> None:
        """Cancel what is queued for a table that was dropped."""
        with self._lock:
            for job in [job for job in self._jobs.values() if job.table_id == table_id]:
                if job.status == "queued":
                    self._keep_locked(evolve(job, status="cancelled", finished_at=_now_ms()))

    def stop(self) -> None:
        """Let running jobs end; queued ones run after the next start."""
        with self._lock:
            self._stopping = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _execute(self, job_id: str) -> None:
        with self._lock:
            job = self._jobs[job_id]
            if job.status != "queued":
                return
            now = _now_ms()
            job = evolve(job, status="running", started_at=now, updated_at=now)
            self._keep_locked(job)
        try:
            message, trace, status = self._run(job), None, "completed"
        except Exception as error:  # noqa: BLE001  # whatever it was belongs into the job's record
            _LOG.exception("job %s failed", job_id)
            message, trace, status = str(error), repr(error), "failed"
        now = _now_ms()
        self._keep(evolve(job, status=status, message=message, trace=trace, finished_at=now, updated_at=now))

    def _keep(self, job: Job) -> None:
        with self._lock:
            self._keep_locked(job)

    def _keep_locked(self, job: Job) -> None:
        batch = new_batch()
        self._store.record(batch, f"job/{job.job_id}", asdict(job))
        self._jobs[job.job_id] = job
        if job.open:
            self._open.add((job.job_type, job.table_id))
        else:
            self._open.discard((job.job_type, job.table_id))
        finished = [known.job_id for known in self._jobs.values() if not known.open]
        for job_id in finished[: max(0, len(finished) - KEPT_FINISHED)]:
            del self._jobs[job_id]
            self._store.forget(batch, f"job/{job_id}")
        self._store.write(batch)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

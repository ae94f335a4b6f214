"""`system.*` as record batches: what the server knows of itself, made when a query asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
from attrs import frozen

from kalam_props.reference.activity import Activity
from kalam_props.reference.cold import manifest_to_json
from kalam_props.reference.database import Database
from kalam_props.reference.jobs import Job, JobQueue
from kalam_props.reference.queries import Source

_TEXT, _INT, _BIGINT, _BOOL = pa.string(), pa.int32(), pa.int64(), pa.bool_()
_MS, _US = pa.timestamp("ms"), pa.timestamp("us")

_SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "users": {
        "user_id": _TEXT,
        "password_hash": _TEXT,
        "role": _TEXT,
        "email": _TEXT,
        "created_at": _MS,
        "updated_at": _MS,
        "deleted_at": _MS,
    },
    "namespaces": {
        "namespace_id": _TEXT,
        "name": _TEXT,
        "created_at": _MS,
        "options": _TEXT,
        "table_count": _INT,
    },
    "tables": {
        "table_id": _TEXT,
        "namespace_id": _TEXT,
        "table_name": _TEXT,
        "table_type": _TEXT,
        "storage_id": _TEXT,
        "version": _INT,
        "options": _TEXT,
        "flush_policy": _TEXT,
        "access_level": _TEXT,
        "created_at": _MS,
    },
    "jobs": {
        "job_id": _TEXT,
        "job_type": _TEXT,
        "status": _TEXT,
        "leader_status": _TEXT,
        "parameters": _TEXT,
        "message": _TEXT,
        "exception_trace": _TEXT,
        "idempotency_key": _TEXT,
        "queue": _TEXT,
        "priority": _INT,
        "retry_count": _INT,
        "max_retries": _INT,
        "memory_used": _BIGINT,
        "cpu_used": _BIGINT,
        "created_at": _MS,
        "updated_at": _MS,
        "started_at": _MS,
        "finished_at": _MS,
        "node_id": _BIGINT,
        "leader_node_id": _BIGINT,
    },
    "manifest": {
        "cache_key": _TEXT,
        "namespace_id": _TEXT,
        "table_name": _TEXT,
        "scope": _TEXT,
        "sync_state": _TEXT,
        "etag": _TEXT,
        "created_at": _US,
        "updated_at": _US,
        "manifest_json": _TEXT,
    },
    "stats": {"metric_name": _TEXT, "metric_value": _TEXT},
    "cluster": {
        "cluster_id": _TEXT,
        "node_id": _BIGINT,
        "role": _TEXT,
        "status": _TEXT,
        "api_addr": _TEXT,
        "is_self": _BOOL,
        "is_leader": _BOOL,
        "version": _TEXT,
    },
}

NAMES = tuple(_SCHEMAS)


@frozen
class Server:
    """What the system tables tell of."""

    database: Database
    jobs: JobQueue
    activity: Activity
    version: str


def system_source(server: Server, name: str) -> Source | None:
    """The content of `system.<name>`, or None when there is no such table."""
    columns = _SCHEMAS.get(name)
    if columns is None:
        return None
    rows = _ROWS[name](server)
    schema = pa.schema(list(columns.items()))
    arrays = [_array([row.get(column) for row in rows], kind) for column, kind in columns.items()]
    return Source(schema, [pa.RecordBatch.from_arrays(arrays, schema=schema)])


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


def _users(server: Server) -> list[dict[str, Any]]:
    return [
        {
            "user_id": user.name,
            "password_hash": "***",
            "role": user.role,
            "email": user.email,
            "created_at": user.created_at,
            "updated_at": user.updated_at,
            "deleted_at": user.deleted_at,
        }
        for user in server.database.catalog.users.values()
    ]


def _namespaces(server: Server) -> list[dict[str, Any]]:
    tables = server.database.catalog.tables
    counts: dict[str, int] = {}
    for namespace, _ in tables:
        counts[namespace] = counts.get(namespace, 0) + 1
    own = [("system", 0, len(NAMES))]
    shown = own + [
        (namespace.name, namespace.created_at, counts.get(namespace.name, 0))
        for namespace in server.database.catalog.namespaces.values()
    ]
    return [
        {"namespace_id": name, "name": name, "created_at": created, "options": "{}", "table_count": count}
        for name, created, count in shown
    ]


def _tables(server: Server) -> list[dict[str, Any]]:
    return [
        {
            "table_id": table.full_name,
            "namespace_id": table.namespace,
            "table_name": table.name,
            "table_type": table.kind,
            "storage_id": "local",
            "version": table.version,
            "options": orjson.dumps(table.options).decode(),
            "flush_policy": table.flush_policy,
            "access_level": table.access_level if table.kind == "shared" else None,
            "created_at": table.created_at,
        }
        for table in server.database.catalog.tables.values()
    ]


def _jobs(server: Server) -> list[dict[str, Any]]:
    return [_job(job) for job in server.jobs.jobs]


def _job(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "status": job.status,
        "leader_status": job.status if job.finished_at else None,
        "parameters": orjson.dumps(
            {"namespace_id": job.namespace, "table_id": f"{job.namespace}.{job.table}"}
        ).decode(),
        "message": None if job.message is None else orjson.dumps({"message": job.message}).decode(),
        "exception_trace": job.trace,
        "idempotency_key": job.idempotency_key,
        "retry_count": 0,
        "max_retries": 0,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "node_id": 1,
        "leader_node_id": 1,
    }


def _manifest(server: Server) -> list[dict[str, Any]]:
    rows = []
    database = server.database
    for table in database.catalog.tables.values():
        owners = {owner for _, owner in database.hot.partitions(table.id)}
        manifests = database.cold.published  # after the hot ones: a flush moves rows from there to here
        owners |= {owner for table_id, owner in manifests if table_id == table.id}
        for owner in sorted(owners):
            manifest = manifests.get((table.id, owner))
            pending = database.hot.partition_versions((table.id, owner)) > 0
            data = manifest_to_json(manifest) if manifest else {"segments": []}
            scope = owner if table.kind == "user" else "shared"
            data |= {"table_id": table.full_name, "user_id": owner if table.kind == "user" else None}
            rows.append(
                {
                    "cache_key": f"{table.namespace}:{table.name}:{scope}",
                    "namespace_id": table.namespace,
                    "table_name": table.name,
                    "scope": scope,
                    "sync_state": "pending_write" if pending else "in_sync",
                    "created_at": manifest.created_at if manifest else None,
                    "updated_at": manifest.updated_at if manifest else None,
                    "manifest_json": orjson.dumps(data).decode(),
                }
            )
    return rows


def _stats(server: Server) -> list[dict[str, Any]]:
    jobs = server.jobs.jobs
    metrics: dict[str, object] = {
        f"jobs_{status}": sum(job.status == status for job in jobs)
        for status in ("running", "queued", "failed", "completed")
    }
    metrics |= {
        "total_users": len(server.database.catalog.users),
        "total_namespaces": len(server.database.catalog.namespaces),
        "total_tables": len(server.database.catalog.tables),
        "server_version": server.version,
        **server.activity.report(),
    }
    return [{"metric_name": name, "metric_value": str(value)} for name, value in sorted(metrics.items())]


def _cluster(server: Server) -> list[dict[str, Any]]:
    return [
        {
            "cluster_id": "standalone",
            "node_id": 1,
            "role": "leader",
            "status": "active",
            "api_addr": "127.0.0.1",
            "is_self": True,
            "is_leader": True,
            "version": server.version,
        }
    ]


_ROWS: Mapping[str, Callable[[Server], list[dict[str, Any]]]] = {
    "users": _users,
    "namespaces": _namespaces,
    "tables": _tables,
    "jobs": _jobs,
    "manifest": _manifest,
    "stats": _stats,
    "cluster": _cluster,
}

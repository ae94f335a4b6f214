"""Statements about namespaces, tables, users and storage. Each answers its message."""

from __future__ import annotations

import uuid
from typing import cast

import bcrypt

from kalam_props.reference.refusals import Refusal, no_such_table
from kalam_props.reference.roles import Caller, may_act_as, may_use
from kalam_props.reference.statements import (
    AddColumn,
    CompactTable,
    CreateNamespace,
    CreateTable,
    CreateUser,
    DropColumn,
    DropNamespace,
    DropTable,
    DropUser,
    FlushAll,
    FlushTable,
    RenameColumn,
    Statement,
    TableName,
)
from kalam_props.reference.system_tables import Server
from kalam_props.reference.tables import Kind, Table

BCRYPT_COST = 4
"""The least there is: a tester logs in thousands of times, and guards nothing."""


def hash_password(password: str) -> str:
    # bcrypt reads 72 bytes; its library refuses more instead of cutting it off as servers do.
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(BCRYPT_COST)).decode()


def run(server: Server, actor: Caller, statement: Statement) -> str:
    """Do it.

    Raises:
        Refusal: it cannot be done.

    """
    match statement:
        case CreateNamespace():
            return _create_namespace(server, statement)
        case DropNamespace():
            return _drop_namespace(server, statement)
        case CreateTable():
            server.database.catalog.create_table(statement, cast("Kind", statement.kind))
            name = ".".join(statement.table)
            return f"CREATE TABLE via Raft consensus: {statement.kind} table {name} created successfully"
        case DropTable():
            return _drop_table(server, statement)
        case AddColumn() | DropColumn() | RenameColumn():
            return _alter(server, actor, statement)
        case CreateUser():
            return _create_user(server, actor, statement)
        case DropUser():
            return _drop_user(server, statement)
        case FlushTable():
            return _flush(server, statement.table)
        case FlushAll():
            return _flush_all(server, statement.namespace)
        case CompactTable():
            return _compact(server, statement.table)
    raise Refusal(f"Statement is not supported: {type(statement).__name__}", code="INVALID_SQL")


def _create_namespace(server: Server, statement: CreateNamespace) -> str:
    created = server.database.catalog.create_namespace(statement.name)
    if not created and not statement.if_not_exists:
        raise Refusal(f"Already exists: Namespace '{statement.name}' already exists")
    if created:
        return f"Namespace '{statement.name}' created successfully"
    return f"Namespace '{statement.name}' already exists"


def _drop_namespace(server: Server, statement: DropNamespace) -> str:
    tables = server.database.catalog.drop_namespace(statement.name)
    if tables is None:
        if statement.if_exists:
            return f"Namespace '{statement.name}' does not exist"
        raise Refusal(f"Not found: Namespace '{statement.name}' not found")
    for table in tables:
        _remove_content(server, table)
    return f"Namespace '{statement.name}' dropped successfully"


def _drop_table(server: Server, statement: DropTable) -> str:
    name = ".".join(statement.table)
    table = server.database.catalog.drop_table(statement.table)
    if table is None:
        if statement.if_exists:
            return f"Table {name} does not exist (skipped)"
        raise no_such_table(*statement.table)
    if server.database.faults.chance("dropped-rows-return"):
        server.database.catalog.keep_place(table)
    else:
        _remove_content(server, table)
    return f"Table {name} dropped successfully. Cleanup job: CL-{uuid.uuid4().hex[:12]}"


def _remove_content(server: Server, table: Table) -> None:
    server.jobs.forget_table(table.id)
    server.database.cold.drop_table(table.id)
    server.database.hot.drop_table(table.id)


def _alter(server: Server, actor: Caller, statement: AddColumn | DropColumn | RenameColumn) -> str:
    known = server.database.catalog.tables.get(statement.table)
    if known is not None:
        may_use(actor, statement, known)
    changed = server.database.catalog.alter_table(statement)
    match statement:
        case AddColumn():
            what = statement.description
        case DropColumn():
            what = f"DROP COLUMN {statement.column}"
        case RenameColumn():
            what = f"RENAME COLUMN {statement.old} TO {statement.new}"
    return f"Table {changed.full_name} altered successfully: {what} (version {changed.version})"


def _create_user(server: Server, actor: Caller, statement: CreateUser) -> str:
    may_act_as(actor, Caller(statement.name, statement.role if statement.role == "system" else "user"))
    server.database.catalog.create_user(
        statement.name, statement.role, hash_password(statement.password), statement.email
    )
    return f"User '{statement.name}' created successfully"


def _drop_user(server: Server, statement: DropUser) -> str:
    if server.database.catalog.drop_user(statement.name):
        return f"User '{statement.name}' dropped (soft delete)"
    if statement.if_exists:
        return f"User '{statement.name}' does not exist (skipped)"
    raise Refusal(f"Not found: User '{statement.name}' not found")


def _existing(server: Server, name: TableName) -> Table:
    table = server.database.catalog.tables.get(name)
    if table is None:
        raise Refusal(f"Not found: Table {'.'.join(name)} not found", public=False)
    return table


def _flush(server: Server, name: TableName) -> str:
    table = _existing(server, name)
    if server.database.hot.hot_versions(table.id) == 0:
        return f"Storage flush skipped: no pending writes for table '{table.full_name}'"
    job = server.jobs.submit("flush", name, table.id, f"flush-{name[0]}-{name[1]}")
    if job is None:
        return f"Storage flush skipped: a flush is already queued or running for table '{table.full_name}'"
    return f"Storage flush started for table '{table.full_name}'. Job ID: {job.job_id}"


def _flush_all(server: Server, namespace: str) -> str:
    started = []
    for name, table in server.database.catalog.tables.items():
        if name[0] == namespace and server.database.hot.hot_versions(table.id) > 0:
            job = server.jobs.submit("flush", name, table.id, f"flush-{name[0]}-{name[1]}")
            started += [job.job_id] if job else []
    if not started:
        return f"Storage flush skipped: no pending writes in namespace '{namespace}'"
    return (
        f"Storage flush started for {len(started)} table(s) in namespace '{namespace}'. "
        f"Job IDs: [{', '.join(started)}]"
    )


def _compact(server: Server, name: TableName) -> str:
    table = _existing(server, name)
    job = server.jobs.submit("compact", name, table.id, f"compact-{name[0]}-{name[1]}")
    if job is None:
        return f"Storage compaction skipped: one is queued or running for table '{table.full_name}'"
    return f"Storage compaction started for table '{table.full_name}'. Job ID: {job.job_id}"

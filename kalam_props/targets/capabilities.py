"""What a target can do, found out by trying each thing once on a table of our own; never from a version."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import evolve, field, frozen

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.literals import literal
from kalam_props.drivers.protocol import Reply
from kalam_props.drivers.sql import ExecuteAs, execute_as
from kalam_props.errors import SetupRefusedError
from kalam_props.programs.keys import KEY_TYPES, key_of
from kalam_props.programs.model import TableDef
from kalam_props.targets.target import Target

Ddl: TypeAlias = Literal["WITH (TYPE, FLUSH_POLICY)", "CREATE USER TABLE ... FLUSH ROWS"]
"""The two generations of table definitions; the newer one is tried first."""

JsonRows: TypeAlias = Literal["arrays", "objects"]

Feature: TypeAlias = Literal[
    "flush-table",
    "flush-namespace",
    "compact",
    "jobs",
    "transactions",
    "add-column",
    "shared-tables",
    "subscriptions",
    "text-keys",
    "int-keys",
    "uuid-keys",
    "recreate",
    "crash",
]
"""What machines may need. `jobs`: flushes can be seen; `crash`: the server is ours to stop and kill."""

_PROBE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")
_KEYED: dict[Feature, str] = {"text-keys": "TEXT", "int-keys": "INT", "uuid-keys": "UUID"}
_FORMS: tuple[ExecuteAs, ...] = ("EXECUTE AS USER", "EXECUTE AS")


@frozen
class Capabilities:
    """What a target can do.

    Attributes:
        ddl: how tables are defined.
        json_rows: how rows come in an answer.
        execute_as: how root speaks for a user; None: it cannot.
        has: features that work.
        lacks: features that do not, and the server's words (or ours).

    """

    ddl: Ddl = "WITH (TYPE, FLUSH_POLICY)"
    json_rows: JsonRows = "arrays"
    execute_as: ExecuteAs | None = "EXECUTE AS USER"
    has: frozenset[Feature] = frozenset()
    lacks: dict[str, str] = field(factory=dict)

    def without(self, feature: Feature, why: str) -> Capabilities:
        """The same, but for a feature."""
        return evolve(self, has=self.has - {feature}, lacks={**self.lacks, feature: why})


SUBSCRIBE_S = 10.0
"""How long a subscription may take to be acknowledged."""

ROW_TRIES = 5
"""Rows that are inserted to see one."""


def create_table(qualified: str, table: TableDef, ddl: Ddl) -> str:
    """The statement that creates a table."""
    columns = ", ".join(
        f"{column} {type_}{' PRIMARY KEY' if column == table.key else ''}" for column, type_ in table.columns
    )
    if ddl == "WITH (TYPE, FLUSH_POLICY)":
        options = [f"TYPE = '{table.type.upper()}'"]
        if table.flush_rows is not None:
            options.append(f"FLUSH_POLICY = 'rows:{table.flush_rows}'")
        return f"CREATE TABLE {qualified} ({columns}) WITH ({', '.join(options)})"
    policy = "" if table.flush_rows is None else f" FLUSH ROWS {table.flush_rows}"
    return f"CREATE {table.type.upper()} TABLE {qualified} ({columns}){policy}"


def discover(target: Target, namespace: str, user: str) -> Capabilities:
    """Try everything once, in a namespace of ours and as a user of ours; its tables are dropped again.

    Raises:
        SetupRefusedError: no known form of CREATE TABLE works, or a table cannot be written and read.

    """
    table = f"{namespace}.probe"
    shared = f"{namespace}.probe_shared"
    ddl = _ddl(target, table)
    try:
        json_rows = _rows(target, table)
        form = next((form for form in _FORMS if not _execute_as(target, user, form)), None)
        lacks = _lacks(target, table, shared, namespace, ddl, (form, user))
    finally:
        for name in (table, shared, *(f"{table}_{type_.lower()}" for type_ in KEY_TYPES)):
            target.ask(f"DROP TABLE IF EXISTS {name}")
    features: tuple[Feature, ...] = Feature.__args__  # type: ignore[attr-defined]  # a Literal's values
    return Capabilities(ddl, json_rows, form, frozenset(features) - lacks.keys(), lacks)


def _ddl(target: Target, table: str) -> Ddl:
    forms: tuple[Ddl, ...] = Ddl.__args__  # type: ignore[attr-defined]  # a Literal's values
    refused = []
    for form in forms:
        words = _refusal(target.ask(create_table(table, _PROBE, form)))
        if not words:
            return form
        refused.append(f"{form}: {words}")
    raise SetupRefusedError(f"the server refused every form of CREATE TABLE: {'; '.join(refused)}")


def _rows(target: Target, table: str) -> JsonRows:
    """How rows come in an answer.

    An insert that is refused for no reason, or a row that is not there, is what programs are to find; it is
    no reason not to look.
    """
    inserts: list[str] = []
    reads: list[str] = []
    for key in range(-ROW_TRIES, 0):  # other keys than those that are tried below
        inserts.append(_refusal(target.ask(f"INSERT INTO {table} (id, v) VALUES ({key}, 'a')")))
        reply = target.ask(f"SELECT id, v FROM {table} LIMIT 10")
        reads.append(_refusal(reply))
        if reply.error is None and reply.results and reply.results[0].rows:
            return "objects" if reply.results[0].named else "arrays"
    for words in (inserts, reads):
        if all(words):
            raise SetupRefusedError(f"{table} cannot be written and read: {words[-1]}")
    return "arrays"


def _execute_as(target: Target, user: str, form: ExecuteAs) -> str:
    return _refusal(target.ask(execute_as("SELECT 1", user, form)))


def _lacks(
    target: Target,
    table: str,
    shared: str,
    namespace: str,
    ddl: Ddl,
    speaking: tuple[ExecuteAs | None, str],
) -> dict[str, str]:
    """What does not work, with the words of the refusal."""
    insert = f"INSERT INTO {table} (id, v) VALUES (%d, 'b')"
    form, user = speaking
    as_user = insert if form is None else execute_as(insert, user, form)
    tries: dict[Feature, tuple[str, ...]] = {
        # The other way round, a server that is still busy with the one table refuses to flush all of them.
        "flush-namespace": (f"STORAGE FLUSH ALL IN {namespace}",),
        "flush-table": (f"STORAGE FLUSH TABLE {table}",),
        "compact": (f"STORAGE COMPACT TABLE {table}",),
        "jobs": ("SELECT job_id, parameters, started_at, finished_at FROM system.jobs LIMIT 1",),
        "transactions": (
            f"BEGIN; {insert % 2}; COMMIT",
            f"BEGIN; {as_user % 3}; {as_user % 4}; ROLLBACK",
        ),
        "add-column": (f"ALTER TABLE {table} ADD COLUMN extra TEXT",),
        "shared-tables": (
            create_table(shared, TableDef(_PROBE.columns, "id", type="shared"), ddl),
            f"INSERT INTO {shared} (id, v) VALUES (1, 'a')",
        ),
        "recreate": (f"DROP TABLE {table}; {create_table(table, _PROBE, ddl)}",),
        **{feature: _with_key(f"{table}_{type_.lower()}", type_, ddl) for feature, type_ in _KEYED.items()},
    }
    lacks: dict[str, str] = {}
    for feature, statements in tries.items():
        words = next(filter(None, (_refusal(target.ask(statement)) for statement in statements)), "")
        if words:
            lacks[feature] = words
    if words := _refused_subscription(target, table):
        lacks["subscriptions"] = words
    if target.managed is None:
        lacks["crash"] = "the server is not ours to stop; --kalamdb-server PATH starts one"
    return lacks


def _refused_subscription(target: Target, table: str) -> str:
    """Why nobody can watch a table here; empty when root can, over the server's WebSocket."""
    if not target.driver.can_subscribe:
        return f"{target.driver.client.name} has no --subscribe"
    feed = HttpDriver().subscribe(
        target.root, f"SELECT * FROM {table}", url=target.url, tell=lambda _notice: None
    )
    try:
        return _refusal(feed.await_live(SUBSCRIBE_S))
    finally:
        feed.close()


def _with_key(table: str, type_: str, ddl: Ddl) -> tuple[str, ...]:
    """A table with a key of a type, and a row in it that is found by its key."""
    key = literal(key_of(1, type_))
    return (
        create_table(table, TableDef((("id", type_), ("v", "TEXT")), "id"), ddl),
        f"INSERT INTO {table} (id, v) VALUES ({key}, 'a')",
        f"SELECT id, v FROM {table} WHERE id = {key} LIMIT 10",
    )


def _refusal(reply: Reply) -> str:
    """The first line of what was said against a statement; empty when nothing was."""
    return "" if reply.error is None else (reply.error.message.strip() or reply.error.code).splitlines()[0]

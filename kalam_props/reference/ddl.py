"""KalamDB's own statements, and its forms of CREATE, DROP and ALTER: one parser for each first word."""

from __future__ import annotations

import re
from collections.abc import Callable

from kalam_props.reference.column_types import type_named
from kalam_props.reference.refusals import Refusal, invalid_sql
from kalam_props.reference.sql_text import Cursor, TokenType
from kalam_props.reference.statements import (
    AddColumn,
    ColumnSpec,
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
    Query,
    RenameColumn,
    Statement,
)

MAX_NAME = 64
MAX_FLUSH_ROWS = 1_000_000
MAX_FLUSH_INTERVAL_S = 86_400
_RESERVED = {
    "select",
    "from",
    "where",
    "table",
    "order",
    "group",
    "insert",
    "update",
    "delete",
    "create",
    "drop",
}
_TABLE_WORDS = {("USER", "TABLE"): "user", ("SHARED", "TABLE"): "shared", ("TABLE",): None}
_OPTIONS = {"TYPE", "FLUSH_POLICY", "ACCESS_LEVEL", "STORAGE_ID", "TTL_SECONDS", "USE_USER_STORAGE"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _create(cursor: Cursor) -> Statement:
    if cursor.accept("NAMESPACE"):
        if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
        return CreateNamespace(_new_name(cursor), if_not_exists)
    for words, kind in _TABLE_WORDS.items():
        if cursor.accept(*words):
            return _create_table(cursor, kind)
    if cursor.accept("USER"):
        return _create_user(cursor)
    raise cursor.unexpected("NAMESPACE, TABLE or USER")


def _create_user(cursor: Cursor) -> CreateUser:
    name = cursor.expect_name_or_string()
    cursor.expect("WITH", "PASSWORD")
    password = cursor.expect_string()
    if not cursor.accept("ROLE"):
        raise invalid_sql("Expected ROLE keyword. Hint: ROLE is required: ... ROLE dba")
    role = cursor.expect_name_or_string().lower()
    email = cursor.expect_string() if cursor.accept("EMAIL") else None
    return CreateUser(name, password, role, email)


def _create_table(cursor: Cursor, kind: str | None) -> CreateTable:
    try:
        return _table(cursor, kind)
    except Refusal as refusal:
        if refusal.message.startswith("sql parser error"):
            raise
        raise invalid_sql(f"Invalid CREATE TABLE statement: {refusal.message}") from None


def _table(cursor: Cursor, kind: str | None) -> CreateTable:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    namespace, name = cursor.expect_table()
    _check_name(name)
    columns = _columns(cursor.group())
    options: dict[str, str] = {}
    flush_rows = None
    policy = None
    while not cursor.done:
        if cursor.accept("FLUSH", "ROWS"):
            flush_rows = _flush_rows(cursor.expect_integer())
            policy = f"rows:{flush_rows}"
        elif cursor.accept("WITH"):
            options.update(_options(cursor.group()))
        else:
            raise cursor.unexpected("WITH or FLUSH ROWS")
    if "FLUSH_POLICY" in options:
        policy = options["FLUSH_POLICY"]
        flush_rows = _flush_policy(policy)
    table_kind = kind or options.get("TYPE", "SHARED").lower()
    if table_kind == "stream":
        raise invalid_sql("STREAM tables are not part of this server")
    if table_kind not in {"user", "shared"}:
        raise invalid_sql(f"Invalid TYPE option '{options['TYPE']}'. Supported: USER, SHARED, STREAM")
    keys = sum(column.primary_key for column in columns)
    if not keys:
        raise invalid_sql(f"{table_kind.capitalize()} tables require a PRIMARY KEY column")
    if keys > 1:
        raise invalid_sql("Composite PRIMARY KEYs are not supported yet")
    names = [column.name for column in columns]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise invalid_sql(f"Duplicate column name '{twice}'. Column names are case-insensitive.")
    return CreateTable((namespace, name), table_kind, columns, if_not_exists, policy, flush_rows, options)


def _columns(cursor: Cursor) -> tuple[ColumnSpec, ...]:
    columns: list[ColumnSpec] = []
    named_key: str | None = None
    for part in cursor.split():
        if part.accept("PRIMARY KEY"):
            names = [inner.expect_name() for inner in part.group().split()]
            if len(names) != 1:
                raise invalid_sql("Composite PRIMARY KEYs are not supported yet")
            named_key = names[0]
        elif part.peek_word() in {"UNIQUE", "CHECK", "CONSTRAINT"}:
            continue  # accepted and not enforced, as KalamDB does
        else:
            columns.append(_column(part))
    if named_key is None:
        return tuple(columns)
    return tuple(
        ColumnSpec(column.name, column.type, nullable=False, primary_key=True, default=column.default)
        if column.name == named_key
        else column
        for column in columns
    )


def _column(cursor: Cursor) -> ColumnSpec:
    name = cursor.expect_name()
    _check_name(name)
    type_name = cursor.expect_name()
    numbers = (
        tuple(part.expect_integer() for part in cursor.group().split()) if cursor.peek_word() == "(" else ()
    )
    column_type = type_named(type_name, numbers)
    default = "SNOWFLAKE_ID()" if type_name in {"serial", "bigserial"} else None
    nullable, primary_key = True, False
    while not cursor.done:
        if cursor.accept("PRIMARY KEY"):
            nullable, primary_key = False, True
        elif cursor.accept("NOT", "NULL"):
            nullable = False
        elif cursor.accept("NULL") or cursor.accept("UNIQUE"):
            pass
        elif cursor.accept("AUTO_INCREMENT"):
            default = "SNOWFLAKE_ID()"
        elif cursor.accept("DEFAULT"):
            default = _default(cursor)
        elif cursor.accept("CHECK"):
            cursor.group()
        else:
            raise cursor.unexpected("a column constraint")
    return ColumnSpec(name, column_type, nullable, primary_key, default)


def _default(cursor: Cursor) -> str:
    """The text of a default: a literal, or a function with its parentheses."""
    token = cursor.take()
    if token.token_type is TokenType.STRING:
        return "'" + token.text.replace("'", "''") + "'"
    text = token.text
    if token.token_type is TokenType.DASH:
        text += cursor.take().text
    if cursor.peek_word() == "(":
        text += f"({cursor.group().text})"
    return text


def _options(cursor: Cursor) -> dict[str, str]:
    options = {}
    for part in cursor.split():
        name = part.expect_name().upper()
        if name not in _OPTIONS:
            raise invalid_sql(f"Unknown table option '{name}'")
        part.expect("=")
        options[name] = part.take().text
        part.expect_end()
    return options


def _flush_rows(rows: int) -> int:
    if rows >= MAX_FLUSH_ROWS:
        raise invalid_sql("Row limit must be less than 1,000,000")
    if rows < 1:
        raise invalid_sql("FLUSH_POLICY must specify 'rows' or 'interval' > 0")
    return rows


def _flush_policy(policy: str) -> int | None:
    rows = None
    for part in policy.lower().split(","):
        name, colon, value = part.partition(":")
        if not colon or name not in {"rows", "interval"} or not value.isdigit():
            raise invalid_sql(f"Invalid FLUSH_POLICY format '{part}'. Expected 'key:value'")
        if name == "rows":
            rows = _flush_rows(int(value))
        elif int(value) >= MAX_FLUSH_INTERVAL_S:
            raise invalid_sql("Interval must be less than 86400 seconds (24 hours)")
    return rows


def _drop(cursor: Cursor) -> Statement:
    if cursor.accept("NAMESPACE"):
        if_exists = cursor.accept("IF", "EXISTS")
        name = cursor.expect_name()
        cursor.accept("CASCADE")
        return DropNamespace(name, if_exists)
    if cursor.accept("USER"):
        if cursor.accept("TABLE"):
            return _drop_table(cursor)
        if_exists = cursor.accept("IF", "EXISTS")
        return DropUser(cursor.expect_name_or_string(), if_exists)
    cursor.accept("SHARED")
    cursor.expect("TABLE")
    return _drop_table(cursor)


def _drop_table(cursor: Cursor) -> DropTable:
    if_exists = cursor.accept("IF", "EXISTS")
    return DropTable(cursor.expect_table(), if_exists)


def _alter(cursor: Cursor) -> Statement:
    cursor.accept("USER")
    cursor.accept("SHARED")
    cursor.expect("TABLE")
    table = cursor.expect_table()
    if cursor.accept("ADD"):
        cursor.accept("COLUMN")
        column = cursor.text
        return AddColumn(table, _column_to_end(cursor), f"ADD COLUMN {column}")
    if cursor.accept("DROP"):
        cursor.accept("COLUMN")
        return DropColumn(table, cursor.expect_name())
    if cursor.accept("RENAME", "COLUMN"):
        old = cursor.expect_name()
        cursor.expect("TO")
        return RenameColumn(table, old, _new_name(cursor))
    raise cursor.unexpected("ADD, DROP or RENAME COLUMN")


def _column_to_end(cursor: Cursor) -> ColumnSpec:
    column = _column(cursor)
    if column.primary_key:
        raise invalid_sql("A primary key cannot be added")
    return column


def _storage(cursor: Cursor) -> Statement:
    if cursor.accept("FLUSH", "ALL"):
        namespace = "default"
        if cursor.accept("IN"):
            cursor.accept("NAMESPACE")
            namespace = cursor.expect_name()
        return FlushAll(namespace)
    if cursor.accept("FLUSH"):
        cursor.expect("TABLE")
        return FlushTable(_qualified(cursor))
    cursor.expect("COMPACT", "TABLE")
    return CompactTable(_qualified(cursor))


def _qualified(cursor: Cursor) -> tuple[str, str]:
    namespace = cursor.expect_name()
    if not cursor.accept("."):
        raise invalid_sql("Table name must be qualified (namespace.table) for STORAGE FLUSH TABLE")
    return namespace, cursor.expect_name()


def _show(cursor: Cursor) -> Query:
    if cursor.accept("NAMESPACES"):
        sql, table = "SELECT * FROM system.namespaces ORDER BY namespace_id", "namespaces"
    elif cursor.accept("TABLES"):
        where = ""
        if cursor.accept("IN"):
            where = f" WHERE namespace_id = '{cursor.expect_name()}'"
        sql, table = f"SELECT * FROM system.tables{where} ORDER BY namespace_id, table_name", "tables"
    elif cursor.accept("MANIFEST"):
        sql, table = "SELECT * FROM system.manifest ORDER BY cache_key", "manifest"
    elif cursor.accept("STATS"):
        where = ""
        if cursor.accept("FOR"):
            cursor.expect("TABLE")
            namespace, name = cursor.expect_table()
            where = f" WHERE namespace_id = '{namespace}' AND table_name = '{name}'"
        sql, table = f"SELECT * FROM system.tables{where}", "tables"
    else:
        raise cursor.unexpected("NAMESPACES, TABLES, MANIFEST or STATS")
    return Query(sql, (("system", table),), limited=False, open_to_all=True)


def _describe(cursor: Cursor) -> Query:
    cursor.accept("TABLE")
    namespace, name = cursor.expect_table()
    sql = (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        f"WHERE table_schema = '{namespace}' AND table_name = '{name}' ORDER BY ordinal_position"
    )
    return Query(sql, (("information_schema", "columns"),), limited=False, open_to_all=True)


def _new_name(cursor: Cursor) -> str:
    name = cursor.expect_name()
    _check_name(name)
    return name


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise invalid_sql(f"Invalid name '{name}': letters, digits and _ only, at most {MAX_NAME}")
    if name in _RESERVED:
        raise invalid_sql(f"Invalid name '{name}': it is a reserved word")


PARSERS: dict[str, Callable[[Cursor], Statement]] = {
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "STORAGE": _storage,
    "SHOW": _show,
    "DESCRIBE": _describe,
    "DESC": _describe,
}
"""Parsers by the first word of their statements; the cursor stands after it."""

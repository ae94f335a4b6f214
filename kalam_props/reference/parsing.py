"""From the text of a request to its statements; refuses the whole request before anything runs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from kalam_props.reference import ddl
from kalam_props.reference.refusals import Refusal, invalid_sql, parse_error
from kalam_props.reference.sql_text import Cursor, Token, TokenType, split_statements, tokenize
from kalam_props.reference.statements import (
    Begin,
    Cell,
    Commit,
    Delete,
    Expression,
    Insert,
    Parsed,
    Query,
    Rollback,
    Statement,
    TableName,
    Update,
)

MAX_SQL_BYTES = 1_048_576
KEPT_TEXT = 4096
"""Parsed statements are kept for texts up to this length: testers send the same few again and again."""


def parse_request(sql: str, params: Sequence[object] = ()) -> tuple[Parsed, ...]:
    """The statements of a request, in order.

    Raises:
        Refusal: empty, too long, or one of them cannot be parsed.

    """
    size = len(sql.encode())
    if size > MAX_SQL_BYTES:
        raise Refusal(
            f"SQL query too long: {size} bytes (maximum {MAX_SQL_BYTES} bytes)",
            code="INVALID_SQL",
            numbered=False,
        )
    if params:
        return _parse(_with_params(sql, params), has_params=True)
    return _parse_kept(sql) if len(sql) <= KEPT_TEXT else _parse(sql, has_params=False)


@lru_cache(maxsize=1024)
def _parse_kept(sql: str) -> tuple[Parsed, ...]:
    return _parse(sql, has_params=False)


def _parse(sql: str, *, has_params: bool) -> tuple[Parsed, ...]:
    statements = split_statements(tokenize(sql))
    if not statements:
        raise Refusal("No SQL statements provided", code="EMPTY_SQL", numbered=False)
    if has_params and len(statements) > 1:
        raise Refusal(
            "Parameters not supported with multi-statement batches", code="PARAMS_WITH_BATCH", numbered=False
        )
    return tuple(_parse_statement(sql, tokens) for tokens in statements)


def _parse_statement(sql: str, tokens: list[Token]) -> Parsed:
    cursor = Cursor(sql, tokens)
    text = cursor.text
    if cursor.accept("EXECUTE", "AS"):
        user, inner = _envelope(cursor)
        inner_text = inner.text
        return Parsed(inner_text, _statement(inner), user)
    return Parsed(text, _statement(cursor))


def _envelope(cursor: Cursor) -> tuple[str, Cursor]:
    def bad(message: str) -> Refusal:
        return Refusal(f"EXECUTE AS USER {message}", code="INVALID_INPUT", numbered=False)

    if cursor.peek_word() == "USER" and cursor.peek_word(1) != "(":
        cursor.take()
    user = cursor.expect_name_or_string()
    if not user.strip():
        raise bad("username cannot be empty")
    if cursor.peek_word() != "(":
        raise bad("requires the statement in parentheses")
    try:
        inner = cursor.group().alone()
    except Refusal:
        raise bad("missing closing ')'") from None
    if not cursor.done:
        raise bad("must wrap a single SQL statement")
    if inner.done:
        raise bad("requires a non-empty inner SQL statement")
    if inner.peek_word() == "EXECUTE":
        raise inner.unexpected("an SQL statement")
    return user, inner


def _statement(cursor: Cursor) -> Statement:
    word = cursor.peek_word()
    if word in {"SELECT", "WITH", "(", "VALUES"}:
        return _query(cursor.text)
    if word in {"INSERT", "UPDATE", "DELETE"}:
        return _write(cursor.text)
    if word == "EXPLAIN":
        return Query(cursor.text, (), limited=True)
    if word in {"BEGIN", "START", "COMMIT", "ROLLBACK"}:
        return _transaction(cursor)
    parse = ddl.PARSERS.get(word)
    if word in {"TRUNCATE", "SAVEPOINT"}:
        raise invalid_sql(f"Unsupported statement type: {cursor.text}")
    if parse is None:
        raise cursor.unexpected("an SQL statement")
    cursor.take()
    statement = parse(cursor)
    cursor.expect_end()
    return statement


def _transaction(cursor: Cursor) -> Statement:
    first = cursor.take().text.upper()
    if first == "START":
        cursor.expect("TRANSACTION")
    elif not cursor.accept("TRANSACTION"):
        cursor.accept("WORK")
    cursor.expect_end()
    if first == "COMMIT":
        return Commit()
    return Rollback() if first == "ROLLBACK" else Begin()


def parse_tree(sql: str) -> exp.Expr:
    """The syntax tree of one query or write.

    Raises:
        Refusal: it cannot be parsed.

    """
    try:
        tree = sqlglot.parse_one(sql, dialect="postgres")
    except ParseError as error:
        detail = error.errors[0]
        raise parse_error(
            f"Unexpected: {detail.get('highlight') or 'EOF'} at Line: {detail.get('line')}, "
            f"Column: {detail.get('col')}"
        ) from None
    except (SqlglotError, RecursionError) as error:
        raise parse_error(str(error).splitlines()[0] or "statement is nested too deeply") from None
    return tree


def _query(sql: str) -> Query:
    tree = parse_tree(sql)
    if not isinstance(tree, (exp.Query, exp.Values)):
        raise parse_error("Expected: a query")
    with_ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found = [table for table in tree.find_all(exp.Table) if table.db or table.name not in with_ctes]
    tables = tuple(dict.fromkeys(_table_name(table) for table in found))
    limited = tree.args.get("limit") is not None
    counts: TableName | None = None
    key_equals: tuple[tuple[str, object], ...] = ()
    if isinstance(tree, exp.Select) and len(found) == 1 and len(list(tree.find_all(exp.Query))) == 1:
        where = tree.args.get("where")
        key_equals = _equalities(where.this) if where else ()
        if not where and not tree.args.get("group") and [_is_count(e) for e in tree.expressions] == [True]:
            counts = tables[0]
    return Query(sql, tables, limited, counts, key_equals)


def _is_count(expression: exp.Expr) -> bool:
    inner = expression.unalias()
    return isinstance(inner, exp.Count) and isinstance(inner.this, exp.Star)


def _write(sql: str) -> Statement:
    tree = parse_tree(sql)
    if isinstance(tree, exp.Insert):
        return _insert(tree)
    if not isinstance(tree, (exp.Update, exp.Delete)):
        raise parse_error("Expected: INSERT, UPDATE or DELETE")
    kind = type(tree).__name__.upper()
    where = tree.args.get("where")
    equalities = _equalities(where.this) if where else ()
    if not isinstance(tree.this, exp.Table):
        raise parse_error(f"Expected: a table after {kind}")
    table = _table_name(tree.this)
    conditional = where is not None and bool(list(where.find_all(exp.Column)))
    condition = where.this.sql(dialect="postgres") if where is not None and conditional else ""
    only_key = where is not None and len(equalities) == 1 and isinstance(where.this.unnest(), exp.EQ)
    if isinstance(tree, exp.Delete):
        return Delete(table, condition, equalities, only_key)
    assignments = []
    for assignment in tree.expressions:
        if not isinstance(assignment, exp.EQ) or not isinstance(assignment.this, exp.Column):
            raise parse_error("Expected: column = value in SET")
        if assignment.expression.find(exp.Query):
            raise invalid_sql("Sub-queries are not supported in SET")
        assignments.append((_identifier(assignment.this.this), _cell(assignment.expression)))
    return Update(table, tuple(assignments), condition, equalities, only_key)


def _insert(tree: exp.Insert) -> Insert:
    target = tree.this
    unsupported = next((clause for clause in ("conflict", "returning") if tree.args.get(clause)), None)
    if not isinstance(target, exp.Schema):
        table = _table_name(target)
        columns: tuple[str, ...] = ()
    else:
        table = _table_name(target.this)
        columns = tuple(_identifier(identifier) for identifier in target.expressions)
    source = tree.expression
    if isinstance(source, exp.Values):
        rows = []
        for row in source.expressions:
            cells = row.expressions if isinstance(row, exp.Tuple) else [row.this]
            if columns and len(cells) != len(columns):
                raise Refusal(
                    "Execution error: Error during planning: Inconsistent data length: "
                    f"{len(columns)} columns, {len(cells)} values"
                )
            rows.append(tuple(_cell(cell) for cell in cells))
        return Insert(table, columns, tuple(rows), unsupported=unsupported)
    if isinstance(source, exp.Query):
        return Insert(table, columns, query=_query(source.sql(dialect="postgres")))
    raise parse_error("Expected: VALUES or a query after INSERT INTO")


def _cell(node: exp.Expr) -> Cell:
    if isinstance(node, (exp.Var, exp.Column)) and node.name.upper() == "DEFAULT":
        raise invalid_sql("DEFAULT is not supported in VALUES")
    known, value = _constant(node)
    return value if known else Expression(node.sql(dialect="postgres"))


def _constant(node: exp.Expr) -> tuple[bool, object]:
    """Whether the expression is a constant, and which."""
    if isinstance(node, exp.Paren):
        return _constant(node.this)
    if isinstance(node, exp.Null):
        return True, None
    if isinstance(node, exp.Boolean):
        return True, bool(node.this)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return True, str(node.this)
        text = str(node.this)
        return True, int(text) if text.isdigit() else Decimal(text)
    if isinstance(node, exp.Neg):
        known, value = _constant(node.this)
        if known and isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return True, -value
    return False, None


def _equalities(node: exp.Expr) -> tuple[tuple[str, object], ...]:
    """`column = constant` among what AND joins at the top of a condition."""
    node = node.unnest()
    if isinstance(node, exp.And):
        return _equalities(node.left) + _equalities(node.right)
    if isinstance(node, exp.EQ) and isinstance(node.left, exp.Column):
        known, value = _constant(node.right)
        if known and value is not None:
            return ((_identifier(node.left.this), value),)
    return ()


def _identifier(node: exp.Expr) -> str:
    quoted = isinstance(node, exp.Identifier) and node.args.get("quoted")
    return node.name if quoted else node.name.lower()


def _table_name(node: exp.Expr) -> TableName:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise parse_error("Expected: a table name")
    namespace = node.args.get("db")
    return (_identifier(namespace) if namespace else "default"), _identifier(node.this)


def _with_params(sql: str, params: Sequence[object]) -> str:
    """The text with `$1`, `$2`, … replaced by literals."""
    pieces, end = [], 0
    tokens = tokenize(sql)
    for sign, number in itertools.pairwise(tokens):
        if sign.token_type is not TokenType.PARAMETER or number.token_type is not TokenType.NUMBER:
            continue
        position = int(number.text)
        if not 1 <= position <= len(params):
            raise Refusal(
                f"Parameter count mismatch: ${position} used, {len(params)} given", code="INVALID_PARAMETER"
            )
        pieces += [sql[end : sign.start], _literal(params[position - 1])]
        end = number.end + 1
    return "".join([*pieces, sql[end:]])


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise Refusal("Parameters must be null, booleans, numbers or strings", code="INVALID_PARAMETER")

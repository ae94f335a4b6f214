"""Who may do what: the permissions of the four roles."""

from __future__ import annotations

from attrs import frozen

from kalam_props.reference.refusals import Refusal, denied
from kalam_props.reference.statements import (
    WRITES,
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
    Query,
    RenameColumn,
    Statement,
)
from kalam_props.reference.tables import Table

ADMINISTRATORS = frozenset({"dba", "system"})
_SHOWN = {"user": "User", "service": "Service", "dba": "Dba", "system": "System"}
_ADMINISTRATION: dict[tuple[type, ...], str] = {
    (CreateNamespace, DropNamespace): "namespace operations",
    (CreateUser, DropUser): "user management",
}
_STORAGE: dict[type, str] = {
    FlushTable: "STORAGE FLUSH TABLE",
    FlushAll: "STORAGE FLUSH ALL",
    CompactTable: "STORAGE COMPACT TABLE",
}
_ALTER = (AddColumn, DropColumn, RenameColumn)


@frozen
class Caller:
    """The user that a statement runs as."""

    user: str
    role: str

    @property
    def administrator(self) -> bool:
        return self.role in ADMINISTRATORS


def may_run(caller: Caller, statement: Statement) -> None:
    """Refuse what the role may not do whatever table it is about."""
    if caller.administrator:
        return
    if isinstance(statement, Query) and not statement.open_to_all:
        for namespace, name in statement.tables:
            if namespace in {"system", "dba"}:
                raise denied(
                    f"Permission denied: Error during planning: Access denied: Role '{_SHOWN[caller.role]}' "
                    f"cannot access table '{namespace}.{name}'. System tables require 'dba' or 'system' role."
                )
    for statements, what in _ADMINISTRATION.items():
        if isinstance(statement, statements):
            raise Refusal(
                f"Admin privileges (DBA or System role) required for {what}",
                status=403,
                code="PERMISSION_DENIED",
                numbered=False,
            )
    if isinstance(statement, DropTable):
        raise denied("Unauthorized: Insufficient privileges to drop this table")
    if isinstance(statement, CreateTable) and statement.kind == "shared" and caller.role == "user":
        raise denied("Unauthorized: Insufficient privileges to create shared tables")
    if isinstance(statement, tuple(_STORAGE)) and caller.role == "user":
        raise denied(f"Unauthorized: {_STORAGE[type(statement)]} requires Service, DBA, or System role")


def may_use(caller: Caller, statement: Statement, table: Table) -> None:
    """Refuse what the role may not do with this table."""
    if caller.role != "user" or table.kind == "user":
        return
    if isinstance(statement, _ALTER):
        raise denied("Unauthorized: Insufficient privileges to alter this table")
    level = f"(access_level={table.access_level.capitalize()})"
    who = f"Access denied: Role '{_SHOWN[caller.role]}' cannot access table '{table.full_name}'."
    if isinstance(statement, WRITES):
        raise denied(f"Permission denied: {who} Shared table write denied {level}")
    if table.access_level != "public":
        raise denied(f"Permission denied: Error during planning: {who} Shared table access denied {level}")


def may_act_as(caller: Caller, target: Caller) -> None:
    """EXECUTE AS USER: system as anyone, dba not as system, service as service and user, user as itself."""
    allowed = {
        "system": set(_SHOWN),
        "dba": {"dba", "service", "user"},
        "service": {"service", "user"},
        "user": set(),
    }[caller.role]
    if caller.user != target.user and target.role not in allowed:
        raise Refusal(
            f"Unauthorized: EXECUTE AS USER is not authorized: actor '{caller.user}' with role "
            f"{_SHOWN[caller.role]} cannot target '{target.user}' with role {_SHOWN[target.role]}",
            status=403,
            code="PERMISSION_DENIED",
            numbered=False,
        )

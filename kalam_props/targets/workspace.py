"""What a run creates on a server, and removes: a namespace, pooled users, a fresh table an attempt."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from kalam_props.drivers.protocol import Credential
from kalam_props.errors import CancelledError, SetupRefusedError
from kalam_props.history.events import Error
from kalam_props.programs.model import TableDef
from kalam_props.targets.capabilities import Capabilities, create_table, discover
from kalam_props.targets.identity import Identity, choose
from kalam_props.targets.journal import note
from kalam_props.targets.target import Target
from kalam_props.targets.users import create_user, credential_of

PREFIX = "kp_"
_OURS = re.compile(rf"{PREFIX}[a-z0-9_]+")


@define
class Workspace:
    """Owns the namespace and the users of a run. Thread-safe.

    Attributes:
        target: where they are.
        identity: how programs act as users.
        capabilities: what the target can do.
        namespace: `kp_` and eight random hex digits; further ones are made when a table is to be in one.

    """

    target: Target
    identity: Identity
    namespace: str
    journal: Path
    capabilities: Capabilities = field(factory=Capabilities)
    _cancelled: threading.Event = field(factory=threading.Event, repr=False)
    _users: dict[str, Credential] = field(factory=dict, repr=False)
    _made: list[str] = field(factory=list, repr=False)
    _namespaces: list[str] = field(factory=list, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def cancel(self) -> None:
        """Let every execution in this workspace end at its next operation."""
        self._cancelled.set()

    def raise_if_cancelled(self) -> None:
        """For executions, between operations.

        Raises:
            CancelledError: `cancel` was called.

        """
        if self._cancelled.is_set():
            raise CancelledError("the run was interrupted; its histories so far are kept")

    def credential(self, user: str) -> Credential:
        """Who acts for a program's user: the pooled user itself, or root."""
        if self.identity.mode == "execute-as":
            return self.target.root
        with self._lock:
            if user not in self._users:
                name = self.server_user(user)
                note(self.journal, {"user": name})
                credential = credential_of(self.target, name, create_user(self.target, name))
                if self.identity.mode == "login":
                    credential = Credential(name, password=credential.password)
                self._users[user] = credential
            return self._users[user]

    def new_user(self) -> str:
        """A name for a user that the caller is about to create; removed with the workspace."""
        name = f"{self.namespace}_{secrets.token_hex(4)}"
        note(self.journal, {"user": name})
        with self._lock:
            self._made.append(name)
        return name

    def server_user(self, user: str) -> str:
        """The name that a program's user has on the server."""
        return f"{self.namespace}_{user}"

    def qualified(self, table: str, namespace: int = 0) -> str:
        """The name of a table with that of its namespace: the run's own, or the n-th besides it."""
        return f"{self._namespace(namespace)}.{table}"

    def creation(self, name: str, table: TableDef) -> str:
        """The statement that creates a table."""
        return create_table(self.qualified(name, table.namespace), table, self.capabilities.ddl)

    def create_table(self, name: str, table: TableDef) -> None:
        """Create a table, and its namespace where that is not there yet.

        Raises:
            SetupRefusedError: the server refused; its words. Never a finding.
            StorageError: the journal cannot be written.

        """
        self._create_namespace(self._namespace(table.namespace))
        error = self.try_to_create_table(name, table)
        if error is not None:
            refused = self.creation(name, table)
            raise SetupRefusedError(f"the server refused {refused!r}: {error.message.strip()}")

    def try_to_create_table(self, name: str, table: TableDef) -> Error | None:
        """Create a table; what the server said against it."""
        return self.target.ask(self.creation(name, table)).error

    def drop_table(self, name: str, namespace: int = 0) -> None:
        """Drop a table; what the server says to it no longer matters."""
        self.target.ask(f"DROP TABLE IF EXISTS {self.qualified(name, namespace)}")

    def close(self) -> None:
        """Remove the namespaces and the users."""
        users = [*map(self.server_user, self._users), *self._made]
        remove(self.target, [self.namespace, *self._namespaces], users)

    def _namespace(self, number: int) -> str:
        # No name holds another: flushes are told apart by what their jobs' parameters contain.
        own = self.namespace
        return own if number == 0 else f"{PREFIX}n{number}_{own.removeprefix(PREFIX)}"

    def _create_namespace(self, name: str) -> None:
        with self._lock:
            if name == self.namespace or name in self._namespaces:
                return
            note(self.journal, {"url": self.target.url, "namespace": name})
            _create(self.target, name, self.journal)
            self._namespaces.append(name)


def open_workspace(target: Target, wanted_identity: str, journal: Path) -> Workspace:
    """Create a namespace, and choose how users act.

    Raises:
        SetupRefusedError: the server refused the namespace or every way to act as a user.
        StorageError: the journal cannot be written.

    """
    namespace = PREFIX + secrets.token_hex(4)
    probe_user = f"{namespace}_probe"
    note(journal, {"url": target.url, "namespace": namespace, "user": probe_user})
    _create(target, namespace, journal)
    try:
        capabilities = discover(target, namespace, f"{namespace}_spoken_for")
        identity = choose(target, wanted_identity, probe_user, capabilities.execute_as)
    except BaseException:
        remove(target, [namespace], [probe_user])
        raise
    if identity.mode == "execute-as":
        why = "nobody can subscribe for another, and users act by EXECUTE AS here"
        capabilities = capabilities.without("subscriptions", why)
    target.ask(f"DROP USER '{probe_user}'")
    return Workspace(target, identity, namespace, journal, capabilities)


def _create(target: Target, namespace: str, journal: Path) -> None:
    """Create a namespace that was noted."""
    reply = target.ask(f"CREATE NAMESPACE {namespace}")
    if reply.error is not None:
        note(journal, {"refused": namespace})  # whatever is there under this name is not ours to remove
        raise SetupRefusedError(f"CREATE NAMESPACE {namespace} was refused: {reply.error.message.strip()}")


def remove(target: Target, namespaces: Sequence[str], users: Sequence[str]) -> list[str]:
    """Drop namespaces with their tables, and users; only ever names with our prefix.

    Returns:
        what the server refused, one sentence each.

    """
    refused = []
    statements = {namespace: f"DROP NAMESPACE {namespace} CASCADE" for namespace in namespaces}
    statements.update({user: f"DROP USER '{user}'" for user in users})
    for name, sql in statements.items():
        if not _OURS.fullmatch(name):
            continue
        error = target.ask(sql).error
        if error is not None and error.code != "not-found":
            refused.append(f"{sql}: {error.message.strip()}")
    return refused

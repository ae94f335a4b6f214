"""The exceptions that a caller can do something about.

Every one says what happened, where, and what to do next; the command line prints it as one sentence and
exits with `exit_code`. A traceback for any other exception is a bug of ours.
"""

from __future__ import annotations


class KalamPropsError(Exception):
    """Base of everything that this package raises on purpose."""

    exit_code = 2


class UsageError(KalamPropsError):
    """Options that do not fit together, or a name that does not exist."""


class TargetError(KalamPropsError):
    """The server or the client under test cannot be reached, started or used."""


class SetupRefusedError(TargetError):
    """The target refused a statement that a run needs first (CREATE TABLE, CREATE USER): never a finding."""


class ServerDiedError(KalamPropsError):
    """A server that we manage ended by itself. That is a finding (exit code 1)."""

    exit_code = 1


class CorruptInputError(KalamPropsError):
    """A program, seed or history that cannot be read: file, line and what was expected.

    Attributes:
        source: the file (or other origin) as the user named it.
        line: 1-based line number, or None where the input has no lines.

    """

    def __init__(self, source: str, line: int | None, message: str) -> None:
        self.source = source
        self.line = line
        self.message = message
        where = source if line is None else f"{source}:{line}"
        super().__init__(f"{where}: {message}")


class StorageError(KalamPropsError):
    """A history or finding cannot be written (disk full, no permission)."""


class CancelledError(KalamPropsError):
    """The run was interrupted (Ctrl-C): everything is cleaned up and what was recorded is kept."""

    exit_code = 130

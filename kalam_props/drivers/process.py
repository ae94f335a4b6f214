"""One `kalam` process for each statement: the driver whose findings anybody can repeat by hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from kalam_props.drivers import outcome, program, replies
from kalam_props.drivers.feed import Feed, Tell
from kalam_props.drivers.follow import follow
from kalam_props.drivers.literals import MAX_ARGUMENT_BYTES
from kalam_props.drivers.program import Program
from kalam_props.drivers.protocol import Connection, Credential, Reply
from kalam_props.drivers.spawn import Child, Ended
from kalam_props.history.events import Product

_SERVER_ERROR = b"ERROR "
"""How `kalam` begins what it prints of a server's 5xx: on standard output, even with --json, exit code 0."""


@frozen
class ProcessDriver:
    """Starts a client for each statement. `home` is the clients' HOME, and the caller's to remove."""

    program: Program
    home: Path

    @property
    def name(self) -> str:
        return "process"

    @property
    def client(self) -> Product:
        return self.program.product

    def connect(self, credential: Credential, *, url: str) -> Connection:
        config = program.new_config(self.home)
        return ProcessConnection(self.program, config, self.program.arguments(credential, url, config))

    @property
    def can_subscribe(self) -> bool:
        return "--subscribe" in self.program.flags

    def subscribe(self, credential: Credential, sql: str, *, url: str, tell: Tell) -> Feed:
        return Feed(follow(self.program, self.home, credential, url, sql), tell)

    def as_sent(self, sql: str) -> str:
        return sql

    def close(self) -> None:
        """Nothing to end: connections own their processes."""


def process_driver(command: Sequence[str], home: Path) -> ProcessDriver:
    """The driver for a client program, such as `("kalam",)` or `client_command()`.

    Raises:
        TargetError: the program cannot be run, or is no `kalam`.

    """
    return ProcessDriver(program.inspect(command, home), home)


@define
class ProcessConnection:
    """One identity on one address; a process for each statement."""

    program: Program
    config: Path
    arguments: tuple[str, ...] = field(repr=False)
    _child: Child | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def execute(self, sql: str, *, deadline_s: float) -> Reply:
        if (size := len(sql.encode())) > MAX_ARGUMENT_BYTES - len("--command="):
            return outcome.refused_here(
                f"a statement of {size} bytes does not fit a command line ({MAX_ARGUMENT_BYTES}); "
                "the drivers session and http can send it"
            )
        if "\0" in sql:
            return outcome.refused_here(
                "a zero byte does not fit a command line; the driver http can send it"
            )
        # The client's own time ends after ours, which decides. `=`: a statement may look like a flag.
        request = (*self.program.patience(int(deadline_s) + 5), f"--command={sql}")
        with self._lock:
            if self._closed:
                return outcome.unreachable("the connection was closed")
            child = self._child = Child((*self.arguments, *request), self.program.environment)
        ended = child.finish(deadline_s)
        if ended.late:
            return outcome.timed_out(deadline_s)
        if ended.code < 0 and self._closed:
            return outcome.broken_off("the client was stopped")
        return self._reply(ended, sql)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()
        self.config.unlink(missing_ok=True)

    def _reply(self, ended: Ended, sql: str) -> Reply:
        reply = None
        if ended.code < 0:
            reply = outcome.broken_off(f"the client was ended by signal {-ended.code}")
        elif ended.code == 0 and ended.stdout.startswith(_SERVER_ERROR):
            reply = server_error(ended.stdout.decode("utf-8", "replace"), sql)
        elif ended.code == 0:
            reply = replies.of_document(ended.stdout, sql)
        elif ended.code == 1:
            reply = outcome.of_client(_after_error(ended.stderr.decode("utf-8", "replace")), sql)
        if reply is None:
            raise program.not_a_client(self.program.name, ended)
        return reply


def server_error(printed: str, sql: str) -> Reply:
    """The reply for `ERROR <CODE>: <message>`, by which `kalam` tells of a server's 5xx."""
    code, _, message = printed.removeprefix(_SERVER_ERROR.decode()).partition(": ")
    return outcome.of_server(500, message.partition("\nDetails: ")[0].strip(), sql, code)


def _after_error(text: str) -> str:
    """What follows `Error: ` at the beginning of a line; warnings may precede it."""
    if text.startswith("Error: "):
        return text.removeprefix("Error: ").rstrip("\n")
    return text.partition("\nError: ")[2].rstrip("\n")

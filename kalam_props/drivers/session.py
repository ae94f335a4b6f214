"""One long-lived `kalam` for each connection, fed on its standard input: the CLI without its start.

How an answer ends, as recorded with 0.4.3-rc.4: its JSON closes with a line that is exactly `}`; a refusal is
a line that begins with `✗ ` (standard error, read through the same pipe, so that the order is kept). Each
statement is sent as one line, since the session trims lines and ends statements at line ends.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from kalam_props.drivers import outcome, program, replies
from kalam_props.drivers.feed import Feed, Tell
from kalam_props.drivers.follow import follow
from kalam_props.drivers.literals import one_line
from kalam_props.drivers.process import server_error
from kalam_props.drivers.program import Program
from kalam_props.drivers.protocol import Connection, Credential, Reply
from kalam_props.errors import TargetError
from kalam_props.history.events import Product

_START_S = 20.0
_PIECE = 65536
_PATIENCE_S = 3600
"""The client's own time for an answer: never the one that decides."""


@frozen
class SessionDriver:
    """Starts a session for each connection, each with a HOME of its own below `home`."""

    program: Program
    home: Path

    @property
    def name(self) -> str:
        return "session"

    @property
    def client(self) -> Product:
        return self.program.product

    def connect(self, credential: Credential, *, url: str) -> Connection:
        """A session that has logged in. One that could not says so to each statement.

        Raises:
            TargetError: the client cannot be run.

        """
        return _open_session(self.program, self.home, credential, url)

    @property
    def can_subscribe(self) -> bool:
        return "--subscribe" in self.program.flags

    def subscribe(self, credential: Credential, sql: str, *, url: str, tell: Tell) -> Feed:
        return Feed(follow(self.program, self.home, credential, url, sql), tell)

    def as_sent(self, sql: str) -> str:
        return one_line(sql)

    def close(self) -> None:
        """Nothing to end: connections own their sessions."""


def session_driver(command: Sequence[str], home: Path) -> SessionDriver:
    """The driver for a client program, such as `("kalam",)` or `client_command()`.

    Raises:
        TargetError: the program cannot be run, or is no `kalam`.

    """
    return SessionDriver(program.inspect(command, home), home)


class _EndedError(Exception):
    """The session's output has ended."""


@define
class SessionConnection:
    """Owns one client process and its HOME.

    After an open outcome it is spent: an answer may still come, and nobody could tell what to.
    """

    program: Program
    process: subprocess.Popen[bytes]
    home: Path
    _unread: bytearray = field(factory=bytearray, init=False, repr=False)
    _refusal: Reply | None = field(default=None, init=False)
    _busy: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _closing: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def execute(self, sql: str, *, deadline_s: float) -> Reply:
        with self._busy:
            return self._refusal or self._execute(sql, deadline_s)

    def _execute(self, sql: str, deadline_s: float) -> Reply:
        deadline = time.monotonic() + deadline_s
        statement = one_line(sql).strip().removesuffix(";").rstrip()
        try:
            self._write(f"{statement};\n".encode(), deadline)
            reply = self._answer(sql, deadline)
        except TimeoutError:
            reply = outcome.timed_out(deadline_s)
        except (_EndedError, OSError):
            reply = self._last_words(sql) or outcome.broken_off("the client ended before it answered")
        if reply.error is not None and reply.done is None and reply.done_statements is None:
            self._refusal = outcome.unreachable("the session is spent: an earlier statement got no answer")
        return reply

    def close(self) -> None:
        with self._closing:
            if self.process.returncode is not None:
                return
            os.killpg(self.process.pid, signal.SIGKILL)
            with self._busy, self.process:  # an `execute` that waits sees the end of the output
                self._refusal = outcome.unreachable("the connection was closed")
        shutil.rmtree(self.home, ignore_errors=True)

    def await_start(self) -> None:
        """Read past the greeting."""
        printed = []
        deadline = time.monotonic() + _START_S
        try:
            while (line := self._line(deadline)) != "✓ Connected":
                printed.append(line)
        except (_EndedError, TimeoutError):
            words = "\n".join(printed)
            self._refusal = _refused_start(words)
            if self._refusal is None or self._refusal.done is not False:
                self.close()
                raise TargetError(
                    f"{self.program.name} does not open a session as kalam does; it printed {words[:200]!r}"
                ) from None

    def _answer(self, sql: str, deadline: float) -> Reply:
        lines: list[str] = []
        while True:
            line = self._line(deadline)
            if lines:
                lines.append(line)
                if line == "}":
                    return self._document("\n".join(lines), sql)
            elif line == "{":
                lines.append(line)
            elif line.startswith("✗ "):
                return self._refused(line.removeprefix("✗ "), sql)
            elif line.startswith("ERROR "):
                return server_error(line, sql)
            elif "panicked at" in line:
                raise TargetError(f"{self.program.name} has crashed: {line[:200]}")

    def _document(self, text: str, sql: str) -> Reply:
        reply = replies.of_document(text, sql)
        if reply is None:
            raise TargetError(f"{self.program.name} printed {text[:80]!r}, which is no answer")
        return reply

    def _refused(self, words: str, sql: str) -> Reply:
        reply = outcome.of_client(words, sql)
        if reply is None:
            raise TargetError(
                f"{self.program.name} printed {words[:200]!r}, which is no refusal that we know"
            )
        return reply

    def _last_words(self, sql: str) -> Reply | None:
        """What a client said before it ended by itself."""
        return outcome.of_client(_after_error(self._unread.decode("utf-8", "replace")), sql)

    def _write(self, data: bytes, deadline: float) -> None:
        """All of `data`, also when the client is slow to read; the pipe does not block."""
        assert self.process.stdin is not None  # noqa: S101  # started with pipes
        descriptor = self.process.stdin.fileno()
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                _wait(descriptor, select.POLLOUT, deadline)

    def _line(self, deadline: float) -> str:
        assert self.process.stdout is not None  # noqa: S101  # started with pipes
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            _wait(self.process.stdout.fileno(), select.POLLIN, deadline)
            piece = os.read(self.process.stdout.fileno(), _PIECE)
            if not piece:
                raise _EndedError
            self._unread += piece
        line = self._unread[:end].decode("utf-8", "replace")
        del self._unread[: end + 1]
        return line


def _open_session(client: Program, home: Path, credential: Credential, url: str) -> SessionConnection:
    # A session writes all that it was asked into ~/.kalam/history.
    own_home = home / "sessions" / secrets.token_hex(8)
    own_home.mkdir(parents=True)
    config = own_home / "identity.toml"
    arguments = (*client.arguments(credential, url, config), *client.patience(_PATIENCE_S))
    try:
        process = subprocess.Popen(
            arguments,
            env={**client.environment, "HOME": str(own_home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except OSError as error:
        raise TargetError(f"cannot run the client {client.name}: {error.strerror}") from None
    assert process.stdin is not None  # noqa: S101  # started with pipes
    os.set_blocking(process.stdin.fileno(), False)
    connection = SessionConnection(client, process, own_home)
    connection.await_start()
    return connection


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError


def _refused_start(words: str) -> Reply | None:
    """Why there is no session, in the client's words: before its greeting nothing was sent."""
    if "\nConnection failed: " in "\n" + words:
        return outcome.unreachable(words.partition("Connection failed: ")[2].partition("\n")[0])
    return outcome.of_client(_after_error(words), "")


def _after_error(text: str) -> str:
    """What follows `Error: ` at the beginning of a line."""
    return ("\n" + text).partition("\nError: ")[2].rstrip("\n")

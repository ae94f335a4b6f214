"""A subscription by a `kalam --subscribe` process of its own, as anybody would watch a table by hand."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from kalam_props.drivers import notices, outcome
from kalam_props.drivers.feed import Message
from kalam_props.drivers.program import Program
from kalam_props.drivers.protocol import Credential, Reply
from kalam_props.errors import TargetError

_END_S = 2.0
"""How long a client may take to unsubscribe and end."""

_REFUSED = re.compile(r"Subscription failed \((\w+)\): (.*)", re.DOTALL)


@define
class ProcessSource:
    """Owns one client process and its HOME."""

    program: Program
    process: subprocess.Popen[bytes]
    home: Path
    _closed: bool = field(default=False, init=False)
    _error: str = field(default="", init=False)
    _closing: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def messages(self) -> Iterator[Message]:
        return notices.messages(self._lines())

    def _lines(self) -> Iterator[str]:
        """What it prints, but for what it says of its own end."""
        assert self.process.stdout is not None  # noqa: S101  # started with a pipe
        with self.process.stdout as printed:
            for raw in printed:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if line.startswith("Error: ") or self._error:
                    self._error += line.removeprefix("Error: ") + "\n"
                else:
                    yield line

    def last_words(self) -> Reply:
        words = self._error.rstrip("\n")
        if refused := _REFUSED.match(words):
            return outcome.of_subscription(refused[1], refused[2])
        reply = outcome.of_client(words, "") if words else None
        return reply or outcome.broken_off(words or "the client ended")

    def close(self) -> None:
        # Only here is the process reaped: until then its number is no other's.
        with self._closing:
            if not self._closed:
                self._closed = True
                _end(self.process)
                shutil.rmtree(self.home, ignore_errors=True)


def follow(client: Program, home: Path, credential: Credential, url: str, sql: str) -> ProcessSource:
    """Start a client that subscribes.

    Raises:
        TargetError: it cannot be run, or is too old for subscriptions.

    """
    if "--subscribe" not in client.flags:
        raise TargetError(f"{client.name} has no --subscribe; the driver http needs no client for that")
    own_home = home / "subscriptions" / secrets.token_hex(8)
    own_home.mkdir(parents=True)
    words = client.arguments(credential, url, own_home / "identity.toml")
    try:
        process = subprocess.Popen(
            (*words, f"--subscribe={sql}"),
            env={**client.environment, "HOME": str(own_home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except OSError as error:
        shutil.rmtree(own_home, ignore_errors=True)
        raise TargetError(f"cannot run the client {client.name}: {error.strerror}") from None
    return ProcessSource(client, process, own_home)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it, which unsubscribes; by force when it does not end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

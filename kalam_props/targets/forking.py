"""Servers that a fork server starts; `reference.fork_server` says what the two tell each other."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from attrs import define, frozen


@define
class Forked:
    """One server: what `subprocess.Popen` is for a child, for the child of a child. Not thread-safe.

    Attributes:
        pid: its process.
        told: descriptor from which its fork server says how it ended.
        code: its exit code once it is known, as `subprocess` gives it.

    """

    pid: int
    told: int
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        self._await(0.0)
        return self.code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: not within `timeout` seconds.

        """
        self._await(timeout)
        if self.code is None:
            raise subprocess.TimeoutExpired("the server", timeout or 0.0)
        return self.code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _await(self, timeout: float | None) -> None:
        if self.code is not None or not select.select([self.told], [], [], timeout)[0]:
            return
        line = os.read(self.told, 64)  # lines of a few bytes are written whole
        if line:
            self.code = int(line)
        else:  # the fork server was killed, and nobody would ever tell of this one
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.code = -signal.SIGKILL


@frozen
class ForkServer:
    """A process that starts the same server again and again, one at a time. Not thread-safe."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    told: IO[bytes]

    def start(self) -> Forked:
        """Start a server; one that has ended already, where the fork server itself does not run."""
        with contextlib.suppress(BrokenPipeError):
            self.requests.write(b"\n")
        pid = self.told.readline()
        if not pid:
            return Forked(self.process.pid, self.told.fileno(), self.process.wait())
        return Forked(int(pid), self.told.fileno())

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """End it. A server of it that still runs ends as well, since they have one standard input."""
        self.requests.close()
        self.process.wait()
        self.told.close()


def fork_server(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: IO[bytes]
) -> ForkServer:
    """Start a fork server, whose servers print to `log`.

    Raises:
        OSError: it cannot be run.

    """
    process = subprocess.Popen(
        argv,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    return ForkServer(process, cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout))

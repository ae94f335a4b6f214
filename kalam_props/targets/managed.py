"""A server that we start, stop, kill and start again: one process, its data folder, its log."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import httpx
from attrs import define, field, frozen

from kalam_props.errors import StorageError, TargetError
from kalam_props.history.events import Product
from kalam_props.targets.forking import Forked, ForkServer, fork_server

PORT_TRIES = 5
_POLL_S = 0.01
"""A server tells in no other way that it is up."""

HEALTH_PATH = "/v1/api/healthcheck"
ROOT_USER = "root"
_OTHERS = ("KALAMDB_", "KALAM_PROPS_")
"""What a server of ours must not inherit: it would lead it to somebody else's data folder or network."""

_LEASH = ("/bin/sh", "-c", 'read -r _; kill -9 "$1"', "leash")
"""Ends a server when the pipe from us breaks: not even `kill -9` of this process leaves one behind."""


@frozen
class Launch:
    """How to start a server on a port.

    Attributes:
        argv: the program and its arguments.
        environment: what its environment has beside ours.
        forks: the program is a fork server (see `forking`), which ends with us; others are put on a leash.

    """

    argv: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    forks: bool = False


PlanLaunch: TypeAlias = Callable[[int, Path], Launch]
"""From a port and a data folder to a launch."""


@define
class ManagedServer:
    """Owns a server process. Not thread-safe: one owner restarts it, others only use `url`.

    Attributes:
        product: what the server calls itself; known once it is healthy.
        url: where it answers; the port stays the same through restarts.
        data_dir: its data folder, kept by whoever gave it.
        log: file with all that it printed, over all starts.
        crashed: it ended by itself, or did not come up again on the data that it had left.

    """

    plan: PlanLaunch
    data_dir: Path
    log: Path
    root_password: str = field(repr=False)
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 40.0
    product: Product = field(factory=lambda: Product("?", "?"))
    url: str = ""
    _port: int = 0
    _process: subprocess.Popen[bytes] | Forked | None = None
    _fork_server: ForkServer | None = None
    _leash: subprocess.Popen[bytes] | None = None
    _was_healthy: bool = False
    _data_kept: bool = False
    _failed_again: bool = False

    def start(self) -> None:
        """Start it and wait until it is healthy; the first start chooses its port.

        Raises:
            TargetError: it ended or did not get healthy in time; says the last lines of its log.
            StorageError: its files cannot be written.

        """
        if self._port:
            try:
                self._start()
            except TargetError:
                self._failed_again = self._was_healthy
                raise
            return
        for left in reversed(range(PORT_TRIES)):
            self._port = free_port()
            self.url = f"http://127.0.0.1:{self._port}"
            try:
                self._start()
            except TargetError as error:
                self._end_fork_server()  # it has the port among its arguments
                # A port that was free a moment ago may be somebody's outgoing connection by now.
                if left and "in use" in str(error):
                    continue
                raise
            return

    def _start(self) -> None:
        try:
            launch = self.plan(self._port, self.data_dir)
            log = self.log.open("ab")
        except OSError as error:
            raise StorageError(f"{error.filename}: cannot be written ({error.strerror})") from None
        with log:
            try:
                self._process = self._fork(launch, log) if launch.forks else self._spawn(launch, log)
            except OSError as error:
                raise TargetError(
                    f"cannot start the server {launch.argv[0]}: {error.strerror or error}; "
                    "is it a server's binary?"
                ) from None
        try:
            if not launch.forks:
                self._leash = subprocess.Popen(
                    (*_LEASH, str(self._process.pid)), stdin=subprocess.PIPE, start_new_session=True
                )
            self._await_healthy(launch.argv[0])
        except BaseException:  # also Ctrl-C: nobody else knows yet that there is a process
            self.kill()
            raise
        self._was_healthy = True

    def _spawn(self, launch: Launch, log: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            launch.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(launch),
            cwd=self.data_dir,
            start_new_session=True,
        )

    def _fork(self, launch: Launch, log: BinaryIO) -> Forked:
        if self._fork_server is None or not self._fork_server.running:
            self._fork_server = fork_server(launch.argv, _environment(launch), self.data_dir, log)
        return self._fork_server.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def crashed(self) -> bool:
        ended = self._process is not None and self._process.poll() is not None
        return ended or self._failed_again

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def exit_code(self) -> int | None:
        """The exit code of a server that ended by itself, else None; negative for a signal."""
        return self._process.poll() if self._process is not None else None

    def stop(self) -> None:
        """End it in an orderly way; by force after `stop_timeout_s`. Does nothing when it has ended."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
        self._forget(process)

    def close(self) -> None:
        """Stop it and what would start it again; for whoever does not need it any more."""
        self.stop()
        self._end_fork_server()

    def _end_fork_server(self) -> None:
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None

    def await_end(self, patience_s: float) -> None:
        """Wait until it has ended, which somebody else has seen to; not for longer than `patience_s`."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        process = self._process
        if process is None:
            return
        process.kill()
        self._forget(process)

    def start_again(self) -> None:
        """Start it on its data after it ended by itself; does nothing while it runs.

        A copy of what it had left on disk the first time stays beside its log.

        Raises:
            TargetError, StorageError: as for `start`.

        """
        process = self._process
        if process is None or process.poll() is None:
            return
        if not self._data_kept:
            self._data_kept = True
            try:
                shutil.copytree(self.data_dir, free_name(self.log.parent / self.data_dir.name))
            except OSError as error:
                raise StorageError(f"{self.data_dir}: cannot be copied ({error})") from None
        self._forget(process)
        self.start()

    def _forget(self, process: subprocess.Popen[bytes] | Forked) -> None:
        process.wait()
        if self._leash is not None:
            self._leash.kill()
            self._leash.communicate()
        self._process = self._leash = None

    def log_tail(self, lines: int = 12) -> str:
        """The last lines that it printed."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _await_healthy(self, name: str) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        with httpx.Client(base_url=self.url, timeout=1.0, trust_env=False) as client:
            while True:
                if not self.running:
                    raise TargetError(
                        f"the server {name} ended while starting (exit {self.exit_code()}); "
                        f"its log ends:\n{self.log_tail()}"
                    )
                try:
                    self.product = product_of(client.get(HEALTH_PATH))
                except httpx.HTTPError:
                    if time.monotonic() > deadline:
                        raise TargetError(
                            f"the server {name} was not healthy after {self.start_timeout_s:.0f} s; "
                            f"its log ends:\n{self.log_tail()}"
                        ) from None
                    time.sleep(_POLL_S)
                else:
                    return


def _environment(launch: Launch) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return ours | launch.environment


def product_of(answer: httpx.Response) -> Product:
    """What a health answer says of the server: a server that does not say its name is a KalamDB.

    Raises:
        TargetError: not the health answer of such a server.

    """
    try:
        body = answer.json()
        version = str(body["version"])
    except (ValueError, KeyError, TypeError):
        raise TargetError(
            f"{answer.url} answered {answer.status_code} {answer.text[:80]!r}: "
            "not the health answer of a KalamDB or of the reference server"
        ) from None
    return Product(str(body.get("server", "KalamDB")), version)


FIRST_PORT, PORTS = 20_000, 12_000
"""Ports of servers: below those that systems give away (from 32768 on Linux, 49152 elsewhere)."""


def free_name(wanted: Path) -> Path:
    """`wanted`, or with a number where there is one already."""
    names = (wanted, *(wanted.with_name(f"{wanted.name}-{number}") for number in range(2, 1000)))
    return next(name for name in names if not name.exists())


def free_port() -> int:
    """A loopback port that nothing listens on now, and that the system gives to nobody who asks for any port.

    One of those may be taken by the gate of another run, a port for each session, before a server that is
    about to start has it: its clients would then talk to the wrong server.

    Raises:
        TargetError: none is free.

    """
    for _ in range(100):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise TargetError(f"no free port between {FIRST_PORT} and {FIRST_PORT + PORTS}")


def new_password() -> str:
    """A password for a server that nobody else will use."""
    return secrets.token_urlsafe(18)

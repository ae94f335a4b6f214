"""A target: a server that answers, the driver that reaches it, and root's connection to it."""

from __future__ import annotations

import threading
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import httpx
from attrs import field, frozen

from kalam_props.drivers.http import HttpConnection
from kalam_props.drivers.protocol import Credential, Driver, Reply
from kalam_props.errors import ServerDiedError, TargetError, UsageError
from kalam_props.gate.handle import Gate
from kalam_props.history.events import Product
from kalam_props.targets.managed import HEALTH_PATH, ManagedServer, product_of

SETUP_DEADLINE_S = 30.0


@frozen
class Target:
    """What programs run against.

    Attributes:
        url: where the server answers.
        product: what the server calls itself.
        driver: how statements of programs reach it.
        root: root's credential, with a token.
        admin: root's own connection, for set-up, job records and cleaning up; not part of any history.
        managed: the server process, when it is ours to stop and kill.
        check_interval_s: how often it looks for tables to flush; None: not known.
        gate: stands between programs' clients and the server; None: they talk to it directly.

    """

    url: str
    product: Product
    driver: Driver
    root: Credential = field(repr=False)
    admin: HttpConnection = field(repr=False)
    managed: ManagedServer | None = None
    check_interval_s: float | None = None
    gate: Gate | None = None
    _turns: threading.Lock = field(factory=threading.Lock, repr=False)

    def ask(self, sql: str) -> Reply:
        """Run a statement as root, whatever comes of it. Thread-safe: statements take turns."""
        with self._turns:
            return self.admin.execute(sql, deadline_s=SETUP_DEADLINE_S)

    def rest(self) -> None:
        """Close root's idle connection: a server that is told to stop would wait for it."""
        with self._turns:
            self.admin.rest()

    def raise_if_dead(self, when: str) -> None:
        """Notice that a server of ours ended by itself: a finding, and the end of the run.

        Raises:
            ServerDiedError: it did; with the last lines of its log.

        """
        server = self.managed
        if server is not None and not server.running:
            raise ServerDiedError(
                f"the server ended by itself (exit {server.exit_code()}) {when}; "
                f"its data stays with the run; its log ends:\n{server.log_tail()}"
            )


def check_address(url: str, *, allow_remote: bool) -> str:
    """The URL without a trailing slash, when we may send programs to it.

    Raises:
        UsageError: not an http(s) URL, one with a password in it, or not loopback and `allow_remote` was
            not given.

    """
    parts = urlsplit(url)
    if parts.password is not None or parts.username is not None:
        raise UsageError(
            "the server's URL holds a user or a password; leave them out (it is printed in reports) and "
            "set KALAM_PROPS_ROOT_PASSWORD in the environment"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_valid_port(parts):
        raise UsageError(f"{url!r} is not a server's address; write it as http://127.0.0.1:8080")
    if not allow_remote and not _is_loopback(parts.hostname):
        raise UsageError(
            f"{parts.hostname} is not this machine; programs write, flush and drop tables there. "
            "Add --allow-remote if that is what you want"
        )
    return url.rstrip("/")


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine: an address as such, not a name that begins like one."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def probe(url: str) -> Product:
    """What the server at a URL calls itself.

    Raises:
        TargetError: nothing answers there, or something else does.

    """
    try:
        return product_of(httpx.get(url + HEALTH_PATH, timeout=5.0, trust_env=False))
    except httpx.HTTPError as error:
        raise TargetError(f"no server answers at {url} ({error}); is it running?") from None

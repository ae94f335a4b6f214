"""A `kalam` program: what it calls itself, what flags it has, and how it is told who asks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from kalam_props.drivers.protocol import Credential
from kalam_props.drivers.spawn import Child, Ended
from kalam_props.errors import TargetError
from kalam_props.history.events import Product

_START_S = 20.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LLVM_PROFILE_FILE")
"""What a client inherits of our environment. No proxy settings, and no HOME: it gets one of its own."""


@frozen
class Program:
    """How to run a client.

    Attributes:
        command: the program and its first arguments.
        environment: all of its environment; `HOME` is a folder of its own.
        product: name and version as it says them.
        user_flag: `--user`, or `--username` of older versions.
        reads_config: whether it takes a token from a file that `--config` names.

    """

    command: tuple[str, ...]
    environment: dict[str, str]
    product: Product
    user_flag: str
    reads_config: bool

    @property
    def name(self) -> str:
        return self.command[0] if len(self.command) == 1 else " ".join(self.command)

    def arguments(self, credential: Credential, url: str, config: Path) -> tuple[str, ...]:
        """The command line up to what is asked. A token goes into `config`, where `ps` does not show it.

        `kalam` takes a password from nowhere but its command line (or a terminal).
        """
        common = (*self.command, "-u", url, "--json", "--no-color", "--no-spinner")
        if credential.token is not None:
            if not self.reads_config:
                return (*common, "--token", credential.token)
            _write_config(config, credential.token)
            return (*common, "--config", str(config))
        if credential.password is not None:
            return (*common, self.user_flag, credential.user, "--password", credential.password)
        return (*common, self.user_flag, credential.user)


def inspect(command: Sequence[str], home: Path) -> Program:
    """Find out about a client by its `--version` and `--help`.

    Raises:
        TargetError: it cannot be run, or is no `kalam`; names it and says what it printed.

    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"HOME": str(home)}
    home.mkdir(parents=True, exist_ok=True)
    version = Child((*command, "--version"), environment).finish(_START_S)
    first = version.stdout.decode("utf-8", "replace").partition("\n")[0].split()
    if version.code != 0 or len(first) < 2:
        raise not_a_client(" ".join(command), version)
    help_text = Child((*command, "--help"), environment).finish(_START_S).stdout.decode("utf-8", "replace")
    if "--json" not in help_text:
        raise TargetError(f"{' '.join(command)} is no kalam client: its --help knows no --json")
    return Program(
        command=tuple(command),
        environment=environment,
        product=Product(first[0], first[1]),
        user_flag="--user" if "--user " in help_text else "--username",
        reads_config="--config " in help_text,
    )


def not_a_client(name: str, ended: Ended) -> TargetError:
    """The error for a program that prints what no `kalam` prints."""
    printed = (ended.stderr + ended.stdout).decode("utf-8", "replace").strip().partition("\n")[0]
    words = f"it printed {printed[:200]!r}" if printed else "it printed nothing"
    return TargetError(f"{name} does not answer as a kalam client does: exit code {ended.code}, {words}")


def _write_config(path: Path, token: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # Never resend: a statement that is sent twice is not the statement of the program any more.
        file.write(f'[auth]\njwt_token = "{token}"\n\n[server]\nmax_retries = 0\n')

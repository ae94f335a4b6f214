"""A `kalam` program: what it calls itself, what flags it has, and how it is told who asks."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from kalam_props.drivers.protocol import Credential
from kalam_props.drivers.spawn import Child, Ended
from kalam_props.errors import TargetError
from kalam_props.history.events import Product

_START_S = 20.0
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_NEEDED = frozenset({"--url", "--json", "--command"})
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LLVM_PROFILE_FILE")
"""What a client inherits of our environment. No proxy settings, and no HOME: it gets one of its own."""


@frozen
class Program:
    """How to run a client.

    Attributes:
        command: the program and its first arguments.
        environment: all of its environment; `HOME` is a folder of its own.
        product: name and version as it says them.
        flags: the long flags that it knows, such as `--user` (`--username` in older versions).

    """

    command: tuple[str, ...]
    environment: dict[str, str]
    product: Product
    flags: frozenset[str]

    @property
    def name(self) -> str:
        return " ".join(self.command)

    def arguments(self, credential: Credential, url: str, config: Path) -> tuple[str, ...]:
        """The command line up to what is asked; writes `config` for it, which is the caller's to remove.

        A token goes into that file, where `ps` does not show it. `kalam` takes a password from nowhere but
        its command line (or a terminal).
        """
        quiet = [flag for flag in ("--no-color", "--no-spinner") if flag in self.flags]
        words = [*self.command, "-u", url, "--json", *quiet]
        in_file = None
        if "--config" in self.flags:
            in_file = credential.token
            _write_config(config, in_file)
            words += ["--config", str(config)]
        if credential.token is None:
            user_flag = "--user" if "--user" in self.flags else "--username"
            words += [user_flag, credential.user, "--password", credential.password or ""]
        elif in_file is None:
            words += ["--token", credential.token]
        return tuple(words)

    def patience(self, seconds: int) -> tuple[str, ...]:
        """The argument that bounds the client's own waiting for an answer."""
        return (f"--receive-timeout={seconds}",) if "--receive-timeout" in self.flags else ()


def inspect(command: Sequence[str], home: Path) -> Program:
    """Find out about a client by its `--version` and `--help`.

    Raises:
        TargetError: it cannot be run, or is no `kalam`; names it and says what it printed.

    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"HOME": str(home)}
    home.mkdir(parents=True, exist_ok=True)
    version = Child((*command, "--version"), environment).finish(_START_S)
    first = version.stdout.decode("utf-8", "replace").partition("\n")[0].split()
    if version.code != 0:
        raise not_a_client(" ".join(command), version)
    help_text = Child((*command, "--help"), environment).finish(_START_S).stdout.decode("utf-8", "replace")
    flags = frozenset(_FLAG.findall(help_text))
    if len(first) < 2 or not flags >= _NEEDED:
        raise TargetError(
            f"{' '.join(command)} is no kalam client: its --help lacks {', '.join(sorted(_NEEDED - flags))}"
        )
    return Program(tuple(command), environment, Product(first[0], first[1]), flags)


def not_a_client(name: str, ended: Ended) -> TargetError:
    """The error for a program that prints what no `kalam` prints."""
    printed = (ended.stderr + ended.stdout).decode("utf-8", "replace").strip().partition("\n")[0]
    words = f"it printed {printed[:200]!r}" if printed else "it printed nothing"
    return TargetError(f"{name} does not answer as a kalam client does: exit code {ended.code}, {words}")


def new_config(home: Path) -> Path:
    """Where the configuration of one connection can be written; unique, also with one `home` for all."""
    return home / "identities" / f"{secrets.token_hex(8)}.toml"


def _write_config(path: Path, token: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if token is not None:
            file.write(f'[auth]\njwt_token = "{token}"\n\n')
        # Never resend: a statement that is sent twice is not the statement of the program any more.
        file.write("[server]\nmax_retries = 0\n")

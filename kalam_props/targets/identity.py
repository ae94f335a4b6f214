"""How programs act as their users: each with a login of its own, or root speaking for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.errors import SetupRefusedError, UsageError
from kalam_props.targets.target import Target
from kalam_props.targets.users import create_user, credential_of

Mode: TypeAlias = Literal["token", "login", "execute-as"]

CHOICES: tuple[str, ...] = ("auto", "login", "execute-as", "token")


@frozen
class Identity:
    """How users act, and why not in a more faithful way (empty when this is the most faithful).

    `token`: each user's own login, once, and its token for each process. `login`: user and password for each
    process. `execute-as`: root's token and `EXECUTE AS USER`.
    """

    mode: Mode
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.mode} ({self.reason})" if self.reason else self.mode


def choose(target: Target, wanted: str, probe_user: str) -> Identity:
    """The identity mode to use: the wanted one, or for `auto` the most faithful that works.

    `probe_user` is created (and left to the caller to drop) to see whether the client lets role `user` in.

    Raises:
        UsageError: the wanted mode does not work on this target; says its words.
        SetupRefusedError: neither works.

    """
    if wanted not in CHOICES:
        raise UsageError(f"unknown identity mode {wanted!r}; known are {', '.join(CHOICES)}")
    refused = "" if wanted == "execute-as" else _own_login(target, probe_user)
    if wanted in ("token", "login"):
        if refused:
            raise UsageError(f"identity {wanted} does not work here: {refused}; use --identity execute-as")
        return Identity("login" if wanted == "login" else "token")
    if wanted == "auto" and not refused:
        return Identity("token")
    answer = _execute_as(target, probe_user)
    if answer:
        raise SetupRefusedError(
            f"cannot act as a user: an own login fails ({refused or 'not tried'}) and so does "
            f"EXECUTE AS USER ({answer})"
        )
    return Identity("execute-as", f"an own login is refused by the client: {refused}" if refused else "")


def _own_login(target: Target, user: str) -> str:
    """Why the client does not let role `user` in; empty when it does."""
    credential = credential_of(target, user, create_user(target, user))
    connection = target.driver.connect(credential, url=target.url)
    try:
        reply = connection.execute("SELECT 1", deadline_s=20.0)
    finally:
        connection.close()
    return "" if reply.error is None else reply.error.message.strip().splitlines()[0]


def _execute_as(target: Target, user: str) -> str:
    """Why root cannot act as a user; empty when it can."""
    connection = target.driver.connect(target.root, url=target.url)
    try:
        reply = connection.execute(f"EXECUTE AS USER '{user}' (SELECT 1)", deadline_s=20.0)
    finally:
        connection.close()
    return "" if reply.error is None else reply.error.message.strip().splitlines()[0]

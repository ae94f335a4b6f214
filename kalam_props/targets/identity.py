"""How programs act as their users: each with a login of its own, or root speaking for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from kalam_props.drivers.protocol import Credential
from kalam_props.drivers.sql import ExecuteAs, execute_as
from kalam_props.errors import SetupRefusedError, TargetError, UsageError
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


def choose(target: Target, wanted: str, probe_user: str, form: ExecuteAs | None) -> Identity:
    """The identity mode to use: the wanted one, or for `auto` the most faithful that works.

    Args:
        target: where.
        wanted: one of `CHOICES`.
        probe_user: is created (and left to the caller to drop) to see whether role `user` is let in.
        form: how root speaks for others on this target; None: it cannot.

    Raises:
        UsageError: the wanted mode does not work on this target; says its words.
        SetupRefusedError: none works.

    """
    if wanted not in CHOICES:
        raise UsageError(f"unknown identity mode {wanted!r}; known are {', '.join(CHOICES)}")
    refused = "" if wanted == "execute-as" else own_login(target, probe_user, by_password=wanted == "login")
    if wanted in ("token", "login"):
        if refused:
            raise UsageError(f"identity {wanted} does not work here: {refused}; use --identity execute-as")
        return Identity("login" if wanted == "login" else "token")
    if wanted == "auto" and not refused:
        return Identity("token")
    if form is None:
        raise SetupRefusedError(
            f"cannot act as a user: an own login fails ({refused or 'not tried'}), and the server knows "
            "no EXECUTE AS"
        )
    if words := speaks_for(target, probe_user, form):
        raise SetupRefusedError(
            f"cannot act as a user: an own login fails ({refused or 'not tried'}), "
            f"and so does {form} ({words})"
        )
    return Identity("execute-as", _why_no_login(target, refused))


def own_login(target: Target, user: str, *, by_password: bool) -> str:
    """Why a new user of role `user` is not let in with this driver; empty when it is.

    Raises:
        SetupRefusedError: the user cannot be created.

    """
    password = create_user(target, user)
    try:
        credential = credential_of(target, user, password)
    except TargetError as error:
        return str(error)
    if by_password:
        credential = Credential(user, password=password)
    return _first_words(target, credential, "SELECT 1")


def speaks_for(target: Target, user: str, form: ExecuteAs) -> str:
    """Why root cannot act as a user with this driver; empty when it can."""
    return _first_words(target, target.root, execute_as("SELECT 1", user, form))


def _why_no_login(target: Target, refused: str) -> str:
    if not refused:
        return ""
    where = f"by {target.driver.client.name}" if target.driver.name != "http" else "by the server"
    return f"not an own login for each user, because that is refused {where}: {refused}"


def _first_words(target: Target, credential: Credential, sql: str) -> str:
    connection = target.driver.connect(credential, url=target.url)
    try:
        reply = connection.execute(sql, deadline_s=20.0)
    finally:
        connection.close()
    return "" if reply.error is None else reply.error.message.strip().splitlines()[0]

"""Users of a run: created with a random password, logged in once."""

from __future__ import annotations

from kalam_props.drivers.login import login
from kalam_props.drivers.protocol import Credential
from kalam_props.errors import SetupRefusedError
from kalam_props.targets.managed import new_password
from kalam_props.targets.target import Target


def create_user(target: Target, name: str) -> str:
    """Create a user of role `user`; its password.

    Raises:
        SetupRefusedError: the server refused; its words.

    """
    password = new_password()
    reply = target.ask(f"CREATE USER '{name}' WITH PASSWORD '{password}' ROLE user")
    if reply.error is not None:
        # A server may quote the statement that it refuses.
        words = reply.error.message.strip().replace(password, "…")
        raise SetupRefusedError(f"CREATE USER {name} was refused: {words}")
    return password


def credential_of(target: Target, name: str, password: str) -> Credential:
    """The user's credential with a token.

    Raises:
        TargetError: the login failed; the server's words.

    """
    return Credential(name, password=password, token=login(target.url, name, password))

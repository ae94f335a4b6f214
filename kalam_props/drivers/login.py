"""A token for a user, by one login over HTTP: else a process for each statement logs in each time."""

from __future__ import annotations

import httpx

from kalam_props.errors import TargetError

_PATH = "/v1/api/auth/login"


def login(url: str, user: str, password: str, *, timeout_s: float = 20.0) -> str:
    """The access token of `user`.

    Raises:
        TargetError: refused, or no answer; with the server's words.

    """
    try:
        # The environment's proxies are for the internet; a server under test is on this machine.
        answer = httpx.post(
            url + _PATH, json={"user": user, "password": password}, timeout=timeout_s, trust_env=False
        )
    except httpx.HTTPError as error:
        raise TargetError(f"cannot log in as {user} at {url}: {error or type(error).__name__}") from None
    token = _field(answer, "access_token")
    if answer.status_code != 200 or token is None:
        words = (
            ": ".join(filter(None, (_field(answer, "error"), _field(answer, "message")))) or answer.text[:200]
        )
        raise TargetError(f"the server at {url} refused the login of {user} ({answer.status_code}): {words}")
    return token


def _field(answer: httpx.Response, name: str) -> str | None:
    try:
        value = answer.json()[name]
    except (ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None

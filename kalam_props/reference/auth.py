"""Logins: passwords by bcrypt, tokens by JWT with a secret that stays with the data directory."""

from __future__ import annotations

import datetime as dt
import secrets
import threading
from collections import OrderedDict
from typing import Any, Literal, TypeAlias

import bcrypt
import jwt
from attrs import frozen

from kalam_props.reference.catalog import Catalog, User
from kalam_props.reference.definitions import hash_password
from kalam_props.reference.hot import HotStore, new_batch
from kalam_props.reference.refusals import Refusal
from kalam_props.reference.roles import ADMINISTRATORS, Caller

TokenKind: TypeAlias = Literal["access", "refresh"]

ISSUER = "kalam-props-reference"
LIFETIMES: dict[TokenKind, dt.timedelta] = {"access": dt.timedelta(hours=24), "refresh": dt.timedelta(days=7)}
KEPT_TOKENS = 4096

_UNKNOWN_USER_HASH = hash_password("checked for users that do not exist, so that both take as long")


@frozen
class Login:
    """The body of a successful login, and its two tokens for the cookies."""

    body: dict[str, Any]
    access: str
    refresh: str


class Auth:
    def __init__(self, store: HotStore, catalog: Catalog) -> None:
        self._catalog = catalog
        self._secret = _secret(store)
        self._seen: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def ensure_root(self, password: str | None) -> str | None:
        """Root with this password; without one, a new password (answered) unless root exists already."""
        if self._catalog.active_user("root") is not None:
            if password is not None:
                self._catalog.set_password("root", hash_password(password))
            return None
        made = password or secrets.token_urlsafe(12)
        self._catalog.create_user("root", "system", hash_password(made), None)
        return None if password else made

    def login(self, name: str, password: str) -> Login | None:
        """None for a wrong password and for an unknown user alike."""
        user = self._catalog.active_user(name)
        stored = user.password_hash if user else _UNKNOWN_USER_HASH
        if not bcrypt.checkpw(password.encode()[:72], stored.encode()) or user is None:
            return None
        return self._issue(user)

    def refresh(self, token: str) -> Login | None:
        claims = self._claims(token)
        if claims is None or claims.get("token_type") != "refresh":
            return None
        user = self._catalog.active_user(claims["sub"])
        return self._issue(user) if user else None

    def caller(self, authorization: str | None) -> Caller:
        """Whom an Authorization header stands for.

        Raises:
            Refusal: 401, there is none or it is no good.

        """
        user = self.user(authorization)
        return Caller(user.name, user.role)

    def user(self, authorization: str | None) -> User:
        if not authorization:
            raise Refusal("Authentication required", status=401, code="MISSING_AUTHORIZATION")
        scheme, _, token = authorization.partition(" ")
        claims = self._claims(token.strip()) if scheme.lower() == "bearer" else None
        user = self._catalog.active_user(claims["sub"]) if claims else None
        if user is None or claims is None or claims.get("token_type") != "access":
            raise Refusal("Invalid credentials", status=401, code="INVALID_CREDENTIALS")
        return user

    def _issue(self, user: User) -> Login:
        now = dt.datetime.now(dt.UTC)
        access, refresh = self._token(user, "access", now), self._token(user, "refresh", now)
        body = {
            "user": user_info(user),
            "admin_ui_access": user.role in ADMINISTRATORS,
            "expires_at": (now + LIFETIMES["access"]).isoformat(),
            "access_token": access,
            "refresh_token": refresh,
            "refresh_expires_at": (now + LIFETIMES["refresh"]).isoformat(),
        }
        return Login(body, access, refresh)

    def _token(self, user: User, kind: TokenKind, now: dt.datetime) -> str:
        claims = {
            "sub": user.name,
            "iss": ISSUER,
            "iat": now,
            "exp": now + LIFETIMES[kind],
            "role": user.role,
            "token_type": kind,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def _claims(self, token: str) -> dict[str, Any] | None:
        """What a valid token says. Kept for a while: checking a signature costs more than a small query."""
        with self._lock:
            known = self._seen.get(token)
        if known is not None:
            return known if known["exp"] > dt.datetime.now(dt.UTC).timestamp() else None
        try:
            claims: dict[str, Any] = jwt.decode(token, self._secret, algorithms=["HS256"], issuer=ISSUER)
        except jwt.InvalidTokenError:
            return None
        with self._lock:
            self._seen[token] = claims
            if len(self._seen) > KEPT_TOKENS:
                self._seen.popitem(last=False)
        return claims


def user_info(user: User) -> dict[str, Any]:
    return {
        "id": user.name,
        "role": user.role,
        "email": user.email,
        "created_at": _iso(user.created_at),
        "updated_at": _iso(user.updated_at),
    }


def _iso(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat()


def _secret(store: HotStore) -> str:
    for known in store.records("secret/jwt"):
        return str(known["value"])
    made = secrets.token_hex(32)
    batch = new_batch()
    store.record(batch, "secret/jwt", {"value": made})
    store.write(batch)
    return made

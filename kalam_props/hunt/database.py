"""Hypothesis' example databases by name: a folder, or a Redis that a team shares.

What they hold are draws of a machine that failed before; a hunt tries these first. They forget a draw that
passes once, so for races the seeds are what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import define
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from kalam_props.errors import TargetError, UsageError

_T = TypeVar("_T")


def open_database(name: str, tell: Callable[[str], None]) -> ExampleDatabase:
    """The database at `redis://…`, or in a folder.

    `tell`: told in a sentence when a Redis is gone; a hunt then goes on without it.

    Raises:
        UsageError: a Redis is named and its client library is not installed, or it is no such address.
        TargetError: it cannot be reached.

    """
    if not name.startswith(("redis://", "rediss://", "unix://")):
        return DirectoryBasedExampleDatabase(name)
    # Its address may hold a password.
    address = urlsplit(name)
    shown = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
    try:
        from hypothesis.extra.redis import RedisExampleDatabase  # noqa: PLC0415  # an extra of Hypothesis
        from redis import Redis, RedisError  # noqa: PLC0415  # as above
    except ImportError:
        raise UsageError(f"{shown} needs the client library: pip install 'hypothesis[redis]'") from None
    try:
        client = Redis.from_url(name)
        client.ping()
    except ValueError as error:
        raise UsageError(f"{shown}: {error}") from None
    except RedisError as error:
        raise TargetError(f"{shown} cannot be used as example database: {error}") from None
    return WhileThere(
        RedisExampleDatabase(client),
        RedisError,
        lambda error: tell(f"{shown} is gone, and not used any more: {error}"),
    )


@define(eq=False)
class WhileThere(ExampleDatabase):
    """A database that may be lost under way, which must not end a hunt: from then on it is empty."""

    held: ExampleDatabase
    lost_by: type[Exception]
    tell: Callable[[Exception], None]
    lost: bool = False

    def save(self, key: bytes, value: bytes) -> None:
        self._try(lambda: self.held.save(key, value), None)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        return self._try(lambda: list(self.held.fetch(key)), [])

    def delete(self, key: bytes, value: bytes) -> None:
        self._try(lambda: self.held.delete(key, value), None)

    def move(self, src: bytes, dest: bytes, value: bytes) -> None:
        self._try(lambda: self.held.move(src, dest, value), None)

    def _try(self, act: Callable[[], _T], otherwise: _T) -> _T:
        if not self.lost:
            try:
                return act()
            except self.lost_by as error:
                self.lost = True
                self.tell(error)
        return otherwise

"""Hypothesis' example databases by name: a folder, or a Redis that a team shares.

What they hold are draws of a machine that failed before; a hunt tries these first. They forget a draw that
passes once, so for races the seeds are what is kept.
"""

from __future__ import annotations

from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from kalam_props.errors import UsageError


def open_database(name: str) -> ExampleDatabase:
    """The database at `redis://…`, or in a folder.

    Raises:
        UsageError: a Redis is named and its client library is not installed.

    """
    if not name.startswith(("redis://", "rediss://", "unix://")):
        return DirectoryBasedExampleDatabase(name)
    try:
        from hypothesis.extra.redis import RedisExampleDatabase  # noqa: PLC0415  # an extra of Hypothesis
        from redis import Redis  # noqa: PLC0415  # as above
    except ImportError:
        raise UsageError(f"{name} needs the client library: pip install 'hypothesis[redis]'") from None
    return RedisExampleDatabase(Redis.from_url(name))

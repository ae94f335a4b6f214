"""Servers for the tests of the reference server, and the way to import the helpers beside this file."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server_process import serving  # importable only after the line above

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    """One healthy server that checks every 5 ms whether a flush is due."""
    with serving("--flush-check-interval", "0.005") as process:
        process.client().run("CREATE NAMESPACE ns")
        yield process


@pytest.fixture
def root(server):
    """A connection as root."""
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def table(root):
    """A fresh user table `ns.t<n>` (id BIGINT, v TEXT, n BIGINT) that is flushed only on command."""
    name = f"ns.t{next(_NUMBERS)}"
    root.run(f"CREATE USER TABLE {name} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT)")
    return name


@pytest.fixture
def busy_table(root):
    """The same table, flushed as soon as five hot row versions are there."""
    name = f"ns.t{next(_NUMBERS)}"
    root.run(f"CREATE USER TABLE {name} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT) FLUSH ROWS 5")
    return name

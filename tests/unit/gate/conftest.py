from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from gate_peers import Upstream

from kalam_props.gate.handle import Gate


@pytest.fixture
def behind() -> Iterator[Callable[[Callable[[socket.socket], None]], Gate]]:
    """Starts a server that runs this for each connection, and a gate in front of it."""
    owned: list[Upstream | Gate] = []

    def start(serve: Callable[[socket.socket], None]) -> Gate:
        upstream = Upstream(serve)
        owned.append(upstream)
        gate = Gate(upstream.url)
        owned.append(gate)
        return gate

    yield start
    for resource in reversed(owned):
        resource.close()

"""A plain subscriber for the tests of the reference server."""

from __future__ import annotations

import contextlib
import gzip
import json

from server_process import DEADLINE_S
from websockets.sync.client import connect

PROTOCOL = {"serialization": "json", "compression": "none"}


class Subscriber:
    """One WebSocket connection as one user."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, **message):
        self.connection.send(json.dumps(message))

    def next(self):
        frame = self.connection.recv(DEADLINE_S)
        return json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)

    def subscribe(self, sql, name="s", **more):
        self.send(type="subscribe", subscription={"id": name, "sql": sql, **more})
        return self.next()


@contextlib.contextmanager
def subscriber(server, token=None):
    with connect(f"ws://127.0.0.1:{server.port}/v1/ws", max_size=None, proxy=None) as connection:
        client = Subscriber(connection)
        client.send(type="authenticate", method="jwt", token=token or server.login(), protocol=PROTOCOL)
        assert client.next()["type"] == "auth_success"
        yield client

"""The reference server as a process, and a plain client for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PASSWORD = "open sesame"
DEADLINE_S = 30


class Refused(Exception):  # noqa: N818
    """An answer that is no success; `body` is its JSON, or None when it is not JSON."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def code(self):
        return self.body["error"]["code"]

    @property
    def message(self):
        return self.body["error"]["message"]


class Client:
    """One keep-alive connection as one user."""

    def __init__(self, port, token):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        self._token = token

    def deadline(self, seconds):
        """Wait so long for an answer from now on."""
        self._connection.sock.settimeout(seconds)

    def results(self, sql, **body):
        """`results` of a successful request."""
        status, answer = self.post("/v1/api/sql", {"sql": sql, **body})
        if status != 200:
            raise Refused(status, answer)
        return answer["results"]

    def run(self, sql, **body):
        """The only result of a request."""
        (result,) = self.results(sql, **body)
        return result

    def rows(self, sql, **body):
        return self.run(sql, **body)["rows"]

    def affected(self, sql):
        return self.run(sql)["row_count"]

    def post(self, path, body, headers=None):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        if self._token is not None and headers is None:
            sent["authorization"] = f"Bearer {self._token}"
        self._connection.request("POST", path, content, sent)
        return self._answer()

    def get(self, path, headers=None):
        self._connection.request("GET", path, headers=headers or {})
        return self._answer()

    def _answer(self):
        response = self._connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else None

    def close(self):
        self._connection.close()


class ServerProcess:
    """`python -m kalam_props.reference` until `stop` or `kill`; it also ends with this process."""

    def __init__(self, *arguments, data_dir: Path | None = None, environment=None):
        folder = ["--data-dir", str(data_dir)] if data_dir is not None else []
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("KALAM_PROPS_", "KALAMDB_"))}
        self._command = [sys.executable, "-m", "kalam_props.reference", "--exit-with-stdin"]
        self._command += [*arguments, *folder]
        self._environment = {**variables, **(environment or {"KALAM_PROPS_ROOT_PASSWORD": PASSWORD})}
        self.start()

    def start(self):
        """Start it, on its old data if it has a folder; on another port each time."""
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {self.process.communicate()[1].decode()}")
        self.ready = json.loads(line)
        self.port = int(self.ready["url"].rsplit(":", 1)[1])

    def login(self, user="root", password=PASSWORD):
        status, body = Client(self.port, None).post(
            "/v1/api/auth/login", {"user": user, "password": password}
        )
        if status != 200:
            raise Refused(status, body)
        return body["access_token"]

    def client(self, token=None) -> Client:
        return Client(self.port, token or self.login())

    def stats(self):
        return Client(self.port, None).get("/v1/reference/stats")[1]

    def stop(self) -> tuple[int, str]:
        """Exit code and standard error after SIGTERM."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors.decode()

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)


@contextlib.contextmanager
def serving(*arguments, data_dir=None) -> Iterator[ServerProcess]:
    server = ServerProcess(*arguments, data_dir=data_dir)
    try:
        yield server
        code, errors = server.stop()
        assert (code, errors) == (0, "")
    finally:
        if server.process.poll() is None:
            server.kill()


def eventually(condition: Callable[[], object], what: str):
    """The first true value of `condition`; fails after a deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise AssertionError(f"did not happen within {DEADLINE_S} s: {what}")


def flush(client: Client, table: str) -> None:
    """Flush a table and wait until it is done."""
    message = client.run(f"STORAGE FLUSH TABLE {table}")["message"]
    if "skipped: no pending" not in message:
        await_flushes(client, table)


def await_flushes(client: Client, table: str) -> None:
    eventually(lambda: not open_jobs(client, table), f"flush of {table}")


def open_jobs(client: Client, table: str):
    return client.rows(
        "SELECT job_id FROM system.jobs WHERE status IN ('queued', 'running') "
        f"AND parameters LIKE '%\"{table}\"%' LIMIT 1000"
    )


def together(*functions: Callable[[], object]) -> list[object]:
    """Run functions on threads of their own; their results, or the first exception of any."""
    results: list[object] = [None] * len(functions)
    errors: list[BaseException] = []

    def run(place, function):
        try:
            results[place] = function()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results

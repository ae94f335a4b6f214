"""What the drivers cost beside a bare shell loop of the same `kalam` commands.

    python benchmarks/drivers.py [--kalam PATH] [--server-url URL] [--operations N] [--rounds N]

Without `--server-url` a reference server is started (else root's password: KALAM_PROPS_ROOT_PASSWORD), and
without `--kalam` the compatible client is run. Every contender reads one row by its key, with a token, at
concurrency 1 and 4. Contenders take turns within each round, so that whatever else the machine does meets all
of them; the ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.login import login
from kalam_props.drivers.process import process_driver
from kalam_props.drivers.protocol import Connection, Credential, Driver
from kalam_props.drivers.session import session_driver
from kalam_props.reference.client import client_command
from kalam_props.targets.launch import reference
from kalam_props.targets.managed import ManagedServer, new_password

TABLE = f"kp_bench_{os.getpid()}.t"
STATEMENT = f"SELECT id, v, n FROM {TABLE} WHERE id = 1 LIMIT 1000"
CONCURRENCY = (1, 4)


def shell_loop(command: tuple[str, ...], url: str, token: str, home: Path) -> Callable[[int, int], None]:
    """The yardstick: `lanes` shell loops that start the client `each` times, its output thrown away."""
    words = (*command, "-u", url, "--token", token, "--json", "--no-color", "--no-spinner", "-c", STATEMENT)
    loop = f"i=0; while [ $i -lt $1 ]; do {shlex.join(words)} >/dev/null || exit 1; i=$((i+1)); done"

    def run(lanes: int, each: int) -> None:
        loops = [
            subprocess.Popen(
                ["/bin/sh", "-c", loop, "loop", str(each)], env={**os.environ, "HOME": str(home)}
            )
            for _ in range(lanes)
        ]
        assert [process.wait() for process in loops] == [0] * lanes

    return run


def driver_loop(driver: Driver, credential: Credential, url: str) -> Callable[[int, int], None]:
    """`lanes` threads with a connection each, as an execution has."""

    def one_lane(connection: Connection, each: int) -> None:
        for _ in range(each):
            reply = connection.execute(STATEMENT, deadline_s=30)
            assert reply.error is None, reply.error
            assert len(reply.results[0].rows) == 1

    def run(lanes: int, each: int) -> None:
        connections = [driver.connect(credential, url=url) for _ in range(lanes)]
        threads = [threading.Thread(target=one_lane, args=(c, each)) for c in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()

    return run


@contextmanager
def server(url: str | None) -> Iterator[tuple[str, Credential]]:
    """A server that is there, or a reference server for the time being; root's credential."""
    if url is not None:
        password = os.environ["KALAM_PROPS_ROOT_PASSWORD"]
        yield url, Credential("root", token=login(url, "root", password))
        return
    with tempfile.TemporaryDirectory() as folder:
        password = new_password()
        managed = ManagedServer(reference(password), Path(folder), Path(folder, "log"), password)
        managed.start()
        try:
            yield managed.url, Credential("root", token=login(managed.url, "root", password))
        finally:
            managed.close()


@contextmanager
def table(root: Connection) -> Iterator[None]:
    """The table of one row that everybody reads."""
    namespace = TABLE.partition(".")[0]
    for sql in (
        f"CREATE NAMESPACE {namespace}",
        f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT) WITH (TYPE='USER')",
        f"INSERT INTO {TABLE} (id, v, n) VALUES (1, 'u0·1·1·1', 0)",
    ):
        reply = root.execute(sql, deadline_s=30)
        assert reply.error is None, reply.error
    try:
        yield
    finally:
        root.execute(f"DROP TABLE {TABLE}", deadline_s=30)
        root.execute(f"DROP NAMESPACE {namespace} CASCADE", deadline_s=30)
        root.close()


def seconds(run: Callable[[int, int], None], lanes: int, each: int) -> float:
    began = time.perf_counter()
    run(lanes, each)
    return time.perf_counter() - began


def measure(
    contenders: dict[str, Callable[[int, int], None]], lanes: int, operations: int, rounds: int
) -> None:
    """One table of the report: each contender's operations a second, and its time over the shell loop's."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    each = max(1, operations // lanes)
    for run in contenders.values():
        run(lanes, 2)  # starts what is slow the first time
    for turn in range(rounds):
        order = list(contenders) if turn % 2 == 0 else list(reversed(contenders))
        for name in order:
            times[name].append(seconds(contenders[name], lanes, each))
    print(f"\nconcurrency {lanes}: {each * lanes} operations a round, {rounds} rounds")
    print(f"  {'':16}{'ops/s':>8}  {'ms/op a lane':>12}  {'time / shell loop':>18}")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times["shell loop"], strict=True))
        middle = statistics.median(own)
        print(f"  {name:16}{each * lanes / middle:8.0f}  {middle / each * 1e3:12.2f}  {ratio:18.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kalam", help="the client; default: the compatible one")
    parser.add_argument("--server-url", help="default: a reference server of its own")
    parser.add_argument("--operations", type=int, default=100, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    command = (options.kalam,) if options.kalam else client_command()
    with server(options.server_url) as (url, root), tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        process = process_driver(command, home)
        print(
            f"client {process.client.name} {process.client.version}, python {sys.version.split()[0]}",
            end=", ",
        )
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        assert root.token is not None
        contenders = {
            "shell loop": shell_loop(command, url, root.token, home),
            "process driver": driver_loop(process, root, url),
            "session driver": driver_loop(session_driver(command, home), root, url),
            "http driver": driver_loop(HttpDriver(), root, url),
        }
        with table(HttpDriver().connect(root, url=url)):
            for lanes in CONCURRENCY:
                measure(contenders, lanes, options.operations, options.rounds)


if __name__ == "__main__":
    main()

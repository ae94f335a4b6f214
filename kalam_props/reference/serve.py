"""Running a server: a socket, a data directory, the threads, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson
import uvicorn

from kalam_props.errors import TargetError
from kalam_props.reference.activity import Activity
from kalam_props.reference.app import SERVER_NAME, Service, make_app
from kalam_props.reference.auth import Auth
from kalam_props.reference.config import ServerConfig
from kalam_props.reference.database import Database
from kalam_props.reference.execution import Executor, Limits
from kalam_props.reference.fault_points import FaultPoints
from kalam_props.reference.flushing import FlushScheduler, run_job
from kalam_props.reference.jobs import JobQueue
from kalam_props.reference.queries import warm_up
from kalam_props.reference.rate_limit import RateLimit
from kalam_props.reference.request_faults import RequestFaults
from kalam_props.reference.stale_counts import StaleCounts
from kalam_props.reference.subscriptions import Subscriptions
from kalam_props.reference.system_tables import Server
from kalam_props.reference.transactions import PartitionLocks

HOST = "127.0.0.1"
REQUEST_THREADS = 48
SWITCH_INTERVAL_S = 0.0005
"""Python gives its lock away every 5 ms unless asked: too coarse for races of a millisecond."""

GRACE_S = 2
"""Requests that run at SIGTERM have so long to end; idle connections are closed at once."""


def run(config: ServerConfig) -> None:
    """Serve until a signal; see `kalam_props.reference.serve`."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    listener = _bind(config.port)
    with contextlib.closing(listener), _folder(config.data_dir) as folder:
        faults = FaultPoints(config.faults)
        database = Database(folder, faults)
        try:
            _serve(config, listener, database)
        finally:
            database.close()


def _serve(config: ServerConfig, listener: socket.socket, database: Database) -> None:
    activity = Activity()
    faults = database.faults
    auth = Auth(database.hot, database.catalog)
    made_password = auth.ensure_root(config.root_password)
    jobs = JobQueue(database.hot, lambda job: run_job(database, activity, job), config.max_flushes)
    scheduler = FlushScheduler(database, jobs, config.flush_check_interval)
    product_version = _version()
    executor = Executor(
        Server(database, jobs, activity, product_version),
        PartitionLocks(),
        Limits(config.default_query_limit, config.max_query_limit),
        StaleCounts(database),
        RequestFaults(faults),
    )
    threads = ThreadPoolExecutor(REQUEST_THREADS, thread_name_prefix="request")
    service = Service(
        executor,
        auth,
        RateLimit(config.max_queries_per_sec),
        Subscriptions(executor),
        threads,
        product_version,
        _built(),
    )
    threads.submit(warm_up)
    jobs.resume()
    scheduler.start()
    ready: dict[str, object] = {
        "ready": True,
        "url": f"http://{HOST}:{listener.getsockname()[1]}",
        "pid": os.getpid(),
        "server": SERVER_NAME,
        "version": product_version,
        "faults": [str(fault) for fault in config.faults],
    }
    if made_password is not None:
        ready["root_password"] = made_password
    try:
        asyncio.run(_run_http(service, listener, ready, exit_with_stdin=config.exit_with_stdin))
    finally:
        scheduler.stop()
        threads.shutdown(wait=True, cancel_futures=True)
        jobs.stop()


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handling: it would raise the signal again after an orderly stop."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


async def _run_http(
    service: Service, listener: socket.socket, ready: dict[str, object], *, exit_with_stdin: bool
) -> None:
    config = uvicorn.Config(
        make_app(service),
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    server = _HttpServer(config, lambda: _announce(ready))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    if exit_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(loop, stop), daemon=True).start()
    await server.serve(sockets=[listener])


def _announce(ready: dict[str, object]) -> None:
    line = orjson.dumps({**ready, "startup_ms": round(_ms_since_process_start(), 1)})
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
        loop.call_soon_threadsafe(stop)


def _bind(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that say that they
    # are TCP; with it every answer in two pieces waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise TargetError(f"port {port} on {HOST} cannot be used: {error.strerror}") from None
    return listener


@contextlib.contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="kalam-props-reference-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _version() -> str:
    try:
        return version("kalam-props")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


def _built() -> str:
    """When this code was installed; stands for a build date."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(Path(__file__).stat().st_mtime))


def _ms_since_process_start() -> float:
    try:
        fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1e3
    except (OSError, AttributeError, IndexError):  # not Linux: from when Python began to count
        return time.process_time() * 1e3

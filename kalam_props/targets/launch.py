"""How to start each kind of server that we can start: the reference server, and a kalamdb-server binary."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from kalam_props.targets.managed import Launch, PlanLaunch, free_port

REFERENCE_CHECK_INTERVAL_S = 0.05
KALAMDB_CHECK_INTERVAL_S = 1.0


def reference(root_password: str, faults: tuple[str, ...] = ()) -> PlanLaunch:
    """The reference server with faults, each as `name` or `name:k=v`; loopback, flush check every 50 ms."""

    def plan(port: int, data_dir: Path) -> Launch:
        switches = [word for fault in faults for word in ("--fault", fault)]
        argv = (sys.executable, "-m", "kalam_props.reference.fork_server", "--port", str(port))
        options = ("--data-dir", str(data_dir))
        interval = ("--flush-check-interval", str(REFERENCE_CHECK_INTERVAL_S))
        return Launch(
            (*argv, *options, *interval, *switches),
            {"KALAM_PROPS_ROOT_PASSWORD": root_password},
            forks=True,
        )

    return plan


def kalamdb(binary: Path, root_password: str) -> PlanLaunch:
    """A kalamdb-server binary: loopback only, checks for flushes every second, cheap bcrypt, no rate limits.

    Its own configuration file is written into the data folder at each start; the root password and the JWT
    secret go by environment.
    """
    jwt_secret = secrets.token_urlsafe(36)
    rpc_ports: dict[int, int] = {}

    def plan(port: int, data_dir: Path) -> Launch:
        # Through restarts its address in its cluster of one stays; with another port it takes another.
        rpc_port = rpc_ports.setdefault(port, free_port())
        configuration = data_dir / "server.toml"
        configuration.write_text(
            _KALAMDB_CONFIGURATION.format(
                port=port, rpc_port=rpc_port, data=data_dir / "data", interval=KALAMDB_CHECK_INTERVAL_S
            ),
            encoding="utf-8",
        )
        environment = {"KALAMDB_ROOT_PASSWORD": root_password, "KALAMDB_JWT_SECRET": jwt_secret}
        return Launch((str(binary.resolve()), str(configuration)), environment)

    return plan


_KALAMDB_CONFIGURATION = """\
[server]
host = "127.0.0.1"
port = {port}
workers = 2

[storage]
data_path = "{data}"

[flush]
check_interval_seconds = {interval:.0f}

[limits]
max_message_size = 1048576
max_query_limit = 1000
default_query_limit = 50

[logging]
level = "warn"
format = "compact"
logs_path = "{data}/logs"
log_to_console = true

[performance]
request_timeout = 30
keepalive_timeout = 75
max_connections = 25000

[rate_limit]
max_queries_per_sec = 1000000
max_messages_per_sec = 100000
max_subscriptions_per_user = 1000
max_auth_requests_per_ip_per_sec = 100000
max_requests_per_ip_per_sec = 1000000
max_connections_per_ip = 10000
enable_connection_protection = false

[authentication]
bcrypt_cost = 4

[cluster]
node_id = 1
rpc_addr = "127.0.0.1:{rpc_port}"
api_addr = "http://127.0.0.1:{port}"

[shutdown.flush]
timeout = 5
"""

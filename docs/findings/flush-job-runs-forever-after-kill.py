"""Kill a server while one of its flushes runs, start it again, and look whether that flush ever ends.

    export KALAM_URL=http://127.0.0.1:8080 KALAMDB_ROOT_PASSWORD=...
    python flush-job-runs-forever-after-kill.py [TRIES] -- kalamdb-server server.toml

What follows `--` starts the server in the foreground, on a data folder of its own. Each try begins with a new
table and meets its flush as `running`, or says that it did not. Exit 1 when a flush still ran 20 seconds
after the server was healthy again, 0 when none did.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

AT = sys.argv.index("--")
TRIES = int(sys.argv[1]) if AT > 1 else 10
COMMAND = sys.argv[AT + 1 :]
WATCHED_S = 20.0
ROWS = ", ".join(f"({key}, 'x')" for key in range(300))


def post(path: str, body: dict, token: str = "") -> dict:
    connection = http.client.HTTPConnection(urlsplit(os.environ["KALAM_URL"]).netloc, timeout=60)
    try:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        connection.request("POST", path, json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def ask(token: str, sql: str) -> dict:
    answer = post("/v1/api/sql", {"sql": sql}, token)
    return answer["results"][0] if answer["status"] == "success" else {"rows": [], **answer["error"]}


def start() -> tuple[subprocess.Popen[bytes], str]:
    """A server that is healthy, and a token of root."""
    server = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    login = {"user": "root", "password": os.environ["KALAMDB_ROOT_PASSWORD"]}
    for _ in range(600):
        try:
            return server, post("/v1/api/auth/login", login)["access_token"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            time.sleep(0.05)
    server.kill()
    server.wait()
    raise SystemExit(f"{' '.join(COMMAND)} was not healthy after 30 s")


def status(token: str, table: str) -> str:
    jobs = (
        "SELECT status FROM system.jobs WHERE job_type = 'flush' "
        f"AND parameters LIKE '%{table}%' ORDER BY created_at LIMIT 1"
    )
    rows = ask(token, jobs)["rows"]
    return str(rows[0][0]) if rows else "none"


def killed_while_running(server: subprocess.Popen[bytes], token: str, table: str) -> bool:
    """Flush a table of 300 rows, and kill the server as soon as that runs; whether it was met running."""
    ask(token, f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v TEXT) WITH (TYPE = 'USER')")
    ask(token, f"INSERT INTO {table} (id, v) VALUES {ROWS}")
    ask(token, f"STORAGE FLUSH TABLE {table}")
    end = time.monotonic() + 5
    while (seen := status(token, table)) not in ("running", "completed") and time.monotonic() < end:
        time.sleep(0.001)
    server.kill()
    server.wait()
    return seen == "running"


def main() -> int:
    namespace = f"kp_repro_{os.getpid()}"
    forever = met = 0
    server, token = start()
    try:
        ask(token, f"CREATE NAMESPACE {namespace}")
        for number in range(TRIES):
            table = f"{namespace}.t{number}"
            running = killed_while_running(server, token, table)
            server, token = start()
            met += running
            if not running:
                print(f"try {number + 1}: the flush was over before the kill")
                continue
            end = time.monotonic() + WATCHED_S
            while (seen := status(token, table)) == "running" and time.monotonic() < end:
                time.sleep(0.2)
            again = ask(token, f"STORAGE FLUSH TABLE {table}")
            forever += seen == "running"
            print(
                f"try {number + 1}: the flush is {seen}; another: {again.get('message', again)}", flush=True
            )
        ask(token, f"DROP NAMESPACE {namespace} CASCADE")
    finally:
        server.kill()
        server.wait()
    print(f"{forever} of {met} flushes that a kill met still ran {WATCHED_S:g} s after the restart")
    return 1 if forever else 0


if __name__ == "__main__":
    sys.exit(main())

"""Insert rows while a flush of their users runs, again and again, until a COUNT(*) says that some are gone.

KALAM_URL=http://127.0.0.1:8080 KALAM_TOKEN=... python rows-lost-beside-a-flush.py [SECONDS]

KALAM_TOKEN is a token of root. Exit 1 when rows were lost, 0 when not.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
from urllib.parse import urlsplit

USERS = 6
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 240.0
NAMESPACE = f"kp_repro_{os.getpid()}"
TABLE = f"{NAMESPACE}.t"
OPEN = (
    "SELECT status FROM system.jobs WHERE job_type = 'flush' AND status IN ('new', 'queued', 'running') "
    f"AND parameters LIKE '%{TABLE}%' LIMIT 5"
)


def ask(sql: str) -> list[dict]:
    """The results of a request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(os.environ["KALAM_URL"]).netloc, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {os.environ['KALAM_TOKEN']}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/api/sql", json.dumps({"sql": sql}), headers)
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answer["status"] != "success":
        raise SystemExit(f"{sql}: {answer['error']['message']}")
    return answer["results"]


def as_user(user: int, sql: str) -> list[dict]:
    return ask(f"EXECUTE AS USER 'kp_repro_u{user}' ({sql})")


def insert(user: int, key: int, delay: float = 0.0) -> None:
    time.sleep(delay)
    as_user(user, f"INSERT INTO {TABLE} (id, v) VALUES ({key}, 'x')")


def cycle(number: int) -> None:
    """A row of each user, a flush, and another row of each at some moment of it."""
    for user in range(USERS):
        insert(user, 10 * number)
    ask(f"STORAGE FLUSH TABLE {TABLE}")
    while (jobs := ask(OPEN)[0]["rows"]) and jobs[0][0] != "running":
        time.sleep(0.002)
    beside = [
        threading.Thread(target=insert, args=(user, 10 * number + 1, random.uniform(0, 0.12)))
        for user in range(USERS)
    ]
    for thread in beside:
        thread.start()
    for thread in beside:
        thread.join()
    while ask(OPEN)[0]["rows"]:
        time.sleep(0.01)


def lost(cycles: int) -> int:
    counts = [int(as_user(user, f"SELECT COUNT(*) FROM {TABLE}")[0]["rows"][0][0]) for user in range(USERS)]
    print(f"{cycles} cycles, {2 * cycles} rows of each user inserted; counted {counts}", flush=True)
    return sum(2 * cycles - count for count in counts)


def main() -> int:
    ask(f"CREATE NAMESPACE {NAMESPACE}")
    try:
        ask(f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, v TEXT) WITH (TYPE = 'USER')")
        end = time.monotonic() + SECONDS
        cycles = 0
        while time.monotonic() < end:
            cycle(cycles)
            cycles += 1
            if cycles % 10 == 0 and lost(cycles):
                return 1
        return 1 if lost(cycles) else 0
    finally:
        ask(f"DROP NAMESPACE {NAMESPACE} CASCADE")


if __name__ == "__main__":
    sys.exit(main())

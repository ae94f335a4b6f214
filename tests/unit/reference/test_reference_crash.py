"""What a kill -9 leaves: everything acknowledged, nothing half done."""

from __future__ import annotations

import http.client
import random
import threading
import time

import pytest
from server_process import ServerProcess, await_flushes, serving

TABLE = "ns.t"
BATCH = 5


def _load(server, stop, log, user):
    """Insert batches and update their first row until the server is gone; `log` gets what was answered."""
    client = server.client(log["token"])
    number = 0
    try:
        while not stop.is_set():
            number += 1
            base = number * BATCH
            rows = ", ".join(f"({base + place}, 'row {base + place}', 0)" for place in range(BATCH))
            log["invoked"] = number
            client.run(f"EXECUTE AS USER '{user}' (INSERT INTO {TABLE} (id, v, n) VALUES {rows})")
            log["inserted"] = number
            log["updating"] = base
            client.run(f"EXECUTE AS USER '{user}' (UPDATE {TABLE} SET n = {number} WHERE id = {base})")
            log["updated"] = number
            if number == 150:
                break
    except (OSError, http.client.HTTPException):
        pass  # killed


def _flushing(server, stop, token):
    client = server.client(token)
    try:
        while not stop.is_set():
            client.run(f"STORAGE FLUSH TABLE {TABLE}")
    except (OSError, http.client.HTTPException):
        pass  # killed


@pytest.mark.parametrize("attempt", range(6))
def test_acknowledged_writes_survive_a_kill(tmp_path, attempt):
    """After kill -9 under load, flushes included: acknowledged rows are there, batches whole."""
    server = ServerProcess("--flush-check-interval", "0.005", data_dir=tmp_path)
    client = server.client()
    client.run("CREATE NAMESPACE ns")
    client.run(f"CREATE USER TABLE {TABLE} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT) FLUSH ROWS 12")
    token = server.login()
    stop = threading.Event()
    logs = {user: {"token": token, "invoked": 0, "inserted": 0, "updated": 0} for user in ("u0", "u1")}
    threads = [threading.Thread(target=_load, args=(server, stop, log, user)) for user, log in logs.items()]
    threads.append(threading.Thread(target=_flushing, args=(server, stop, token)))
    for thread in threads:
        thread.start()
    time.sleep(random.Random(attempt).uniform(0.05, 0.6))  # the moment of the kill, not a wait
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()

    with serving(data_dir=tmp_path) as restarted:
        client = restarted.client(token)
        await_flushes(client, TABLE)
        for _ in range(2):  # as it is, and after another flush of everything
            for user, log in logs.items():
                _check(client, user, log)
            client.run(f"STORAGE FLUSH TABLE {TABLE}")
            await_flushes(client, TABLE)
        # Sequence numbers go on rising, so that a new version wins over what was there.
        client.run(f"EXECUTE AS USER 'u0' (INSERT INTO {TABLE} (id, v) VALUES (1, 'after'))")
        client.run(f"EXECUTE AS USER 'u0' (DELETE FROM {TABLE} WHERE id = 1)")
        assert client.rows(f"EXECUTE AS USER 'u0' (SELECT id FROM {TABLE} WHERE id = 1)") == []


def _check(client, user, log):
    rows = client.rows(f"EXECUTE AS USER '{user}' (SELECT id, v, n FROM {TABLE} ORDER BY id LIMIT 1000)")
    keys = [int(key) for key, _, _ in rows]
    assert len(keys) % BATCH == 0
    batches = len(keys) // BATCH
    assert log["inserted"] <= batches <= log["invoked"]
    assert keys == list(range(BATCH, (batches + 1) * BATCH))
    assert all(value == f"row {key}" for key, value, _ in rows)
    for number in range(1, log["updated"] + 1):
        assert rows[(number - 1) * BATCH][2] == str(number)
    (counted,) = client.rows(f"EXECUTE AS USER '{user}' (SELECT COUNT(*) FROM {TABLE})")
    assert counted == [str(len(keys))]


def test_job_that_was_queued_at_a_kill_runs_after_the_restart(tmp_path):
    """A flush that was asked for before the kill is completed by the next process, under its own id."""
    server = ServerProcess(data_dir=tmp_path)
    client = server.client()
    client.run("CREATE NAMESPACE ns")
    client.run(f"CREATE USER TABLE {TABLE} (id BIGINT PRIMARY KEY, v TEXT)")
    for number in range(20):
        rows = ", ".join(f"({number * 100 + place}, '{'x' * 200}')" for place in range(100))
        client.run(f"INSERT INTO {TABLE} (id, v) VALUES {rows}")
    message = client.run(f"STORAGE FLUSH TABLE {TABLE}")["message"]
    server.kill()
    with serving(data_dir=tmp_path) as restarted:
        client = restarted.client()
        await_flushes(client, TABLE)
        jobs = dict(client.rows("SELECT job_id, status FROM system.jobs"))
        assert jobs[message.rsplit(" ", 1)[1]] == "completed"
        assert client.rows(f"SELECT COUNT(*) FROM {TABLE}") == [["2000"]]


def test_files_that_were_never_published_are_removed(tmp_path):
    """A Parquet file that no manifest names is gone after a start, and was never read."""
    with serving(data_dir=tmp_path) as server:
        client = server.client()
        client.run("CREATE NAMESPACE ns")
        client.run(f"CREATE USER TABLE {TABLE} (id BIGINT PRIMARY KEY, v TEXT)")
        client.run(f"INSERT INTO {TABLE} (id, v) VALUES (1, 'a')")
        client.run(f"STORAGE FLUSH TABLE {TABLE}")
        await_flushes(client, TABLE)
    (published,) = tmp_path.rglob("*.parquet")
    stray = published.with_name("batch-99.parquet")
    stray.write_bytes(published.read_bytes())
    (published.parent / "batch-100.tmp").write_bytes(b"half")
    with serving(data_dir=tmp_path) as server:
        client = server.client()
        assert client.rows(f"SELECT id, v FROM {TABLE}") == [["1", "a"]]
    assert list(tmp_path.rglob("batch-*")) == [published]

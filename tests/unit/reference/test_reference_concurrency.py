"""A healthy server has no anomaly, with flushes and compactions running through everything."""

from __future__ import annotations

import random
import threading
import time

import pytest
from server_process import Refused, await_flushes, together

DURATION_S = 2.0


@pytest.fixture
def churn(server, busy_table):
    """A thread that flushes and compacts `busy_table` without a pause; tests run beside it."""
    stop = threading.Event()
    failures = []

    def run():
        client = server.client()
        try:
            while not stop.is_set():
                client.run(f"STORAGE FLUSH TABLE {busy_table}")
                if random.random() < 0.1:
                    client.run(f"STORAGE COMPACT TABLE {busy_table}")
        except Exception as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    thread = threading.Thread(target=run)
    before = server.stats()["activity"]
    thread.start()
    yield
    stop.set()
    thread.join()
    assert not failures
    after = server.stats()["activity"]
    assert after["flushes"] > before["flushes"]
    assert after["requests_overlapping_flushes"] > before["requests_overlapping_flushes"]
    assert after["requests_overlapping_requests"] > before["requests_overlapping_requests"]


def _until(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


@pytest.mark.usefixtures("churn")
def test_no_acknowledged_increment_is_lost(server, busy_table):
    """The final value of a counter is the number of increments that said that they changed it."""
    server.client().run(f"INSERT INTO {busy_table} (id, n) VALUES (1, 0), (2, 0)")

    def increment(key):
        client = server.client()
        return sum(
            client.affected(f"UPDATE {busy_table} SET n = n + 1 WHERE id = {key}") for _ in _until(DURATION_S)
        )

    first, second, third, fourth = together(*(lambda key=key: increment(key) for key in (1, 1, 2, 2)))
    rows = server.client().rows(f"SELECT id, n FROM {busy_table} ORDER BY id LIMIT 1000")
    assert rows == [["1", str(first + second)], ["2", str(third + fourth)]]


@pytest.mark.usefixtures("churn")
def test_one_of_several_inserts_of_a_key_succeeds(server, busy_table):
    """Of concurrent inserts of one key exactly one is acknowledged, and its row is the one that is there."""
    barrier = threading.Barrier(4)
    rounds = 60

    def insert(name):
        client = server.client()
        won = []
        for key in range(rounds):
            barrier.wait()
            try:
                client.run(f"INSERT INTO {busy_table} (id, v) VALUES ({key}, '{name}')")
                won.append(key)
            except Refused as refused:
                if "Primary key violation" not in refused.message:
                    raise
        return won

    winners = together(*(lambda name=name: insert(name) for name in "abcd"))
    assert sorted(key for won in winners for key in won) == list(range(rounds))
    expected = {str(key): name for name, won in zip("abcd", winners, strict=True) for key in won}
    assert dict(server.client().rows(f"SELECT id, v FROM {busy_table} LIMIT 1000")) == expected


@pytest.mark.usefixtures("churn")
def test_scans_see_whole_inserts_and_a_prefix_of_them(server, busy_table):
    """Batches of one writer appear whole and in order; what was acknowledged before a scan is in it."""
    state = {"invoked": 0, "acknowledged": 0}
    size = 7

    def write():
        client = server.client()
        for _ in _until(DURATION_S):
            number = state["invoked"] = state["invoked"] + 1
            rows = ", ".join(f"({number * size + place}, 'batch {number}')" for place in range(size))
            client.run(f"INSERT INTO {busy_table} (id, v) VALUES {rows}")
            state["acknowledged"] = number
            if number == 120:  # more would not fit below the limit of one answer
                break

    def read(sql, keys_of):
        client = server.client()
        scans = 0
        for _ in _until(DURATION_S):
            before = state["acknowledged"]
            keys = keys_of(client.rows(sql))
            after = state["invoked"]
            assert len(keys) % size == 0
            batches = len(keys) // size
            assert sorted(keys) == list(range(size, (batches + 1) * size))
            assert before <= batches <= after
            scans += 1
        return scans

    def scan():
        sql = f"SELECT id, v FROM {busy_table} LIMIT 1000"
        return read(sql, lambda rows: [int(key) for key, _ in rows])

    def count():
        sql = f"SELECT COUNT(*) FROM {busy_table}"
        return read(sql, lambda rows: range(size, size + int(rows[0][0])))

    _, scans, counts = together(write, scan, count)
    assert scans > 10
    assert counts > 10


@pytest.mark.usefixtures("churn")
def test_transfers_never_change_a_total(server, busy_table):
    """A scan sees both updates of a transaction or none, whatever is hot and cold meanwhile."""
    accounts = 5
    rows = ", ".join(f"({key}, 100)" for key in range(accounts))
    server.client().run(f"INSERT INTO {busy_table} (id, n) VALUES {rows}")

    def transfer(seed):
        client = server.client()
        chosen = random.Random(seed)
        for _ in _until(DURATION_S):
            one, other = chosen.sample(range(accounts), 2)
            client.results(
                f"BEGIN; UPDATE {busy_table} SET n = n - 1 WHERE id = {one}; "
                f"UPDATE {busy_table} SET n = n + 1 WHERE id = {other}; COMMIT"
            )

    def audit():
        client = server.client()
        sums = [client.rows(f"SELECT SUM(n), COUNT(*) FROM {busy_table}")[0] for _ in _until(DURATION_S)]
        assert len(sums) > 10
        assert all(found == [str(100 * accounts), str(accounts)] for found in sums)

    together(lambda: transfer(1), lambda: transfer(2), audit)


@pytest.mark.usefixtures("churn")
def test_every_row_is_a_register(server, busy_table):
    """A read answers the last write of a row that ended before it, or one that it overlapped."""
    keys = range(6)
    writes = {key: [(0.0, 0.0, None)] for key in keys}  # began, ended, value (None: no row)
    reads = []

    def write(mine, seed):
        client = server.client()
        chosen = random.Random(seed)
        for value, _ in enumerate(_until(DURATION_S)):
            key = chosen.choice(mine)
            exists = writes[key][-1][2] is not None
            began = time.perf_counter()
            if not exists:
                new = f"{seed}-{value}"
                writes[key].append((began, float("inf"), new))
                changed = client.affected(f"INSERT INTO {busy_table} (id, v) VALUES ({key}, '{new}')")
            elif chosen.random() < 0.5:
                new = f"{seed}-{value}"
                writes[key].append((began, float("inf"), new))
                changed = client.affected(f"UPDATE {busy_table} SET v = '{new}' WHERE id = {key}")
            else:
                new = None
                writes[key].append((began, float("inf"), new))
                changed = client.affected(f"DELETE FROM {busy_table} WHERE id = {key}")
            assert changed == 1
            writes[key][-1] = (began, time.perf_counter(), new)

    def read(seed):
        client = server.client()
        chosen = random.Random(seed)
        for _ in _until(DURATION_S):
            began = time.perf_counter()
            if chosen.random() < 0.5:
                key = chosen.choice(keys)
                rows = client.rows(f"SELECT id, v FROM {busy_table} WHERE id = {key} LIMIT 1000")
                asked = [key]
            else:
                rows = client.rows(f"SELECT id, v FROM {busy_table} LIMIT 1000")
                asked = list(keys)
            ended = time.perf_counter()
            assert len({key for key, _ in rows}) == len(rows)
            found = {int(key): value for key, value in rows}
            reads.extend((began, ended, key, found.get(key)) for key in asked)

    together(lambda: write([0, 1, 2], 1), lambda: write([3, 4, 5], 2), lambda: read(3), lambda: read(4))
    assert len(reads) > 100
    for began, ended, key, value in reads:
        last_before = max(place for place, write_ in enumerate(writes[key]) if write_[1] < began)
        legal = [written for start, _, written in writes[key][last_before:] if start <= ended]
        assert value in legal, (key, value, legal)


@pytest.mark.usefixtures("churn")
def test_users_never_meet(server, busy_table):
    """Users with the same keys each find exactly their own rows and an exact count, all the time."""

    def work(user):
        client = server.client()
        mine = {}

        def as_user(sql):
            return client.run(f"EXECUTE AS USER '{user}' ({sql})")

        for number, _ in enumerate(_until(DURATION_S)):
            key = number % 50
            value = f"{user} {number}"
            if key in mine:
                as_user(f"UPDATE {busy_table} SET v = '{value}' WHERE id = {key}")
            else:
                as_user(f"INSERT INTO {busy_table} (id, v) VALUES ({key}, '{value}')")
            mine[key] = value
            rows = as_user(f"SELECT id, v FROM {busy_table} LIMIT 1000")["rows"]
            assert {int(key): value for key, value in rows} == mine
            assert len(rows) == len(mine)
            assert as_user(f"SELECT COUNT(*) FROM {busy_table}")["rows"] == [[str(len(mine))]]

    together(*(lambda user=user: work(user) for user in ("ada", "bob", "eve")))
    await_flushes(server.client(), busy_table)

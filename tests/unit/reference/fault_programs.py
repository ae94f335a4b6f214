"""For each fault the smallest program that can show it: true when the anomaly was seen in this one run.

Each takes a `Trial`: a fresh table, connections, and lanes that start within some ten microseconds of each
other. Offsets are drawn, since a tester does not know the moment either; it is asked to find it.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable

from server_process import Refused, await_flushes, eventually, serving
from server_subscriber import subscriber

from kalam_props.reference import FAULTS

_NUMBERS = itertools.count(1)
SPREAD_S = 0.02
"""Offsets against a flush are drawn from this much time."""

MEETING_S = 0.008
"""Offsets of requests that are to meet are drawn from this much."""

USER_PASSWORD = "open sesame too"
HANG_S = 3.0
"""Without an answer for so long, and then for good: see `hang_at_flush`."""


class Trial:
    """One run of a program: table `t`, connections by number."""

    def __init__(self, server, token):
        self.server = server
        self._token = token
        self._clients = {}
        self.t = f"trial.t{next(_NUMBERS)}_{random.randrange(16**6):x}"
        self[0].run(f"CREATE USER TABLE {self.t} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT)")

    def __getitem__(self, number):
        if number not in self._clients:
            self._clients[number] = self.server.client(self._token)
        return self._clients[number]

    def close(self):
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def restart(self):
        """Kill the server and start it again on its data."""
        self.close()
        self.server.kill()
        self.server.start()

    @contextlib.contextmanager
    def subscribed(self):
        """The changes of user `u0`'s rows, as one who subscribed to them is told."""
        with subscriber(self.server, self.server.login("u0", USER_PASSWORD)) as live:
            live.subscribe(f"SELECT * FROM {self.t}")
            yield live

    def run(self, sql, number=0):
        return self[number].run(sql.format(t=self.t))

    def rows(self, sql, number=0):
        return self.run(sql, number)["rows"]

    def insert(self, *keys, user="u0", number=0, value=None):
        values = ", ".join(f"({key}, '{value or f'{user} {key}'}', 0)" for key in keys)
        return self.run(f"EXECUTE AS USER '{user}' (INSERT INTO {{t}} (id, v, n) VALUES {values})", number)

    def scan(self, user="u0", number=0):
        """Rows by key; a key that comes twice is an anomaly of its own and shows in the list."""
        sql = f"EXECUTE AS USER '{user}' (SELECT id, v, n FROM {{t}} LIMIT 1000)"
        return [(int(key), value, None if n is None else int(n)) for key, value, n in self.rows(sql, number)]

    def keys(self, user="u0", number=0):
        return sorted(key for key, _, _ in self.scan(user, number))

    def count(self, user="u0", number=0):
        return int(self.rows(f"EXECUTE AS USER '{user}' (SELECT COUNT(*) FROM {{t}})", number)[0][0])

    def write(self, sql, user="u0", number=0):
        return self.run(f"EXECUTE AS USER '{user}' ({sql})", number)["row_count"]

    def start_flush(self, number=0):
        self.run("STORAGE FLUSH TABLE {t}", number)

    def flush(self):
        self.start_flush()
        await_flushes(self[0], self.t)

    def settle(self):
        await_flushes(self[0], self.t)

    def lanes(self, *lanes):
        """Run (offset in seconds, function) at their offsets from one common instant; results, or Refused."""
        for number in range(len(lanes)):
            self[number].get("/health")  # connected before the start
        results = [None] * len(lanes)
        start = []
        barrier = threading.Barrier(len(lanes), lambda: start.append(time.perf_counter() + 0.001))

        def lane(place, offset, function):
            barrier.wait()
            while (left := start[0] + offset - time.perf_counter()) > 0:
                # Not a loop without sleep: it would keep the other lanes from their moments.
                time.sleep(left - 0.0003 if left > 0.0003 else 0)
            try:
                results[place] = function(place)
            except Refused as refused:
                results[place] = refused

        threads = [threading.Thread(target=lane, args=(place, *item)) for place, item in enumerate(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


def _anywhere():
    return random.uniform(0, SPREAD_S)


def _soon():
    return random.uniform(0, MEETING_S)


def lost_on_flush(trial):
    trial.insert(1)
    trial.lanes((0, trial.start_flush), (_anywhere(), lambda at: trial.insert(2, number=at)))
    trial.settle()
    return trial.keys() != [1, 2]


def boundary_row_dropped(trial):
    trial.run("DROP TABLE {t}")
    trial.run("CREATE USER TABLE {t} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT) FLUSH ROWS 2")
    trial.insert(1, 2)
    trial.start_flush()
    trial.settle()
    return trial.keys() != [1, 2]


def seen_twice(trial):
    trial.insert(1)
    _, keys = trial.lanes((0, trial.start_flush), (_anywhere(), lambda at: trial.keys(number=at)))
    return keys == [1, 1]


def gone_between(trial):
    trial.insert(1)
    _, keys = trial.lanes((0, trial.start_flush), (_anywhere(), lambda at: trial.keys(number=at)))
    return keys == [] and bool(eventually(lambda: trial.keys() == [1], "the row is there"))


def foreign_flush(trial):
    trial.insert(1, user="u0")
    trial.insert(2, user="u1")
    trial.flush()
    return trial.keys("u0") == [1, 2] or trial.keys("u1") == [1, 2]


def tombstone_dropped(trial):
    trial.insert(1)
    trial.flush()
    trial.write("DELETE FROM {t} WHERE id = 1")
    trial.flush()
    return trial.keys() == [1]


def old_version_flushed(trial):
    trial.insert(1)
    trial.write("UPDATE {t} SET n = n + 1 WHERE id = 1")
    trial.flush()
    return trial.scan() == [(1, "u0 1", 0)]


def shifted_column(trial):
    trial.insert(1, 2)
    trial.flush()
    return sorted(trial.scan()) == [(1, "u0 2", 0), (2, "u0 1", 0)]


def stale_manifest(trial):
    trial.insert(1)
    _, keys = trial.lanes((0, trial.start_flush), (_anywhere(), lambda at: trial.keys(number=at)))
    return keys == [] and bool(eventually(lambda: trial.keys() == [1], "the row is there"))


def hot_only_count(trial):
    trial.insert(1)
    _, count = trial.lanes((0, trial.start_flush), (_anywhere(), lambda at: trial.count(number=at)))
    return count == 0


def stale_count(trial):
    trial.insert(1)
    time.sleep(random.uniform(0, 0.1))  # a drawn offset, not a wait for something
    return trial.count() == 0


def stale_snapshot(trial):
    trial.insert(1)
    time.sleep(_anywhere())
    return trial.keys() == []


def stale_index(trial):
    trial.insert(1)
    trial.write("UPDATE {t} SET v = 'new' WHERE id = 1")
    time.sleep(_anywhere())
    return trial.rows("EXECUTE AS USER 'u0' (SELECT v FROM {t} WHERE id = 1)") == [["u0 1"]]


def split_scan(trial):
    def two(at):
        trial.insert(1, number=at)
        trial.insert(2, number=at)

    _, keys = trial.lanes((_anywhere(), two), (0, lambda at: trial.keys(number=at)))
    return keys == [2]


def foreign_file(trial):
    for user in ("u0", "u1"):
        trial.insert(1, user=user)
    trial.flush()
    trial.keys("u0")
    return trial.scan("u1") == [(1, "u0 1", 0)]


def torn_batch(trial):
    _, keys = trial.lanes(
        (_soon(), lambda at: trial.insert(1, 2, number=at)),
        (_soon(), lambda at: trial.keys(number=at)),
    )
    return len(keys) == 1


def update_race(trial):
    trial.insert(1)
    changed = trial.lanes(
        *[(_soon(), lambda at: trial.write("UPDATE {t} SET n = n + 1 WHERE id = 1", number=at)) for _ in "ab"]
    )
    return sum(changed) == 2 and trial.scan() == [(1, "u0 1", 1)]


def insert_race(trial):
    results = trial.lanes(*[(_soon(), lambda at: trial.insert(1, number=at)) for _ in "ab"])
    return not any(isinstance(result, Refused) for result in results)


def delete_race(trial):
    trial.insert(1)
    changed = trial.lanes(
        *[(_soon(), lambda at: trial.write("DELETE FROM {t} WHERE id = 1", number=at)) for _ in "ab"]
    )
    return changed == [1, 1]


def version_tie(trial):
    trial.insert(1)
    time.sleep(SPREAD_S)  # the insert's own moment is over, unless the window is longer

    def increment(at):
        return trial.write("UPDATE {t} SET n = n + 1 WHERE id = 1", number=at)

    changed = trial.lanes((0, increment), (_anywhere(), increment))
    return sum(changed) == 2 and trial.scan()[0][2] < 2


def sequence_collision(trial):
    trial.lanes(
        (0, lambda at: trial.insert(1, number=at)), (_anywhere(), lambda at: trial.insert(2, number=at))
    )
    return len(trial.keys()) == 1


def keys_not_per_user(trial):
    results = trial.lanes(
        (_soon(), lambda at: trial.insert(1, user="u0", number=at)),
        (_soon(), lambda at: trial.insert(1, user="u1", number=at)),
    )
    return any(isinstance(result, Refused) for result in results)


def refused_batch_seen(trial):
    trial.insert(1)
    refused, keys = trial.lanes(
        (_soon(), lambda at: trial.insert(1, 2, number=at)),
        (_soon(), lambda at: trial.keys(number=at)),
    )
    assert isinstance(refused, Refused)
    return keys == [1, 2]


def applied_but_refused(trial):
    try:
        trial.insert(1)
    except Refused as refused:
        return "Primary key violation" in refused.message and trial.keys() == [1]
    return False


def dropped_rows_return(trial):
    trial.insert(1)
    trial.run("DROP TABLE {t}")
    trial.run("CREATE USER TABLE {t} (id BIGINT PRIMARY KEY, v TEXT, n BIGINT)")
    return trial.keys() == [1]


def keys_folded(trial):
    trial.run("CREATE USER TABLE {t}_texts (id TEXT PRIMARY KEY, v TEXT)")
    trial.write("INSERT INTO {t}_texts (id, v) VALUES ('a', 'one')")
    try:
        trial.write("INSERT INTO {t}_texts (id, v) VALUES ('A', 'another')")
    except Refused as refused:
        return "Primary key violation" in refused.message
    return False


def shared_identity(trial):
    for user in ("u0", "u1"):
        trial.insert(1, user=user)
    results = trial.lanes(
        (0, lambda at: trial.scan("u0", number=at)),
        (_anywhere(), lambda at: trial.scan("u1", number=at)),
    )
    return results != [[(1, "u0 1", 0)], [(1, "u1 1", 0)]]


swapped_answers = shared_identity


def error_under_load(trial):
    results = trial.lanes(*[(_soon(), lambda at: trial.scan(number=at)) for _ in "abc"])
    return any(isinstance(result, Refused) and result.status == 500 for result in results)


def hang_at_flush(trial):
    trial.insert(1)

    def write(at):
        trial[at].deadline(HANG_S)
        try:
            trial.insert(2, number=at)
        except TimeoutError:
            return True
        return False

    _, hung = trial.lanes((0, trial.start_flush), (_anywhere(), write))
    trial.settle()
    # A slow answer is none of this fault: what hung was not done, and never will be.
    return hung and trial.keys() == [1]


def not_durable(trial):
    trial.insert(1)
    trial.restart()
    return trial.keys() == []


hot_not_replayed = not_durable


def flush_replayed(trial):
    trial.insert(1)
    trial.flush()
    trial.write("DELETE FROM {t} WHERE id = 1")
    trial.restart()
    return trial.keys() == [1]


def missed_notification(trial):
    with trial.subscribed() as live:
        trial.insert(1)
        trial.insert(2)
        return _told(live, trial) != ["1", "2"]


def notification_twice(trial):
    with trial.subscribed() as live:
        trial.insert(1)
        return _told(live, trial) == ["1", "1"]


def foreign_notification(trial):
    with trial.subscribed() as live:
        trial.insert(1, user="u1")
        return _told(live, trial) == ["1"]


def notification_overtaken(trial):
    with trial.subscribed() as live:
        trial.insert(1)
        time.sleep(_anywhere())
        trial.insert(2)
        return [live.next()["rows"][0]["id"] for _ in range(2)] == ["2", "1"]


def _told(live, trial):
    """The keys of the changes until now: another subscription is acknowledged after them."""
    live.send(type="subscribe", subscription={"id": "end", "sql": f"SELECT * FROM {trial.t}"})
    told = []
    while (message := live.next())["type"] == "change":
        told.append(message["rows"][0]["id"])
    return told


PROGRAMS: dict[str, Callable[[Trial], bool]] = {name: globals()[name.replace("-", "_")] for name in FAULTS}

RESTARTING = ("not-durable", "hot-not-replayed", "flush-replayed")
"""Half a second each, and each on data of its own."""


@contextlib.contextmanager
def trying(*faults, data_dir):
    """A server for programs, with faults switched on, and a function that makes one trial there."""
    switches = [word for fault in faults for word in ("--fault", fault)]
    with serving("--flush-check-interval", "0", *switches, data_dir=data_dir) as server:
        token = server.login()
        client = server.client(token)
        client.run("CREATE NAMESPACE trial")
        client.run(f"CREATE USER 'u0' WITH PASSWORD '{USER_PASSWORD}' ROLE user")
        client.close()

        def attempt(name):
            trial = Trial(server, token)
            try:
                return PROGRAMS[name](trial)
            finally:
                trial.close()

        yield server, attempt

"""Live subscriptions: every change once, in order, to those whose rows they are."""

from __future__ import annotations

import json

import pytest
from server_process import DEADLINE_S, flush, together
from server_subscriber import PROTOCOL, Subscriber, subscriber
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def test_changes_come_as_they_are_committed(server, root, table):
    """Insert, update and delete, one message each, in the recorded shape."""
    with subscriber(server) as live:
        ack = live.subscribe(f"SELECT * FROM {table}")
        assert (ack["type"], ack["subscription_id"]) == ("subscription_ack", "s")
        assert ack["batch_control"]["status"] == "ready"
        assert [field["name"] for field in ack["schema"]] == ["id", "v", "n", "_seq", "_deleted"]
        root.run(f"INSERT INTO {table} (id, v) VALUES (4, 'four')")
        inserted = live.next()
        seq = inserted["rows"][0].pop("_seq")
        assert inserted == {
            "type": "change",
            "subscription_id": "s",
            "change_type": "insert",
            "rows": [{"id": "4", "v": "four", "n": None, "_deleted": False}],
        }
        root.run(f"UPDATE {table} SET v = 'four2' WHERE id = 4")
        updated = live.next()
        assert updated["change_type"] == "update"
        newer = updated["rows"][0].pop("_seq")
        assert int(newer) > int(seq)
        assert updated["rows"] == [{"id": "4", "v": "four2"}]
        assert updated["old_values"] == [{"id": "4", "v": "four", "_seq": seq}]
        root.run(f"DELETE FROM {table} WHERE id = 4")
        deleted = live.next()
        assert deleted["change_type"] == "delete"
        assert int(deleted["old_values"][0].pop("_seq")) > int(newer)
        assert deleted["old_values"] == [{"id": "4", "v": "four2", "n": None, "_deleted": True}]


def test_initial_rows_come_in_batches_when_asked_for(server, root, table):
    """With options, hot and cold rows come first, oldest version first, batch by batch."""
    root.run(f"INSERT INTO {table} (id, v) VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    flush(root, table)
    root.run(f"UPDATE {table} SET v = 'uno' WHERE id = 1")
    with subscriber(server) as live:
        ack = live.subscribe(f"SELECT id, v FROM {table}", options={"batch_size": 2})
        assert ack["batch_control"]["has_more"] is True
        first = live.next()
        assert first["type"] == "initial_data_batch"
        assert [(row["id"], row["v"]) for row in first["rows"]] == [("2", "two"), ("3", "three")]
        assert set(first["rows"][0]) == {"id", "v", "_seq"}
        assert first["batch_control"]["has_more"] is True
        live.send(type="next_batch", subscription_id="s", last_seq_id=first["batch_control"]["last_seq_id"])
        second = live.next()
        assert [(row["id"], row["v"]) for row in second["rows"]] == [("1", "uno")]
        assert second["batch_control"]["has_more"] is False
        root.run(f"DELETE FROM {table} WHERE id = 2")
        assert live.next()["change_type"] == "delete"


def test_only_matching_rows_and_columns_are_told(server, root, table):
    """WHERE decides by the row as it is now; leaving the condition by an update tells nothing."""
    with subscriber(server) as live:
        live.subscribe(f"SELECT v FROM {table} WHERE n > 5")
        root.run(f"INSERT INTO {table} (id, v, n) VALUES (1, 'low', 1), (2, 'high', 9)")
        root.run(f"UPDATE {table} SET n = 2 WHERE id = 2")
        root.run(f"UPDATE {table} SET n = 8 WHERE id = 1")
        messages = [live.next(), live.next()]
    assert [message["change_type"] for message in messages] == ["insert", "update"]
    (row,) = messages[0]["rows"]
    assert (row["id"], row["v"], set(row)) == ("2", "high", {"id", "v", "_seq"})
    assert messages[1]["rows"][0]["id"] == "1"


def test_nothing_is_told_of_what_did_not_happen_or_is_anothers(server, root, table):
    """Rollbacks, no-op updates, flushes and others' rows tell nothing; a transaction tells at its end."""
    with subscriber(server) as live:
        live.subscribe(f"SELECT * FROM {table}")
        root.results(f"BEGIN; INSERT INTO {table} (id) VALUES (1); ROLLBACK")
        root.run(f"EXECUTE AS USER 'another' (INSERT INTO {table} (id) VALUES (2))")
        root.results(
            f"BEGIN; INSERT INTO {table} (id, n) VALUES (3, 1); UPDATE {table} SET n = 2 WHERE id = 3; COMMIT"
        )
        root.run(f"UPDATE {table} SET n = 2 WHERE id = 3")
        flush(root, table)
        root.run(f"DELETE FROM {table} WHERE id = 3")
        messages = [live.next() for _ in range(3)]
    assert [message["change_type"] for message in messages] == ["insert", "update", "delete"]


def test_concurrent_writers_are_told_once_each_and_in_order(server, root, busy_table):
    """Changes of one partition by four connections: each once, in order, no gap at the start."""
    each = 60
    root.run(f"INSERT INTO {busy_table} (id) VALUES (-1)")

    def write(seed):
        client = server.client()
        for number in range(each):
            client.run(f"INSERT INTO {busy_table} (id) VALUES ({seed * 1000 + number})")

    def follow():
        keys, seqs = [], []
        with subscriber(server) as live:
            live.subscribe(f"SELECT id FROM {busy_table}", options={"batch_size": 1000})
            while len(keys) < 4 * each + 1:
                message = live.next()
                keys += [int(row["id"]) for row in message["rows"]]
                seqs += [int(row["_seq"]) for row in message["rows"]]
        return keys, seqs

    *_, (keys, seqs) = together(*(lambda seed=seed: write(seed) for seed in range(4)), follow)
    assert sorted(keys) == [-1, *sorted(seed * 1000 + number for seed in range(4) for number in range(each))]
    assert seqs == sorted(set(seqs))


def test_unsubscribed_and_replaced_subscriptions_are_silent(server, root, table):
    """After `unsubscribe` nothing comes; the same id again takes the place of the first."""
    with subscriber(server) as live:
        live.subscribe(f"SELECT * FROM {table}", name="a")
        live.subscribe(f"SELECT id FROM {table}", name="a")
        root.run(f"INSERT INTO {table} (id, v) VALUES (1, 'x')")
        assert set(live.next()["rows"][0]) == {"id", "_seq"}
        live.send(type="unsubscribe", subscription_id="a")
        live.subscribe(f"SELECT id FROM {table} WHERE id = 9", name="b")
        root.run(f"INSERT INTO {table} (id) VALUES (2), (9)")
        assert live.next()["subscription_id"] == "b"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM ns.nope", "NOT_FOUND"),
        ("SELECT * FROM {t} ORDER BY id", "INVALID_SQL"),
        ("SELECT * FROM {t} LIMIT 5", "INVALID_SQL"),
        ("INSERT INTO {t} (id) VALUES (1)", "INVALID_SQL"),
        ("SELECT 1", "INVALID_SQL"),
        ("EXECUTE AS USER 'x' (SELECT * FROM {t})", "INVALID_SQL"),
    ],
)
def test_what_cannot_be_subscribed_to_has_a_code(server, table, sql, code):
    """The connection goes on after a refused subscription."""
    with subscriber(server) as live:
        refused = live.subscribe(sql.format(t=table), name="e")
        assert (refused["type"], refused["subscription_id"], refused["code"]) == ("error", "e", code)
        assert live.subscribe(f"SELECT * FROM {table}")["type"] == "subscription_ack"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "authenticate", "token": "x"}, 1011),
        ({"type": "authenticate", "method": "jwt", "token": "x", "protocol": PROTOCOL}, 1008),
        ({"type": "nonsense"}, 1011),
        ({"type": "subscribe", "subscription": {"id": "a", "sql": "SELECT 1"}}, 1008),
    ],
)
def test_connection_that_does_not_authenticate_is_closed(server, first, code):
    """The close code says why."""
    with connect(f"ws://127.0.0.1:{server.port}/v1/ws", proxy=None) as connection:
        connection.send(json.dumps(first))
        with pytest.raises(ConnectionClosed) as closed:
            list(iter(lambda: connection.recv(DEADLINE_S), None))
        assert closed.value.rcvd.code == code


def test_authorization_header_is_enough(server, root, table):
    """A client that sends its token with the request, as `kalam` does, is told at once that it is in."""
    headers = {"authorization": f"Bearer {server.login()}"}
    address = f"ws://127.0.0.1:{server.port}/v1/ws"
    with connect(address, additional_headers=headers, proxy=None) as connection:
        live = Subscriber(connection)
        assert live.next()["type"] == "auth_success"
        live.subscribe(f"SELECT id FROM {table}")
        root.run(f"INSERT INTO {table} (id) VALUES (1)")
        assert live.next()["rows"][0]["id"] == "1"


def test_role_user_may_follow_its_own_rows_and_not_private_shared_tables(server, root, table):
    """UNAUTHORIZED for a private shared table, rows of its own otherwise."""
    root.run("CREATE USER 'follower' WITH PASSWORD 'pw' ROLE user")
    root.run("CREATE TABLE IF NOT EXISTS ns.private_shared (id BIGINT PRIMARY KEY)")
    token = server.login("follower", "pw")
    with subscriber(server, token) as live:
        assert live.subscribe("SELECT * FROM ns.private_shared")["code"] == "UNAUTHORIZED"
        assert live.subscribe(f"SELECT * FROM {table}")["type"] == "subscription_ack"
        root.run(f"INSERT INTO {table} (id) VALUES (1)")
        server.client(token).run(f"INSERT INTO {table} (id) VALUES (2)")
        assert live.next()["rows"][0]["id"] == "2"

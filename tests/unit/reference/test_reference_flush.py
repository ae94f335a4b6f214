"""Flushes and compactions: when they run, what they say of themselves, and that nobody notices."""

from __future__ import annotations

import json

import pytest
from server_process import Refused, await_flushes, eventually, flush, open_jobs

KEY = "SELECT id, v, n FROM {} ORDER BY id LIMIT 1000"


def manifest(client, table):
    rows = client.rows(
        f"SELECT sync_state, manifest_json FROM system.manifest "
        f"WHERE cache_key = '{table.replace('.', ':')}:root'"
    )
    return [(state, json.loads(text)["segments"]) for state, text in rows]


def test_flush_says_what_it_did(root, table):
    """Nothing pending, started, completed: the answer and the job in system.jobs."""
    nothing = f"Storage flush skipped: no pending writes for table '{table}'"
    assert root.run(f"STORAGE FLUSH TABLE {table}")["message"] == nothing
    root.run(f"INSERT INTO {table} (id) VALUES (1), (2), (3)")
    root.run(f"DELETE FROM {table} WHERE id = 2")
    message = root.run(f"STORAGE FLUSH TABLE {table}")["message"]
    started, job = message.split(" Job ID: ")
    assert started == f"Storage flush started for table '{table}'."
    assert job.startswith("FL-")
    await_flushes(root, table)
    ((job_type, status, text, key, parameters, began, ended),) = root.rows(
        "SELECT job_type, status, message, idempotency_key, parameters, started_at, finished_at "
        f"FROM system.jobs WHERE job_id = '{job}'"
    )
    namespace, name = table.split(".")
    assert (job_type, status) == ("flush", "completed")
    assert json.loads(text) == {"message": f"Flushed {namespace}:{name} successfully (2 rows, 1 files)"}
    assert key == f"flush-{namespace}-{name}"
    assert json.loads(parameters)["table_id"] == table
    assert began <= ended
    assert root.run(f"STORAGE FLUSH TABLE {table}")["message"] == nothing


def test_manifest_shows_what_is_cold(root, table):
    """No entry before the first write; pending, then in sync with a segment that counts its rows."""
    assert manifest(root, table) == []
    root.run(f"INSERT INTO {table} (id) VALUES (1), (2)")
    assert manifest(root, table) == [("pending_write", [])]
    flush(root, table)
    ((state, (segment,)),) = manifest(root, table)
    assert (state, segment["row_count"]) == ("in_sync", 2)
    assert segment["min_seq"] < segment["max_seq"]


def test_one_file_for_each_user(root, table):
    """A flush of several users writes a file for each and counts their rows together."""
    for user in ("ada", "bob"):
        root.run(f"EXECUTE AS USER '{user}' (INSERT INTO {table} (id, v) VALUES (1, '{user}'))")
    job = root.run(f"STORAGE FLUSH TABLE {table}")["message"].rsplit(" ", 1)[1]
    await_flushes(root, table)
    ((text,),) = root.rows(f"SELECT message FROM system.jobs WHERE job_id = '{job}'")
    assert "(2 rows, 2 files)" in text
    for user in ("ada", "bob"):
        assert root.rows(f"EXECUTE AS USER '{user}' (SELECT id, v FROM {table})") == [["1", user]]


def test_row_count_over_all_users_and_all_versions_starts_a_flush(root, busy_table):
    """Updates and deletes count, and so do the rows of every user: 2 + 1 + 1 + 1 versions reach 5."""
    root.run(f"INSERT INTO {busy_table} (id, n) VALUES (1, 0), (2, 0)")
    root.run(f"EXECUTE AS USER 'ada' (INSERT INTO {busy_table} (id) VALUES (1))")
    root.run(f"UPDATE {busy_table} SET n = 1 WHERE id = 1")
    assert manifest(root, busy_table)[0][0] == "pending_write"
    assert root.rows(f"SELECT job_id FROM system.jobs WHERE parameters LIKE '%\"{busy_table}\"%'") == []
    root.run(f"DELETE FROM {busy_table} WHERE id = 2")
    eventually(lambda: manifest(root, busy_table)[0][0] == "in_sync", "automatic flush")
    await_flushes(root, busy_table)
    ((status, key),) = root.rows(
        f"SELECT status, idempotency_key FROM system.jobs WHERE parameters LIKE '%\"{busy_table}\"%'"
    )
    assert status == "completed"
    assert key.startswith(f"FL:{busy_table.replace('.', ':')}:")
    assert root.rows(KEY.format(busy_table)) == [["1", None, "1"]]


def test_flush_all_starts_one_job_for_each_table_with_pending_rows(root):
    """Tables without hot rows are left out."""
    root.run("CREATE NAMESPACE flushed")
    for name in ("a", "b", "c"):
        root.run(f"CREATE USER TABLE flushed.{name} (id BIGINT PRIMARY KEY)")
    for name in ("a", "b"):
        root.run(f"INSERT INTO flushed.{name} (id) VALUES (1)")
    message = root.run("STORAGE FLUSH ALL IN flushed")["message"]
    assert message.startswith("Storage flush started for 2 table(s) in namespace 'flushed'. Job IDs: [FL-")
    eventually(lambda: not open_jobs(root, "flushed.a") and not open_jobs(root, "flushed.b"), "both flushes")


@pytest.mark.parametrize("flushes", [1, 2, 5])
def test_versions_in_any_tier_make_one_row(root, table, flushes):
    """Insert, update, delete and re-insert with flushes in between: always the newest version, once."""
    history = [
        (f"INSERT INTO {table} (id, v, n) VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)", ["abc", "000"]),
        (f"UPDATE {table} SET n = n + 1 WHERE id = 2", ["abc", "010"]),
        (f"DELETE FROM {table} WHERE id = 1", [" bc", " 10"]),
        (f"INSERT INTO {table} (id, v, n) VALUES (1, 'd', 5)", ["dbc", "510"]),
        (f"UPDATE {table} SET v = 'x' WHERE n < 5", ["dxx", "510"]),
        (f"DELETE FROM {table} WHERE v = 'x'", ["d  ", "5  "]),
    ]
    for number, (statement, (values, numbers)) in enumerate(history):
        root.run(statement)
        if number % flushes == 0:
            flush(root, table)
        expected = [
            [str(key), value, counter]
            for key, value, counter in zip((1, 2, 3), values, numbers, strict=True)
            if value != " "
        ]
        assert root.rows(KEY.format(table)) == expected
        assert root.rows(f"SELECT COUNT(*) FROM {table}") == [[str(len(expected))]]
        for key, value, _ in expected:
            assert root.rows(f"SELECT v FROM {table} WHERE id = {key}") == [[value]]


def test_cold_keys_stay_unique(root, table):
    """A key that only a file knows is still taken, until it is deleted."""
    root.run(f"INSERT INTO {table} (id) VALUES (1)")
    flush(root, table)
    with pytest.raises(Refused, match="value '1' already exists"):
        root.run(f"INSERT INTO {table} (id) VALUES (1)")
    root.run(f"DELETE FROM {table} WHERE id = 1")
    flush(root, table)
    assert root.run(f"INSERT INTO {table} (id) VALUES (1)")["message"] == "Inserted 1 row(s)"


def test_compaction_leaves_one_file_and_the_same_rows(root, table):
    """Several files with updates and tombstones become one; nothing changes for a reader."""
    for number in range(4):
        root.run(f"INSERT INTO {table} (id, n) VALUES ({number}, 0), ({number + 10}, 0)")
        root.run(f"UPDATE {table} SET n = n + 1 WHERE id = {number // 2}")
        root.run(f"DELETE FROM {table} WHERE id = {number + 9}")
        flush(root, table)
    rows = root.rows(KEY.format(table))
    assert len(manifest(root, table)[0][1]) == 4
    root.run(f"STORAGE COMPACT TABLE {table}")
    await_flushes(root, table)
    ((_, segments),) = manifest(root, table)
    assert len(segments) == 1
    assert root.rows(KEY.format(table)) == rows


def test_both_forms_of_the_flush_policy_are_the_same(root):
    """`FLUSH ROWS n` of the first generation, `FLUSH_POLICY='rows:n'` of the second."""
    root.run("DROP TABLE IF EXISTS ns.first")
    root.run("DROP TABLE IF EXISTS ns.second")
    root.run(
        "CREATE USER TABLE ns.first (id INTEGER PRIMARY KEY, message TEXT, timestamp BIGINT) FLUSH ROWS 2"
    )
    root.run(
        "CREATE TABLE ns.second (id INTEGER PRIMARY KEY, message TEXT, timestamp BIGINT) "
        "WITH (TYPE='USER', FLUSH_POLICY='rows:2,interval:60')"
    )
    for table in ("ns.first", "ns.second"):
        root.run(f"INSERT INTO {table} (id, message, timestamp) VALUES (1, 'a', 1), (2, 'b', 2)")
        eventually(lambda table=table: manifest(root, table)[0][0] == "in_sync", f"flush of {table}")


def test_tables_without_policy_are_never_flushed_by_themselves(root, table):
    """No policy: many rows stay hot while other tables are flushed."""
    root.run(f"INSERT INTO {table} (id) VALUES " + ", ".join(f"({key})" for key in range(200)))
    root.run("DROP TABLE IF EXISTS ns.other")
    root.run("CREATE USER TABLE ns.other (id BIGINT PRIMARY KEY) FLUSH ROWS 1")
    root.run("INSERT INTO ns.other (id) VALUES (1)")
    eventually(lambda: manifest(root, "ns.other")[0][0] == "in_sync", "flush of the other table")
    assert manifest(root, table) == [("pending_write", [])]

"""Subscriptions with every driver, on the reference server: live, told, refused, ended, lost."""

from __future__ import annotations

import threading
import time

import pytest

from kalam_props.drivers.protocol import Credential
from kalam_props.errors import StorageError
from kalam_props.programs.model import TableDef
from kalam_props.targets.opening import TargetOptions, open_run

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")
DRIVERS = ("process", "session", "http")
LONG = "x" * 2000
"""Longer than what comes uncompressed."""


@pytest.fixture(scope="module", params=DRIVERS)
def workspace(request, tmp_path_factory):
    options = TargetOptions(driver=request.param, gate=False)
    with open_run(options, tmp_path_factory.mktemp(request.param)) as opened:
        opened.create_table("live", TABLE)
        yield opened


class Heard:
    """Collects notices; `until` waits for so many."""

    def __init__(self):
        self.notices = []
        self.news = threading.Condition()

    def __call__(self, notice):
        with self.news:
            self.notices.append(notice)
            self.news.notify_all()

    def until(self, number):
        with self.news:
            assert self.news.wait_for(lambda: len(self.notices) >= number, 30), self.notices
            return list(self.notices)


def subscribe(workspace, tell, table="live", credential=None):
    target = workspace.target
    return target.driver.subscribe(
        credential or target.root,
        f"SELECT id, v FROM {workspace.qualified(table)}",
        url=target.url,
        tell=tell,
    )


def write(workspace, *statements):
    for statement in statements:
        reply = workspace.target.ask(statement.format(workspace.qualified("live")))
        assert reply.error is None, reply


def test_first_rows_then_every_change_in_its_order(workspace):
    """Nothing of the time before but its rows; long values too; nothing after the end."""
    write(workspace, "INSERT INTO {} (id, v) VALUES (1, '" + LONG + "'), (2, 'b')")
    heard = Heard()
    feed = subscribe(workspace, heard)
    assert feed.await_live(30).error is None
    (first,) = heard.until(1)
    assert first.change == "initial"
    assert sorted(row["v"] for row in first.rows) == ["b", LONG]
    write(
        workspace,
        "INSERT INTO {} (id, v) VALUES (3, '" + LONG + "c')",
        "UPDATE {} SET v = 'd' WHERE id = 3",
        "DELETE FROM {} WHERE id = 2",
    )
    changes = heard.until(4)[1:]
    assert [notice.change for notice in changes] == ["insert", "update", "delete"]
    assert changes[0].rows[0]["v"] == LONG + "c"
    assert (changes[1].rows[0]["id"], changes[1].rows[0]["v"]) == ("3", "d")
    assert changes[2].old[0]["id"] == "2"
    feed.close()
    feed.close()
    assert feed.lost is None
    write(workspace, "DELETE FROM {} WHERE id < 10")
    assert len(heard.notices) == 4


def test_a_table_that_is_not_there_is_refused(workspace):
    """In the server's words, and for certain."""
    feed = subscribe(workspace, Heard(), table="nowhere")
    reply = feed.await_live(30)
    feed.close()
    assert reply.done is False
    assert (reply.error.code, "Table not found" in reply.error.message) == ("not-found", True)


def test_a_token_that_is_none_is_refused(workspace):
    """Before anything was subscribed to."""
    feed = subscribe(workspace, Heard(), credential=Credential("root", token="nonsense"))
    reply = feed.await_live(30)
    feed.close()
    assert (reply.done, reply.error.code) == (False, "permission")


def test_what_the_listener_raises_is_raised_to_the_owner(workspace):
    """A history that cannot be written ends the run, not only the thread that wrote it."""
    write(workspace, "INSERT INTO {} (id, v) VALUES (9, 'a')")

    def refuse(_notice):
        raise StorageError("the disk is full")

    feed = subscribe(workspace, refuse)
    with pytest.raises(StorageError, match="disk is full"):
        feed.await_live(30)
    feed.close()
    write(workspace, "DELETE FROM {} WHERE id = 9")


def test_nobody_there_is_an_error_of_the_connection(workspace):
    """It was never live."""
    target = workspace.target
    feed = target.driver.subscribe(target.root, "SELECT 1", url="http://127.0.0.1:1", tell=Heard())
    reply = feed.await_live(30)
    feed.close()
    assert reply.error.code == "connection"


def test_a_connection_that_the_server_ends_is_lost(tmp_path, workspace):
    """And says so; nobody had closed it."""
    name = workspace.target.driver.name
    with open_run(TargetOptions(driver=name, gate=False), tmp_path) as own:
        own.create_table("live", TABLE)
        feed = subscribe(own, Heard())
        assert feed.await_live(30).error is None
        assert feed.lost is None
        own.target.managed.kill()
        deadline = time.monotonic() + 30
        while feed.lost is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # the end of a connection is announced in no other way
        feed.close()
        own.target.managed.start()

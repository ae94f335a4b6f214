"""Example databases that are shared: a folder, or a Redis, which may be gone without ending a hunt."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis.database import ExampleDatabase, InMemoryExampleDatabase

from kalam_props.errors import TargetError, UsageError
from kalam_props.hunt.database import WhileThere, open_database

NAME = "redis://reader:a-secret@127.0.0.1:6379/0"
SHOWN = "redis://127.0.0.1:6379/0"


class GoneError(Exception):
    """What the client library raises when the server is gone."""


@pytest.fixture
def client(monkeypatch):
    """A client library in place of the real one, which tests do not need; `client.ping` is what it does."""

    class Redis:
        ping = staticmethod(lambda: True)

        @classmethod
        def from_url(cls, url):
            if "no-number" in url:
                raise ValueError("Port could not be cast to integer value")
            return cls()

    library, extra = ModuleType("redis"), ModuleType("hypothesis.extra.redis")
    library.Redis, library.RedisError = Redis, GoneError
    extra.RedisExampleDatabase = lambda _client: InMemoryExampleDatabase()
    monkeypatch.setitem(sys.modules, "redis", library)
    monkeypatch.setitem(sys.modules, "hypothesis.extra.redis", extra)
    return Redis


def opened(name):
    return open_database(name, pytest.fail)


def test_a_folder_keeps_what_is_saved_for_the_next_hunt(tmp_path):
    """Whatever is no address of a Redis is a folder."""
    opened(str(tmp_path / "examples")).save(b"key", b"value")
    assert set(opened(str(tmp_path / "examples")).fetch(b"key")) == {b"value"}


@pytest.mark.usefixtures("client")
def test_a_redis_that_can_be_reached_is_used():
    """Saved, moved and deleted as in any other."""
    database = opened(NAME)
    database.save(b"key", b"value")
    database.move(b"key", b"other", b"value")
    assert (set(database.fetch(b"key")), set(database.fetch(b"other"))) == (set(), {b"value"})
    database.delete(b"other", b"value")
    assert set(database.fetch(b"other")) == set()


def test_without_the_client_library_it_says_what_to_install(monkeypatch):
    """And not the password."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UsageError, match=r"hypothesis\[redis\]") as caught:
        opened(NAME)
    assert SHOWN in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_one_that_cannot_be_reached_is_an_error_before_the_hunt(client):
    """In the library's words, without the password."""

    def ping():
        raise GoneError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")

    client.ping = staticmethod(ping)
    with pytest.raises(TargetError, match="Connection refused") as caught:
        opened(NAME)
    assert SHOWN in str(caught.value)
    assert "a-secret" not in str(caught.value)


@pytest.mark.usefixtures("client")
def test_an_address_that_is_none_is_an_error_of_usage():
    """What the library says against it."""
    with pytest.raises(UsageError, match="Port could not be cast"):
        opened("redis://127.0.0.1:no-number/0")


class Flaky(ExampleDatabase):
    """Gone after so many requests."""

    def __init__(self, requests):
        self.left, self.asked = requests, 0

    def _ask(self):
        self.asked += 1
        if self.asked > self.left:
            raise GoneError("Connection reset by peer")

    def save(self, *_):
        self._ask()

    def fetch(self, *_):
        self._ask()
        return {b"value"}

    def delete(self, *_):
        self._ask()


def test_one_that_is_gone_under_way_is_empty_from_then_on_and_told_of_once():
    """A hunt goes on; it never waits for it again."""
    told = []
    flaky = Flaky(2)
    database = WhileThere(flaky, GoneError, told.append)
    database.save(b"key", b"value")
    assert set(database.fetch(b"key")) == {b"value"}
    assert (set(database.fetch(b"key")), flaky.asked) == (set(), 3)
    database.save(b"key", b"value")
    database.delete(b"key", b"value")
    database.move(b"key", b"other", b"value")
    assert flaky.asked == 3
    assert [str(error) for error in told] == ["Connection reset by peer"]


def test_another_error_is_not_taken_for_that():
    """A defect is not hidden."""

    class Broken(Flaky):
        def save(self, *_):
            raise RuntimeError("a defect")

    with pytest.raises(RuntimeError):
        WhileThere(Broken(9), GoneError, pytest.fail).save(b"key", b"value")

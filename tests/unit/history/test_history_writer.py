"""The writer: nothing is lost, nothing is out of order, and a full disk is said so."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

import pytest
from history_strategies import HEADER

from kalam_props.errors import StorageError
from kalam_props.history.events import Error, Fail, Info, Invoke, Ok
from kalam_props.history.operations import Get, Insert
from kalam_props.history.reader import read_history
from kalam_props.history.writer import HistoryWriter


def test_an_event_is_in_the_file_before_the_call_returns(tmp_path):
    """A run that is killed right after a call loses nothing."""
    path = tmp_path / "h.jsonl"
    writer = HistoryWriter(path, HEADER)
    assert read_history(path).header == HEADER
    i = writer.invoke(p="u0/1", user="u0", op=Get("t", 1))
    assert [type(event) for event in read_history(path).events] == [Invoke]
    writer.ok(i, rows=((1, "a"),))
    assert [type(event) for event in read_history(path).events] == [Invoke, Ok]
    writer.close()


def test_lanes_that_write_at_once_leave_a_well_formed_history(tmp_path):
    """Numbers count up and time never runs backwards, whoever writes."""
    path = tmp_path / "h.jsonl"
    lanes, operations = 8, 200
    with HistoryWriter(path, HEADER) as writer:

        def lane(n: int) -> None:
            for k in range(operations):
                i = writer.invoke(p=f"u{n}/1", user=f"u{n}", op=Insert("t", ((k, "x"),)))
                first = writer.now()
                writer.ok(i, affected=1, wire=(first, writer.now()))

        threads = [threading.Thread(target=lane, args=(n,)) for n in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read_history(path).events
    assert [event.i for event in events] == list(range(1, 2 * lanes * operations + 1))


def test_an_answer_needs_its_open_invocation(tmp_path):
    """Answering twice, or what was never asked, is a mistake of the caller and is not written."""
    path = tmp_path / "h.jsonl"
    with HistoryWriter(path, HEADER) as writer:
        i = writer.invoke(p="u0/1", user="u0", op=Get("t", 1))
        writer.info(i, Error("timeout", "no answer"))
        with pytest.raises(ValueError, match=f"no open invocation {i}"):
            writer.fail(i, Error("server", "again"))
    assert [type(event) for event in read_history(path).events] == [Invoke, Info]


def test_wire_times_outside_of_their_operation_are_refused(tmp_path):
    """What the reader would call malformed is never written."""
    with HistoryWriter(tmp_path / "h.jsonl", HEADER) as writer:
        before = writer.now()
        i = writer.invoke(p="u0/1", user="u0", op=Get("t", 1))
        with pytest.raises(ValueError, match="outside"):
            writer.ok(i, rows=(), wire=(before, writer.now()))
        with pytest.raises(ValueError, match="outside"):
            writer.ok(i, rows=(), wire=(writer.now(), writer.now() + 10**12))
        writer.fail(i, Error("invalid", "no"), wire=(writer.now(), None))
    assert isinstance(read_history(tmp_path / "h.jsonl").events[-1], Fail)


def test_a_path_that_cannot_be_created_is_a_storage_error(tmp_path):
    """The error names the path and the system's reason."""
    path = tmp_path / "missing" / "h.jsonl"
    with pytest.raises(StorageError, match=r"h\.jsonl: the history cannot be created: No such file"):
        HistoryWriter(path, HEADER)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_storage_error_and_leaves_no_descriptor():
    """The header that does not fit is told at once."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StorageError, match="No space left on device"):
        HistoryWriter(Path("/dev/full"), HEADER)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path):
    """After the first failure every call fails, and the file reads up to the line that was cut off."""
    path = tmp_path / "h.jsonl"
    writer = HistoryWriter(path, HEADER)
    i = writer.invoke(p="u0/1", user="u0", op=Get("t", 1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
    try:
        with pytest.raises(StorageError, match="first 1 events are kept"):
            writer.ok(i, rows=((1, "x" * 100),))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StorageError):
        writer.invoke(p="u1/1", user="u1", op=Get("t", 1))
    writer.close()
    history = read_history(path)
    assert history.truncated
    assert [type(event) for event in history.events] == [Invoke]

"""Rules that draw one operation each: inserts, reads, changes of rows, flushes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.programs.machine import JOINS, KEYS, PAYLOADS, SESSIONS, SIZES, ProgramMachine, Size


class Inserts(ProgramMachine):
    """Rules that insert: fresh keys, batches at the flush boundary."""

    @rule(session=SESSIONS, size=SIZES, payload=PAYLOADS, join=JOINS, null_n=st.integers(0, 9))
    def insert_rows(self, session: int, size: Size, payload: str, join: bool, null_n: int) -> None:  # noqa: FBT001
        self.insert(session, size, payload=payload, join=join, null_n=null_n == 9)

    @rule(session=SESSIONS, times=st.integers(1, 2), delta=st.integers(-1, 1))
    def insert_to_boundary(self, session: int, times: int, delta: int) -> None:
        self.insert(session, Size(times, delta))


class Reads(ProgramMachine):
    """Rules that read: scans, point reads, counts."""

    @rule(session=SESSIONS, join=JOINS)
    def scan(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.select(session, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def point_read(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.get(session, key, join=join)

    @rule(session=SESSIONS, join=JOINS)
    def count_rows(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.count(session, join=join)


class Writes(ProgramMachine):
    """Rules that change rows: updates, increments, deletes, inserts of deleted and of live keys."""

    @rule(session=SESSIONS, key=KEYS, payload=PAYLOADS, join=JOINS)
    def update_row(self, session: int, key: int, payload: str, join: bool) -> None:  # noqa: FBT001
        self.update(session, key, payload=payload, join=join)

    @rule(session=SESSIONS, key=KEYS, by=st.integers(1, 3), join=JOINS)
    def increment_row(self, session: int, key: int, by: int, join: bool) -> None:  # noqa: FBT001
        self.increment(session, key, by=by, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def delete_row(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.delete(session, key, join=join)

    @rule(session=SESSIONS, key=KEYS, payload=PAYLOADS, join=JOINS)
    def reinsert_row(self, session: int, key: int, payload: str, join: bool) -> None:  # noqa: FBT001
        self.reinsert(session, key, payload=payload, join=join)

    @rule(session=SESSIONS, key=KEYS, join=JOINS)
    def insert_live_key(self, session: int, key: int, join: bool) -> None:  # noqa: FBT001
        self.insert_existing(session, key, join=join)


class Flushes(ProgramMachine):
    """Rules that flush, and that wait for a flush."""

    @rule(session=SESSIONS, join=JOINS)
    def flush_table(self, session: int, join: bool) -> None:  # noqa: FBT001
        self.flush(session, join=join)

    @rule(session=SESSIONS)
    def wait_for_flush(self, session: int) -> None:
        self.await_flush(session)

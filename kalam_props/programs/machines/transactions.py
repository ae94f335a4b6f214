"""Transactions among reads and writes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kalam_props.history.operations import Delete, Insert, Operation, Txn, Update
from kalam_props.programs import payloads
from kalam_props.programs.machine import KEYS, SESSIONS
from kalam_props.programs.machines.races import Action, Races
from kalam_props.programs.machines.rules import Flushes, Inserts, Reads


class Transactions(Inserts, Reads, Flushes, Races):
    """Transactions are seen whole or not at all, and never when they were refused or rolled back.

    Nothing but their updates changes a row, and only one column of it: which of two concurrent ones to
    different columns wins within a snapshot is not promised.
    """

    needs = frozenset({"transactions"})
    race_kinds = ("txn", "select", "delete", "txn", "insert", "get")

    def act(self, action: Action, session: int) -> None:
        if self.race_kinds[action.pick % len(self.race_kinds)] == "txn":
            self.transact(session, action.key % 4, action.key, rollback=action.pick % 3 == 0, join=True)
        else:
            super().act(action, session)

    @rule(session=SESSIONS, inserts=st.integers(0, 3), key=KEYS, rollback=st.booleans())
    def transaction(self, session: int, inserts: int, key: int, rollback: bool) -> None:  # noqa: FBT001
        self.transact(session, inserts, key, rollback=rollback, join=False)

    def transact(self, session: int, inserts: int, key: int, *, rollback: bool, join: bool) -> None:
        """So many inserts of one row each; an update of a row that was there before, a delete of another."""
        name = self.session(session)
        model = self.model(name)
        fresh = list(range(model.next, model.next + inserts))
        model.next += inserts
        ops: list[Operation] = [
            Insert(self.on, (self._row(name, new, at, payloads.PLAIN, 0),)) for at, new in enumerate(fresh)
        ]
        if model.live:
            gone = model.live[key % len(model.live)]
            changed = model.live[(key + 1) % len(model.live)]
            value = payloads.payload(payloads.PLAIN, payloads.fingerprint(name, self.drawn, inserts))
            ops += [Update(self.on, changed, {"v": value}), Delete(self.on, gone)]
            if not rollback:
                model.live.remove(gone)
        if ops:
            self.add(Txn(tuple(ops), rollback=rollback), name, join=join)
            if not rollback:
                model.live.extend(fresh)
                self.hot += len(ops)

"""Nothing of a transaction that was rolled back is ever seen, whatever was answered to it."""

from __future__ import annotations

import pytest
from recorded import MS, Done, history

from kalam_props.checks.judge import judge, names
from kalam_props.history.operations import Delete, Insert, Select, Txn

ROW, KEPT = (1, "a", 0), (2, "b", 0)
ROLLED_BACK = Txn((Insert("t", (ROW,)), Delete("t", 2)), rollback=True)


def told(rows, outcome="ok"):
    """An insert of row 2, the transaction, a scan."""
    return history(
        [
            Done("u0/1", Insert("t", (KEPT,)), 0, 1 * MS, affected=1),
            Done("u0/1", ROLLED_BACK, 2 * MS, 3 * MS, outcome, results=({}, {}) if outcome == "ok" else None),
            Done("u0/2", Select("t"), 4 * MS, 5 * MS, rows=rows),
        ]
    )


@pytest.mark.parametrize("outcome", ["ok", "info"])
def test_what_was_rolled_back_did_not_happen(outcome):
    """Also when its answer was lost: it had no COMMIT."""
    assert judge(told((KEPT,), outcome)).verdict == "holds"


@pytest.mark.parametrize("outcome", ["ok", "info"])
def test_a_row_of_a_transaction_that_was_rolled_back_is_an_anomaly(outcome):
    """It failed, and is visible."""
    assert names(judge(told((ROW, KEPT), outcome))) == ("failed-but-visible",)


def test_a_row_that_a_rolled_back_transaction_deleted_is_still_there():
    """Else it is lost."""
    assert judge(told(())).verdict == "violated"


def test_the_same_transaction_with_a_commit_did_happen():
    """All of it."""
    committed = history(
        [
            Done("u0/1", Insert("t", (KEPT,)), 0, 1 * MS, affected=1),
            Done("u0/1", Txn(ROLLED_BACK.ops), 2 * MS, 3 * MS, results=({}, {})),
            Done("u0/2", Select("t"), 4 * MS, 5 * MS, rows=(ROW,)),
        ]
    )
    assert judge(committed).verdict == "holds"

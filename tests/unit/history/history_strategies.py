"""Strategies for operations, events and whole histories: any that may be written, whatever it means."""

from __future__ import annotations

from hypothesis import strategies as st

from kalam_props.history.events import (
    Error,
    FlushRun,
    Header,
    Notify,
    Product,
    ServerEvent,
    TableShape,
)
from kalam_props.history.operations import (
    After,
    AwaitFlush,
    Count,
    Delete,
    Flush,
    Get,
    Increment,
    Insert,
    Kill,
    Pause,
    Restart,
    Select,
    Subscribe,
    Txn,
    Unsubscribe,
    Update,
)

HEADER = Header(
    target=Product("reference", "1"),
    client=Product("kalam", "0.4"),
    driver="process",
    gate=True,
    program="0123456789abcdef",
    tables={"t": TableShape("user", ("id", "v"), "id"), "s": TableShape("shared", ("k", "n"), "k")},
)

integers = st.integers(-(2**63), 2**63 - 1)
text = st.text(st.characters(exclude_categories=()), max_size=8)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | text
rows = st.tuples(scalars, scalars)
tables = st.sampled_from(["t", "s"])
columns = {"t": "v", "s": "n"}
codes = st.sampled_from(["duplicate-key", "not-found", "server", "timeout", "connection"])
errors = st.builds(Error, code=codes, message=text, server_code=st.none() | text)

single = st.one_of(
    st.builds(Insert, table=tables, rows=st.lists(rows, min_size=1, max_size=3).map(tuple)),
    tables.flatmap(
        lambda t: st.builds(
            Update, table=st.just(t), key=scalars, set=st.dictionaries(st.just(columns[t]), scalars)
        )
    ),
    st.builds(Increment, table=st.just("s"), key=scalars, column=st.just("n"), by=integers),
    st.builds(Delete, table=tables, key=scalars),
    st.builds(
        Select, table=tables, where=st.none() | st.builds(After, after=scalars, limit=st.integers(1, 9))
    ),
    st.builds(Get, table=tables, key=scalars),
    st.builds(Count, table=tables),
)
operations = st.one_of(
    single,
    st.builds(Txn, ops=st.lists(single, max_size=3).map(tuple)),
    st.builds(Flush, table=tables),
    st.builds(AwaitFlush, table=tables),
    st.builds(Subscribe, table=tables),
    st.builds(Unsubscribe, table=tables),
    st.builds(Pause, us=st.integers(0, 10)),
    st.just(Restart()),
    st.just(Kill()),
)
answers = st.fixed_dictionaries(
    {
        "affected": st.none() | st.integers(0, 9),
        "rows": st.lists(rows, max_size=3).map(tuple),
        "count": st.integers(0, 9),
        "complete": st.booleans(),
        "attempts": st.integers(1, 3),
    }
)
intervals = st.tuples(st.integers(0, 10), st.none() | st.integers(11, 20))
others = st.one_of(
    st.builds(
        FlushRun,
        i=st.just(0),
        t=st.just(0),
        table=tables,
        job=text,
        began=intervals,
        ended=intervals,
        rows=st.none() | st.integers(0, 9),
        status=st.sampled_from(["completed", "failed"]),
    ),
    st.builds(
        ServerEvent,
        i=st.just(0),
        t=st.just(0),
        what=st.sampled_from(["started", "killed", "healthy", "died"]),
        message=st.none() | text,
    ),
)
notifications = st.builds(
    Notify,
    i=st.just(0),
    t=st.just(0),
    of=st.just(0),
    change=st.sampled_from(["initial", "insert", "update", "delete"]),
    rows=st.none() | st.lists(rows, max_size=2).map(tuple),
    old=st.none() | st.lists(rows, max_size=2).map(tuple),
)

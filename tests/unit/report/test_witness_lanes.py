"""The lane diagram of a witness: read down, it tells what happened when."""

from __future__ import annotations

from kalam_props.history.reader import read_history
from kalam_props.report.lanes import lanes

HEADER = (
    '{"format":"kalam-props-history","version":1,'
    '"tables":{"t":{"type":"user","columns":["id","v"],"key":"id"}}}'
)
HISTORY = read_history(
    HEADER
    + """
{"i":1,"t":1000000,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[7,"a"],[8,"b"]]}
{"i":2,"t":1200000,"e":"invoke","p":"u9/1","user":"u9","op":"count","table":"t"}
{"i":3,"t":2000000,"e":"invoke","p":"u0/2","user":"u0","op":"select","table":"t"}
{"i":4,"t":2500000,"e":"ok","of":1,"affected":2}
{"i":5,"t":2600000,"e":"net","of":3,"what":"delay"}
{"i":6,"t":2700000,"e":"flush","table":"t","job":"j1","began":[1900000,1900000],"ended":[2400000,2400000],"rows":2}
{"i":7,"t":3000000,"e":"ok","of":3,"rows":[[7,"a"]]}
{"i":8,"t":9000000,"e":"server","what":"killed"}
{"i":9,"t":9500000,"e":"info","of":2,"error":{"code":"timeout","message":""}}
"""
)


def test_the_operations_of_a_witness_stand_in_their_lanes():
    """An open operation is a line down; flushes go across; who is not in the witness is left out."""
    assert lanes(HISTORY, (1, 3)).splitlines() == [
        "time (ms)   u0/1                          u0/2",
        "    1.000   ┌ #1 insert (7, 'a') +1 rows",
        "    2.000   │                             ┌ #3 select all",
        "    2.500   └ ok, 2 rows                  │",
        "    2.600   ── we did to #3: delay",
        "    2.700   ── flush j1 of t: completed, 2 rows, between 1.900 and 2.400",
        "    3.000                                 └ 1 row: (7, 'a')",
    ]


def test_a_subscriber_was_told_of_the_rows_of_the_witness():
    """Those of other rows are left out; where the witness has no write, all are there."""
    text = (
        HEADER
        + """
{"i":1,"t":1000000,"e":"invoke","p":"u0/1","user":"u0","op":"subscribe","table":"t"}
{"i":2,"t":1100000,"e":"ok","of":1}
{"i":3,"t":1200000,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[7,"a"]]}
{"i":4,"t":1300000,"e":"ok","of":3,"affected":1}
{"i":5,"t":1400000,"e":"notify","of":1,"change":"insert","rows":[[7,"a"]]}
{"i":6,"t":1500000,"e":"notify","of":1,"change":"delete","old":[[8,"b"]]}
{"i":7,"t":1600000,"e":"net","of":1,"what":"connection-lost: it ended"}
"""
    )
    told = [line for line in lanes(read_history(text), (1, 3)).splitlines() if "told" in line]
    assert told == ["    1.400   ├ told: insert 1 row: (7, 'a')"]
    assert lanes(read_history(text), (1,)).count("told") == 2
    assert "── #1: connection-lost: it ended" in lanes(read_history(text), (1,))


def test_an_operation_without_an_answer_stays_open():
    """And what came of one of unknown outcome is said."""
    text = lanes(HISTORY, (2, 3))
    assert "outcome unknown: timeout" in text
    assert "server killed" in text


def test_no_witness_is_said():
    """A server that died by itself may have none."""
    assert lanes(HISTORY, ()) == "(no operations)"

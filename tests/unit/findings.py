"""A finding on disk for tests: one lost row, with a history that shows it."""

from __future__ import annotations

from kalam_props.checks.verdict import Anomaly
from kalam_props.history.operations import Flush, Insert
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.finding import Finding, Name, Shrinking
from kalam_props.hunt.measure import Rate
from kalam_props.programs.model import Program, Round, Step, TableDef

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=2)

PROGRAM = Program(
    {"t": TABLE},
    (
        Round({"u0/1": (Step(Insert("t", ((1, "<b>a</b>"),))),)}),
        Round({"u0/1": (Step(Flush("t")),), "u0/2": (Step(Insert("t", ((2, "b"),))),)}),
    ),
)

_TABLES = '{"t":{"type":"user","columns":["id","v"],"key":"id"}}'

HISTORY = (
    f'{{"format":"kalam-props-history","version":1,"tables":{_TABLES}}}'
    """
{"i":1,"t":1000000,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[1,"<b>a</b>"]]}
{"i":2,"t":2500000,"e":"ok","of":1,"wire":[1500000,2400000],"affected":1}
{"i":3,"t":3000000,"e":"invoke","p":"u0/2","user":"u0","op":"select","table":"t"}
{"i":4,"t":3100000,"e":"flush","table":"t","job":"j1","began":[1900000,2400000],"ended":[2400000,2900000],"rows":1}
{"i":5,"t":4000000,"e":"ok","of":3,"rows":[]}
"""
)


def finding(run):
    """In `run`, with its history written; confirmed 9 times in 20."""
    (run / "histories").mkdir(parents=True, exist_ok=True)
    history = run / "histories" / "000001-0123456789abcdef.jsonl"
    history.write_text(HISTORY)
    lost = Sighting(Anomaly("lost-row", (1, 3), "row 1 & its value <b>a</b> are gone", "t", "u0", 1))
    low = Sighting(Anomaly("wrong-affected", (1,), "a delete answered 0", "t", "u0"), "low")
    return Finding(
        names=(Name(lost, PROGRAM), Name(low, PROGRAM)),
        folder=run / "finding-01",
        machine="updates",
        original=PROGRAM,
        discovered=history,
        history=history,
        stage="confirmed",
        discovery=Rate(4, 11, 2.0),
        shrinking=Shrinking(30, 200, 12.5, True, "http"),
        confirmed=Rate(9, 20, 4.0),
        in_turns=Rate(0, 14, 1.0),
        steadier=(PROGRAM, Rate(18, 20)),
        faults=("lost-on-flush",),
        seed_file=run / "seeds" / "lost-row.json",
    )

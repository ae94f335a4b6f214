"""Answers of writes that are wrong whatever the table holds."""

from __future__ import annotations

from collections.abc import Iterable

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.finding import Finding
from kalam_props.checks.world import canonical
from kalam_props.checks.writes import statements_of
from kalam_props.history.events import TableShape
from kalam_props.history.operations import Count, Delete, Get, Increment, Insert, Select, Update


def judge_answers(acts: Iterable[Act], tables: dict[str, TableShape]) -> list[Finding]:
    """More or fewer rows affected than the statement names, a key accepted twice in one statement."""
    findings = []
    for act in acts:
        sentence = _wrong(act, tables)
        if sentence is not None:
            name, why = sentence
            findings.append(
                Finding(
                    name=name,
                    witness=(act.i,),
                    words=f"{words.done(act)}: {why}.",
                    table=getattr(act.op, "table", None),
                    user=act.user,
                    proven=True,  # whatever reads show
                )
            )
    return findings


def _wrong(act: Act, tables: dict[str, TableShape]) -> tuple[str, str] | None:
    op = act.op
    if act.outcome == "fail":
        table_missing = act.error is not None and act.error.code == "not-found"
        if table_missing and isinstance(op, (Insert, Select, Count)):
            return "wrongly-refused", "nothing that it names can be missing: the table was there all the time"
        return None
    if act.outcome != "ok" or act.answer is None:
        return None
    affected = act.answer.affected
    if isinstance(op, Insert):
        key = tables[op.table].key_index
        if any(len({canonical(row[key]) for row in rows}) < len(rows) for rows in statements_of(op)):
            return "wrongly-accepted", "one statement names a key twice, and was not refused"
        if affected is not None and affected != len(op.rows):
            return "wrong-affected", f"an accepted insert of {len(op.rows)} rows affects exactly these"
    if isinstance(op, (Update, Increment, Delete)) and affected is not None and affected > 1:
        return "wrong-affected", "a key names one row at most"
    if isinstance(op, Get) and act.answer.rows is not None and len(act.answer.rows) > 1:
        return None  # a duplicate or foreign row, told by the contents
    return None

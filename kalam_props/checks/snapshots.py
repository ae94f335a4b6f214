"""Scans and counts: what cells one by one cannot show, because it is about several at one instant."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen

from kalam_props.checks import words
from kalam_props.checks.acts import Act
from kalam_props.checks.calls import Group, within
from kalam_props.checks.finding import Finding
from kalam_props.checks.orders import DONE, Call, Found, find_order
from kalam_props.checks.parts import Look, Part, Put, Scan, Size
from kalam_props.checks.rows import Evidence, by_cell, excused
from kalam_props.checks.witness import Witness, minimise

_AT_MOST = 20
"""Operations that are accused at most, one after the other."""


@frozen(eq=False)
class SnapshotVerdict:
    """What scans and counts say. `undecided`: the search gave up, so what was found may not be all."""

    findings: list[Finding] = field(factory=list)
    undecided: bool = False


def judge_scans(evidence: Evidence, group: Group, condemned: set[int]) -> SnapshotVerdict:
    """Whether reads of several rows, and refusals of several, fit one order; `condemned` cells left out."""
    calls = [call for call in group.calls if not is_count(call)]
    cells = frozenset(by_cell(evidence.world, group)) - condemned
    if condemned:
        calls = within(calls, cells)
    return _accuse(evidence, calls, cells)


def judge_counts(evidence: Evidence, group: Group, condemned: set[int]) -> SnapshotVerdict:
    """Whether the counts fit the writes, whatever reads show."""
    writes = [
        _without_claims(call, condemned)
        for call in group.calls
        if not all(isinstance(part, (Look, Scan, Size)) for part in _parts(call))
    ]
    counts = [call for call in group.calls if is_count(call)]
    if not counts or find_order(evidence.world, writes).verdict != "holds":
        return SnapshotVerdict()  # what the writes answered is wrong by itself, and said elsewhere
    return _accuse(evidence, sorted([*writes, *counts], key=lambda call: call.i), None)


def judge_together(evidence: Evidence, group: Group) -> SnapshotVerdict:
    """Whether everything fits one order: what scans, counts and answers say only in combination."""
    return _accuse(evidence, group.calls, frozenset(by_cell(evidence.world, group)))


def is_count(call: Call) -> bool:
    return all(isinstance(part, Size) for part in _parts(call))


def _parts(call: Call) -> list[Part]:
    return [part for stage in call.options for part, _ in stage]


def _without_claims(call: Call, condemned: set[int]) -> Call:
    if not any(part.cells is None or not part.cells.isdisjoint(condemned) for part in _parts(call)):
        return call
    return excused(call) or call


def _accuse(evidence: Evidence, calls: Sequence[Call], cells: frozenset[int] | None) -> SnapshotVerdict:
    calls = list(calls)
    verdict = SnapshotVerdict()
    for _ in range(_AT_MOST):
        found = find_order(evidence.world, calls)
        if found.verdict == "unknown":
            return SnapshotVerdict(verdict.findings, undecided=True)
        if found.stuck is None:
            break
        verdict.findings.append(_finding(evidence, calls, found, cells))
        without_claim = excused(calls[found.stuck])
        if without_claim is None:
            break
        calls[found.stuck] = without_claim
    return verdict


def _finding(
    evidence: Evidence, calls: Sequence[Call], found: Found, cells: frozenset[int] | None
) -> Finding:
    accused = calls[found.stuck or 0]
    witness = minimise(evidence.world, calls, accused.i, cells)
    proves = sorted({*witness.proves, *_writers(evidence, witness)})
    proof = [evidence.acts[i] for i in proves]
    act = evidence.acts[accused.i]
    parts = [part for call in witness.calls if call.i in witness.proves for part in _parts(call)]
    counted = next((part for part in parts if isinstance(part, Size)), None)
    if counted is not None:
        name, why = "wrong-count", _count_words(evidence, witness, accused)
    else:
        name, why = _name(evidence, witness, accused)
    scope = _scope(evidence, witness, parts, counted)
    table, user = evidence.world.scopes[scope] if scope is not None else (None, None)
    others = words.listing([other for other in proof if other.i != act.i])
    return Finding(
        name=name,
        witness=tuple(proves),
        words=f"{words.done(act)}.{f' Given {others}:' if others else ''} {why}.",
        table=table,
        user=user or act.user,
        key=None,
        quiescent=_quiescent(calls, accused),
    )


def _scope(evidence: Evidence, witness: Witness, parts: list[Part], counted: Size | None) -> int | None:
    if counted is not None:
        return counted.scope
    for cell in witness.cells:
        return evidence.world.scope_of(cell)
    return next((part.scope for part in parts if isinstance(part, Scan)), None)


def _name(evidence: Evidence, witness: Witness, accused: Call) -> tuple[str, str]:
    world = evidence.world
    act = evidence.acts[accused.i]
    if act.outcome == "fail":
        return "wrongly-refused", "none of the keys can have been there"
    if any(isinstance(part, Put) for part in _parts(accused)):
        return "wrongly-accepted", "one of the keys must have been there"
    if not all(part.pure for part in _parts(accused)):
        return "wrong-affected", "what it answers does not fit the rows"
    keys = words.some(f"{words.value(world.key_of(cell))}" for cell in sorted(witness.cells))
    together = _statement_of(evidence, witness)
    shown = _shown(evidence, witness, accused)
    if together is not None:
        why = f"rows {keys} were inserted by one statement (#{together.i}), so they appear together"
        return "torn-batch", f"{why}; #{act.i} {shown}"
    why = "every order of these operations in real time has another set of them at any one moment"
    return "not-atomic-scan", f"no instant had rows {keys} as #{act.i} shows them: it {shown}, and {why}"


def _writers(evidence: Evidence, witness: Witness) -> set[int]:
    """The operations that wrote what the reads of a witness show of its cells."""
    writers = set()
    for call in witness.calls:
        for part in _parts(call):
            if not isinstance(part, (Look, Scan)) or call.i not in witness.proves:
                continue
            claims = part.claims if isinstance(part, Look) else part.seen
            for cell in witness.cells:
                version = claims.get(cell)
                row = None if version is None else evidence.world.rows[version]
                writers |= {
                    wrote.act.i for wrote in evidence.writes.of(cell) if row is not None and wrote.row == row
                }
    return writers


def _statement_of(evidence: Evidence, witness: Witness) -> Act | None:
    """The operation of which one statement inserted these rows, where reads show some and not others."""
    cells = witness.cells
    looks = [part for call in witness.calls for part in _parts(call) if isinstance(part, (Look, Scan))]
    seen = [part.claims if isinstance(part, Look) else part.seen for part in looks]
    if len(cells) < 2 or not any(claims.get(cell) is None for claims in seen for cell in cells):
        return None
    together: set[tuple[int, int]] | None = None
    acts: dict[tuple[int, int], Act] = {}
    for cell in cells:
        here = set()
        for wrote in evidence.writes.of(cell):
            if wrote.kind == "insert":
                here.add((wrote.act.i, wrote.statement))
                acts[(wrote.act.i, wrote.statement)] = wrote.act
        together = here if together is None else together & here
    return acts[min(together)] if together else None


def _shown(evidence: Evidence, witness: Witness, accused: Call) -> str:
    world = evidence.world
    call = next(call for call in witness.calls if call.i == accused.i)
    seen: dict[int, int | None] = {}
    for part in _parts(call):
        if isinstance(part, (Look, Scan)):
            claims = part.claims if isinstance(part, Look) else part.seen
            seen.update({cell: claims.get(cell) for cell in witness.cells})
    there = [words.row(world.row_of(version)) for version in seen.values() if version is not None]
    missing = [words.value(world.key_of(cell)) for cell, version in seen.items() if version is None]
    return f"shows {words.some(there)}" + (f" and not {words.some(missing)}" if missing else "")


def _count_words(evidence: Evidence, witness: Witness, accused: Call) -> str:
    sizes = _legal_sizes(evidence, witness, accused)
    act = evidence.acts[accused.i]
    if act.answer is None or act.answer.count is None:
        return "no order of these operations allows the counts among them"
    if not sizes:
        return f"no order of these operations allows #{act.i} to answer {act.answer.count}"
    between = sizes[0] < act.answer.count < sizes[-1]
    allowed = ", ".join(map(str, sizes)) if between else f"from {sizes[0]} to {sizes[-1]}"
    if len(sizes) == 1:
        allowed = str(sizes[0])
    return f"#{act.i} answers {act.answer.count}, and every order of these operations gives {allowed}"


def _legal_sizes(evidence: Evidence, witness: Witness, accused: Call) -> list[int]:
    part = accused.options[0][0][0]
    if not isinstance(part, Size):
        return []
    legal = []
    most = sum(len(put.pairs) for call in witness.calls for put in _parts(call) if isinstance(put, Put))
    for rows in range(min(most, 200) + 1):
        probe = Size(part.scope, rows, evidence.world)
        candidate = [
            Call(call.i, call.start, call.end, (((probe, DONE),),)) if call.i == accused.i else call
            for call in witness.calls
        ]
        if find_order(evidence.world, candidate, budget=20_000).verdict == "holds":
            legal.append(rows)
    return legal


def _quiescent(calls: Sequence[Call], accused: Call) -> bool:
    """Whether no write was open, or of unknown outcome, while the accused operation ran."""
    end = accused.end if accused.end is not None else accused.start
    return not any(
        call.start <= end and (call.end is None or call.end >= accused.start)
        for call in calls
        if call.i != accused.i and not all(part.pure for part in _parts(call))
    )

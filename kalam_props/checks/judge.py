"""One history, one verdict."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from kalam_props.checks import profiles, weaker, words
from kalam_props.checks.acts import acts
from kalam_props.checks.answers import judge_answers
from kalam_props.checks.calls import Group, UnsupportedError, group_calls
from kalam_props.checks.contents import read_contents
from kalam_props.checks.finding import Finding
from kalam_props.checks.followed import followed_up
from kalam_props.checks.health import crashes, judge_health
from kalam_props.checks.notifications import judge_notifications
from kalam_props.checks.orders import find_order
from kalam_props.checks.rows import Evidence, judge_rows
from kalam_props.checks.sessions import broken_guarantees
from kalam_props.checks.snapshots import judge_counts, judge_scans, judge_together
from kalam_props.checks.verdict import Anomaly, Verdict
from kalam_props.checks.world import World
from kalam_props.checks.writes import index_writes
from kalam_props.history.events import History, Invoke


def judge(history: History, *, expect: str = "linearizable") -> Verdict:
    """Judge a history: every anomaly with its witness, decided exactly or said to be unknown.

    Raises:
        UsageError: no such profile.

    """
    profiles.known(expect)
    anomalies = find_anomalies(history, expect=expect)
    operations = sum(isinstance(event, Invoke) for event in history.events)
    return verdict_of(anomalies, operations, expect)


@frozen
class Anomalies:
    """What is wrong with a history: findings, session guarantees that are broken, and what is undecided."""

    findings: tuple[Finding, ...]
    unknown: tuple[str, ...] = ()
    sessions: tuple[Finding, ...] = ()


def find_anomalies(history: History, *, expect: str) -> Anomalies:
    """Everything that is wrong with a history, and what could not be decided.

    Where something is, `expect` may ask for less: then what is wrong even so is among it, as `proven`.
    """
    operations = acts(history.events)
    world = World(history.header.tables)
    writes = index_writes(world, operations)
    contents = read_contents(writes, operations)
    evidence = Evidence(
        world,
        writes,
        contents,
        {act.i: act for act in operations},
        tuple(crashes(history.events, operations)),
    )
    findings = [*contents.findings, *judge_answers(operations, history.header.tables)]
    unknown: list[str] = []
    sessions: list[Finding] = []
    for group in group_calls(writes, operations, contents):
        found, why = _judge_group(evidence, group)
        findings += found
        unknown += why
        if found and expect in profiles.RELAXED:
            found, why = _judge_group(evidence, weaker.relaxed(group, evidence.acts, expect))
            findings += [evolve(finding, proven=True) for finding in found]
            unknown += why
    if findings:
        sessions = broken_guarantees(writes, contents, operations)
    findings += judge_notifications(history, writes, operations)
    findings += judge_health(history, operations)
    return Anomalies(tuple(findings), tuple(unknown), tuple(sessions))


def verdict_of(found: Anomalies, operations: int, expect: str) -> Verdict:
    """The verdict under a profile. A history without operations proves nothing."""
    unknown = found.unknown if operations else ("the history has no operation, so nothing was checked",)
    merged = _merged(found.findings)
    anomalies = tuple(_anomaly(finding) for finding in merged if profiles.counts(finding, expect))
    return Verdict(
        verdict="violated" if anomalies else "unknown" if unknown else "holds",
        operations=operations,
        anomalies=anomalies,
        told=tuple(_anomaly(finding) for finding in merged if not profiles.counts(finding, expect)),
        sessions=tuple(_anomaly(finding) for finding in found.sessions),
        unknown=unknown,
    )


def _judge_group(evidence: Evidence, group: Group) -> tuple[list[Finding], list[str]]:
    where = words.some(
        table if user is None else f"{table} of {user}"
        for table, user in (evidence.world.scopes[scope] for scope in group.scopes)
    )
    if group.unsupported is not None:
        return [], [f"{where}: {group.unsupported}"]
    try:
        whole = find_order(evidence.world, followed_up(evidence.world, group.calls))
        if whole.verdict == "holds":
            return [], []
        rows = judge_rows(evidence, group)
        scans = judge_scans(evidence, group, rows.condemned)
        counts = judge_counts(evidence, group, rows.condemned)
    except UnsupportedError as error:
        return [], [f"{where}: {error}"]
    findings = [*rows.findings, *scans.findings, *counts.findings]
    if whole.verdict == "violated" and not findings:
        findings = judge_together(evidence, group).findings
    if whole.verdict == "unknown" and not findings:
        return [], [f"{where}: too many operations at once to try every order of them"]
    return findings, []


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each anomaly of a table and user: the smallest, which tells of the others."""
    alike: dict[tuple[str, str | None, str | None, bool], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.name, finding.table, finding.user, finding.certain), []).append(finding)
    merged = []
    for several in alike.values():
        best = min(several, key=_least_excusable)
        merged.append(_telling_of_others(best, several))
    order = {name: place for place, name in enumerate(profiles.MOST_TELLING_FIRST)}
    return sorted(merged, key=lambda one: (order[one.name], one.witness))


def _least_excusable(finding: Finding) -> tuple[bool, bool, int, tuple[int, ...]]:
    return not finding.proven, not finding.quiescent, len(finding.witness), finding.witness


def _telling_of_others(best: Finding, several: list[Finding]) -> Finding:
    keys = list(dict.fromkeys(one.key for one in several if one.key is not None and one.key != best.key))
    several = [one for one in several if one.witness != best.witness or one is best]
    if keys:
        more = f" The same goes for row{'s' if len(keys) > 1 else ''} {words.some(map(str, keys))}."
    elif len(several) > 1:
        more = f" The same goes {len(several) - 1} more time{'s' if len(several) > 2 else ''}."
    else:
        return best
    return evolve(best, words=best.words + more)


def _anomaly(finding: Finding) -> Anomaly:
    return Anomaly(
        name=finding.name,
        witness=finding.witness,
        explanation=finding.words,
        table=finding.table,
        user=finding.user,
        key=finding.key,
    )


def names(verdict: Verdict) -> tuple[str, ...]:
    """The names of the anomalies that count, most telling first."""
    return tuple(dict.fromkeys(anomaly.name for anomaly in verdict.anomalies))

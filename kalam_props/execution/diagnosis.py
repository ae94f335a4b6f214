"""What was found about a target, and what a hunt on it will therefore test: the facts behind `doctor`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import evolve, frozen

from kalam_props.drivers import program
from kalam_props.drivers.spawn import Child
from kalam_props.errors import KalamPropsError
from kalam_props.execution import flushes
from kalam_props.programs.machine import ProgramMachine
from kalam_props.programs.model import TableDef
from kalam_props.targets.identity import own_login, speaks_for
from kalam_props.targets.journal import temporary_folder
from kalam_props.targets.opening import TargetOptions, client_of, open_run
from kalam_props.targets.workspace import Workspace

State: TypeAlias = Literal["ok", "missing", "problem"]
"""`missing` is not tested; a `problem` keeps a hunt from running at all."""

POLICY_PATIENCE_S = 3.0
COMMAND_PATIENCE_S = 10.0
_TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=1)


@frozen
class Finding:
    """One line of a diagnosis.

    Attributes:
        about: what was looked at.
        state: whether it is there.
        found: what was seen.
        advice: what to do about it; empty when nothing has to be done.

    """

    about: str
    state: State
    found: str
    advice: str = ""


@frozen
class Diagnosis:
    """All that was found. `tests`: machines that can run; `skips`: others, and what they lack."""

    findings: tuple[Finding, ...] = ()
    tests: tuple[str, ...] = ()
    skips: tuple[tuple[str, str], ...] = ()

    @property
    def able(self) -> bool:
        """Whether a hunt could run."""
        return bool(self.tests) and not any(finding.state == "problem" for finding in self.findings)

    def with_(self, *findings: Finding) -> Diagnosis:
        return evolve(self, findings=(*self.findings, *findings))


def diagnose(options: TargetOptions, machines: Mapping[str, type[ProgramMachine]]) -> Diagnosis:
    """Look at everything that a hunt with these options would use; nothing stays behind."""
    diagnosis = Diagnosis()
    with temporary_folder() as folder:
        try:
            client, diagnosis = _client(options, folder, diagnosis)
            with open_run(options, folder) as workspace:
                return _of_workspace(workspace, client, machines, diagnosis)
        except KalamPropsError as error:
            return diagnosis.with_(Finding("a hunt", "problem", str(error)))


def missing(machine: type[ProgramMachine], workspace: Workspace) -> str:
    """What a machine needs and the target does not have, with the words of its refusal; empty: nothing."""
    lacks = workspace.capabilities.lacks
    return "; ".join(f"{need}: {lacks[need]}" for need in sorted(machine.needs) if need in lacks)


def _client(
    options: TargetOptions, folder: Path, diagnosis: Diagnosis
) -> tuple[program.Program | None, Diagnosis]:
    """The client's program where one can be run. The driver `http` needs none."""
    try:
        client = program.inspect(client_of(options), folder / "client-home")
    except KalamPropsError as error:
        state: State = "missing" if options.driver == "http" else "problem"
        return None, diagnosis.with_(Finding("client", state, str(error), "--kalam PATH, or --driver http"))
    user_flag = "--user" if "--user" in client.flags else "--username"
    where = "in a private file" if "--config" in client.flags else "on its command line, where ps shows it"
    words = f"{client.product.name} {client.product.version} ({client.name}); {user_flag}; its token {where}"
    return client, diagnosis.with_(Finding("client", "ok", words))


def _of_workspace(
    workspace: Workspace,
    client: program.Program | None,
    machines: Mapping[str, type[ProgramMachine]],
    diagnosis: Diagnosis,
) -> Diagnosis:
    target, can = workspace.target, workspace.capabilities
    ours = "started by us" if target.managed is not None else "running already"
    skips = {name: why for name, machine in machines.items() if (why := missing(machine, workspace))}
    found = diagnosis.with_(
        Finding("server", "ok", f"{target.product.name} {target.product.version} at {target.url}, {ours}"),
        Finding("driver", "ok", target.driver.name),
        *_identities(workspace),
        Finding("identity chosen", "ok", str(workspace.identity)),
        Finding("tables", "ok", f"CREATE TABLE by {can.ddl}; rows as {can.json_rows}"),
        *_features(workspace),
        *_flush_times(workspace),
        _subscriptions(workspace, client),
    )
    return evolve(
        found, tests=tuple(name for name in machines if name not in skips), skips=tuple(skips.items())
    )


def _identities(workspace: Workspace) -> list[Finding]:
    target, form = workspace.target, workspace.capabilities.execute_as
    refusals = {
        "identity token": own_login(target, workspace.new_user(), by_password=False),
        "identity login": own_login(target, workspace.new_user(), by_password=True),
        "identity execute-as": "the server knows no form of EXECUTE AS"
        if form is None
        else speaks_for(target, workspace.server_user("doctor"), form),
    }
    works = {
        "identity token": "a user's own login once, then its token",
        "identity login": "a user's own login for each process",
        "identity execute-as": f"root speaks for users by {form}",
    }
    return [
        Finding(about, "missing" if refused else "ok", refused or works[about])
        for about, refused in refusals.items()
    ]


_ADVICE = {
    "crash": "give --kalamdb-server PATH to test restarts and kills",
    "jobs": "root must be allowed to read system.jobs; without it flushes are not seen",
    "flush-table": "flushes then happen by row count only",
}


def _features(workspace: Workspace) -> list[Finding]:
    can = workspace.capabilities
    there = ", ".join(sorted(can.has)) or "none"
    return [
        Finding("features", "ok", there),
        *(
            Finding(feature, "missing", words, _ADVICE.get(feature, "it is not tested"))
            for feature, words in sorted(can.lacks.items())
            if feature != "subscriptions"  # has a line of its own
        ),
    ]


def _flush_times(workspace: Workspace) -> list[Finding]:
    """How soon a flush by row count runs, and how long one by command takes."""
    lacks = workspace.capabilities.lacks
    if "jobs" in lacks:
        return []
    policy = _flushed_after(workspace, "doctor_policy", _TABLE, "", POLICY_PATIENCE_S)
    findings = [
        Finding("flush by row count", "ok", f"done {policy * 1e3:.0f} ms after the row that caused it")
        if policy is not None
        else Finding(
            "flush by row count",
            "missing",
            f"none was done within {POLICY_PATIENCE_S:g} s of the row that should cause one",
            "set [flush] check_interval_seconds = 1 in the server's configuration",
        )
    ]
    if "flush-table" not in lacks:
        definition = evolve(_TABLE, flush_rows=None)
        command = "STORAGE FLUSH TABLE "
        took = _flushed_after(workspace, "doctor_command", definition, command, COMMAND_PATIENCE_S)
        findings.append(
            Finding("flush by command", "ok", f"done {took * 1e3:.0f} ms after the command")
            if took is not None
            else Finding("flush by command", "missing", f"not done within {COMMAND_PATIENCE_S:g} s")
        )
    return findings


def _flushed_after(
    workspace: Workspace, name: str, table: TableDef, command: str, patience_s: float
) -> float | None:
    """Seconds from an insert (and a command) to the end of a flush of a new table; None: not in time."""
    qualified = workspace.qualified(name)
    workspace.create_table(name, table)
    try:
        began = time.monotonic()
        workspace.target.ask(f"INSERT INTO {qualified} (id, v) VALUES (1, 'a')")
        if command:
            began = time.monotonic()
            workspace.target.ask(command + qualified)
        done = flushes.until_flushed(workspace.target, qualified, patience_s)
        return time.monotonic() - began if done else None
    finally:
        workspace.drop_table(name)


def _subscriptions(workspace: Workspace, client: program.Program | None) -> Finding:
    """Whether programs can subscribe, and whether the client's `--subscribe` is answered."""
    if lack := workspace.capabilities.lacks.get("subscriptions"):
        return Finding("subscriptions", "missing", lack, "it is not tested")
    if client is None or not {"--subscribe", "--subscription-timeout"} <= client.flags:
        return Finding("subscriptions", "missing", "no client that can subscribe")
    table = "doctor_live"
    config = program.new_config(Path(client.environment["HOME"]))
    workspace.create_table(table, _TABLE)
    try:
        words = client.arguments(workspace.target.root, workspace.target.url, config)
        asked = ("--subscribe", f"SELECT * FROM {workspace.qualified(table)}", "--subscription-timeout", "1")
        ended = Child((*words, *asked), client.environment).finish(COMMAND_PATIENCE_S)
    finally:
        config.unlink(missing_ok=True)
        workspace.drop_table(table)
    printed = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    if "SUBSCRIBED" in printed:
        return Finding("subscriptions", "ok", "acknowledged to the client's --subscribe")
    return Finding("subscriptions", "missing", printed.strip().partition("\n")[0] or "no acknowledgement")

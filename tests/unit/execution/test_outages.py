"""The server goes down in the middle of a program: what was acknowledged is there, and it works as before."""

from __future__ import annotations

import os
import signal

import pytest

from kalam_props.checks.judge import judge
from kalam_props.errors import ServerDiedError, UsageError
from kalam_props.execution.outage import fault_after_restart
from kalam_props.execution.run import execute
from kalam_props.history.events import Info, Invoke, Ok, ServerEvent
from kalam_props.history.operations import AwaitFlush, Delete, Flush, Insert, Kill, Pause, Restart, Select
from kalam_props.history.reader import read_history
from kalam_props.programs.model import Program, Release, Round, Step, TableDef
from kalam_props.targets.opening import TargetOptions, open_run
from kalam_props.targets.workspace import Workspace

TABLE = TableDef((("id", "BIGINT"), ("v", "TEXT"), ("n", "BIGINT")), "id")


def insert(*keys):
    return Insert("t", tuple((key, f"v{key}", 0) for key in keys))


def lane(*ops):
    return tuple(map(Step, ops))


def program(outage):
    """Two tiers, a race in which the server goes down, and work afterwards."""
    before = Round({"u0/1": lane(insert(1, 2, 3), Flush("t"), AwaitFlush("t"), Delete("t", 1), insert(4))})
    many = [insert(key) for key in range(10, 40)]
    race = Round(
        {"u0/1": lane(*many), "u0/2": lane(Flush("t"), Select("t")), "u0/3": lane(Pause(20_000), outage)}
    )
    after = Round({"u0/1": lane(insert(50), Select("t"))})
    return Program({"t": TABLE}, (before, race, after))


@pytest.mark.parametrize("outage", [Kill(), Restart()])
@pytest.mark.parametrize("driver", ["http", "session"])
def test_a_healthy_server_loses_nothing_when_it_goes_down(tmp_path, outage, driver):
    """Requests that were under way are indeterminate or refused; all others are there, and only they."""
    with open_run(TargetOptions(driver=driver), tmp_path) as workspace:
        history = execute(program(outage), workspace, tmp_path / "h.jsonl")
    whats = [event.what for event in history.events if isinstance(event, ServerEvent)]
    assert whats == ["killed" if isinstance(outage, Kill) else "stopped", "healthy"]
    verdict = judge(history)
    assert (verdict.verdict, verdict.anomalies) == ("holds", ())


@pytest.mark.parametrize("driver", ["http", "process"])
def test_a_kill_with_a_release_point_meets_the_requests_of_its_round(tmp_path, driver):
    """It leaves with them, and not when their clients have gone; what has no answer is open."""
    lanes = {f"u0/{number}": lane(*(insert(10 * number + at) for at in range(9))) for number in (1, 2)}
    kill = Step(Kill(), Release(us=1_500))
    race = Round({**lanes, "u0/3": (kill,)})
    with open_run(TargetOptions(driver=driver), tmp_path) as workspace:
        history = execute(Program({"t": TABLE}, (race,)), workspace, tmp_path / "h.jsonl")
    inserts = {e.i for e in history.events if isinstance(e, Invoke) and isinstance(e.op, Insert)}
    answered = [e for e in history.events if isinstance(e, Ok) and e.of in inserts]
    assert len(answered) < len(inserts)
    assert [e.what for e in history.events if isinstance(e, ServerEvent)] == ["killed", "healthy"]
    assert judge(history).verdict == "holds", judge(history)


def test_a_restart_does_not_wait_for_idle_connections(tmp_path):
    """Theirs and root's are closed first: a server that is told to stop may wait 30 s for each."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        steps = lane(insert(1), Restart(), insert(2), Select("t"))
        history = execute(Program({"t": TABLE}, (Round({"u0/1": steps}),)), workspace, tmp_path / "h.jsonl")
    # After it, the same session goes on with a connection of its own, as the same process.
    assert not [event for event in history.events if isinstance(event, Info)]
    assert judge(history).verdict == "holds"


def test_a_program_with_an_outage_needs_a_server_of_ours(tmp_path):
    """A running server is not ours to kill."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        target = workspace.target
        theirs = Workspace(
            type(target)(target.url, target.product, target.driver, target.root, target.admin),
            workspace.identity,
            workspace.namespace,
            workspace.journal,
        )
        killing = Program({"t": TABLE}, (Round({"u0/1": lane(insert(1), Kill())}),))
        with pytest.raises(UsageError, match="needs a server that we started ourselves"):
            execute(killing, theirs, tmp_path / "h.jsonl")


def test_a_server_that_dies_by_itself_is_a_finding(tmp_path):
    """Unlike one that we killed: exit 1, with its last lines, and the history says when."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:

        def murder(_process, op, _reply):
            if op == insert(2):
                os.kill(workspace.target.managed.pid, signal.SIGKILL)
                workspace.target.managed._process.wait()

        steps = lane(insert(1), insert(2), insert(3))
        with pytest.raises(ServerDiedError, match="its data stays with the run") as died:
            execute(
                Program({"t": TABLE}, (Round({"u0/1": steps}),)),
                workspace,
                tmp_path / "h.jsonl",
                observe=murder,
            )
    assert died.value.exit_code == 1
    assert "server-died" in {anomaly.name for anomaly in judge(read_history(tmp_path / "h.jsonl")).anomalies}


def test_a_server_that_came_back_whole_is_without_fault(tmp_path):
    """A new table, rows, a flush, both tiers."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        assert fault_after_restart(workspace) is None
        workspace.target.ask(f"DROP NAMESPACE {workspace.namespace} CASCADE")
        fault = fault_after_restart(workspace)
    assert fault is not None
    assert fault.message.startswith("a new table was refused: ")


def test_a_kill_is_answered_once_the_server_is_whole(tmp_path):
    """So nothing of the next round meets a server that is not there."""
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        steps = lane(insert(1), Kill())
        history = execute(Program({"t": TABLE}, (Round({"u0/1": steps}),)), workspace, tmp_path / "h.jsonl")
    healthy = next(e.i for e in history.events if isinstance(e, ServerEvent) and e.what == "healthy")
    assert next(e.of for e in history.events if isinstance(e, Ok) and e.i > healthy) == 3

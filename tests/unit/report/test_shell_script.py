"""The shell reproduction: runs against a live server, and says whether it saw the anomaly."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import threading

import pytest

from kalam_props.checks.judge import judge
from kalam_props.checks.verdict import Anomaly
from kalam_props.history.events import Header, History, Invoke, Ok, Product, TableShape
from kalam_props.history.operations import AwaitFlush, Insert, Kill, Select, Txn
from kalam_props.history.reader import read_history
from kalam_props.hunt.lab import Lab
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.model import Net, Program, Release, Round, Step, TableDef
from kalam_props.reference.client import client_command
from kalam_props.report.script import shell_script
from kalam_props.targets.opening import TargetOptions, open_run

TABLE = {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id")}
AWKWARD = 'a\'; "$HOME" `id` \\ $(id) -- ż'


@pytest.fixture
def dropped(tmp_path):
    """A server that drops a row at the boundary, a program that shows it, and its script."""
    program = Program(
        {"t": TableDef((("id", "BIGINT"), ("v", "TEXT")), "id", flush_rows=1)},
        (Round({"u0/1": (Step(Insert("t", ((1, AWKWARD),))),)}),),
    )
    with open_run(TargetOptions(faults=("boundary-row-dropped",)), tmp_path) as workspace:
        trial = Lab(workspace, tmp_path / "histories").run(program)
        recorded = read_history(trial.history)
        (anomaly, *_) = judge(recorded).anomalies
        text = shell_script(program, anomaly, recorded, reproduced=(20, 20), found_on="the reference server")
        yield workspace.target, text


def run_script(text, folder, target, **variables):
    kalam = folder / "kalam"
    kalam.write_text(f'#!/bin/sh\nexec {shlex.join(client_command())} "$@"\n')
    kalam.chmod(kalam.stat().st_mode | stat.S_IXUSR)
    script = folder / "reproduce.sh"
    script.write_text(text)
    environment = {
        **os.environ,
        "KALAM": str(kalam),
        "KALAM_URL": target.url,
        "KALAM_TOKEN": target.root.token,
        "FLUSH_WAIT": "0.4",
        "TELL_WAIT": "1",
        **variables,
        "HOME": str(folder),
    }
    return subprocess.run(
        ["sh", str(script), "3"], env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize(
    ("fault", "anomaly", "tried"),
    [
        ("missed-notification:rate=1", "missed-notification", "1"),
        ("notification-twice:rate=1", "duplicate-notification", "1"),
        ("foreign-notification:rate=1", "foreign-notification", "1"),
        # The second client may start when the window of the first try is over.
        ("notification-overtaken:window=450ms", "reordered-notification", ""),
    ],
)
def test_the_script_sees_what_a_subscriber_was_told_wrongly(fault, anomaly, tried, tmp_path):
    """By `kalam --subscribe` in the background, with a login of its own."""
    program = YARDSTICKS[fault.partition(":")[0]].minima[0]
    with open_run(TargetOptions(driver="http", faults=(fault,)), tmp_path) as workspace:
        trial = Lab(workspace, tmp_path / "histories").run(program)
        recorded = read_history(trial.history)
        found = next(one for one in judge(recorded).anomalies if one.name == anomaly)
        text = shell_script(program, found, recorded, reproduced=(1, 1), found_on="the reference server")
        done = run_script(text, tmp_path, workspace.target)
        users = (
            workspace.target.ask("SELECT user_id FROM system.users WHERE deleted_at IS NULL LIMIT 99")
            .results[0]
            .rows
        )
    assert (done.returncode, done.stderr) == (1, ""), done
    assert f"saw {anomaly} at try {tried}" in done.stdout
    assert not [user for (user,) in users if user.startswith("kp_repro")]
    (tmp_path / "healthy").mkdir()
    with open_run(TargetOptions(driver="http"), tmp_path / "healthy") as workspace:
        done = run_script(text, tmp_path, workspace.target)
    assert (done.returncode, done.stderr) == (0, ""), done


def lost(program, **fields):
    """A script for a program whose row 1 is believed to be lost, with the history of a healthy run."""
    row = ((1, "a"),)
    tables = {"t": TableShape("user", ("id", "v"), "id")}
    header = Header(
        Product("reference", "1"), Product("c", "1"), "process", gate=True, program="", tables=tables
    )
    read = sum(len(r.lanes.get("u0/1", ())) for r in program.rounds) + 2  # await-flush, then the first scan
    ops = [step.op for r in program.rounds for step in r.lanes.get("u0/1", ())]
    invokes = [Invoke(i, i, "u0/1", "u0", op) for i, op in enumerate([*ops, AwaitFlush("t"), Select("t")], 1)]
    history = History(header, (*invokes, Ok(read + 1, read + 1, of=read, rows=row)))
    anomaly = Anomaly("lost-row", (read,), "it is gone", table="t", user="u0", key=1, **fields)
    return shell_script(program, anomaly, history, reproduced=(1, 1), found_on="the reference server")


def test_a_transaction_is_one_command(tmp_path):
    """`BEGIN; …; COMMIT` as one statement text, each statement for its user."""
    ops = (Insert("t", ((1, "a"),)), Insert("t", ((2, "b"),)))
    text = lost(Program(TABLE, (Round({"u0/1": (Step(Txn(ops)),)}),)))
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        done = run_script(text, tmp_path, workspace.target)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "did not see lost-row" in done.stdout


def test_what_a_shell_cannot_do_is_said():
    """Beside the operation, and at the top."""
    steps = (Step(Insert("t", ((1, "a"),)), Release("round", us=400), Net(cut="after-forward")),)
    text = lost(Program(TABLE, (Round({"u0/1": steps}),)))
    assert "u0/1, left at 400 us of the round, its connection: cut after-forward" in text
    after = lost(Program(TABLE, (Round({"u0/1": (Step(Insert("t", ((1, "a"),)), Release("answer", 50)),)}),)))
    assert "u0/1, left 50 us after the answer to the other's write" in after
    assert "# Connections were cut or slowed where it stands beside an operation" in text
    assert "# Requests left at the moments that stand beside them" in text


def test_a_server_goes_down_by_a_command_of_the_user(tmp_path):
    """The script says so when it has none, and goes on when the server answers again."""
    text = lost(Program(TABLE, (Round({"u0/1": (Step(Insert("t", ((1, "a"),))), Step(Kill()))}),)))
    with open_run(TargetOptions(driver="http"), tmp_path) as workspace:
        done = run_script(text, tmp_path, workspace.target)
        assert done.returncode == 2
        assert "set KALAM_KILL to a command" in done.stderr
        wish, server = tmp_path / "wish", workspace.target.managed
        over = threading.Event()

        def kill_when_asked():
            while not over.wait(0.02):
                if wish.exists():
                    server.kill()
                    server.start()
                    wish.unlink()

        killer = threading.Thread(target=kill_when_asked)
        killer.start()
        try:
            ask = f"touch {wish}; while [ -e {wish} ]; do sleep 0.05; done"
            done = run_script(text, tmp_path, workspace.target, KALAM_KILL=ask)
        finally:
            over.set()
            killer.join()
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "did not see lost-row" in done.stdout


def test_the_script_sees_the_anomaly_where_it_is(dropped, tmp_path):
    """Exit 1, and the answer that shows it; values come through the shell as they are."""
    target, text = dropped
    done = run_script(text, tmp_path, target)
    assert (done.returncode, done.stderr) == (1, ""), done
    assert "saw lost-row at try 1" in done.stdout


def test_the_script_says_so_where_it_is_not(dropped, tmp_path):
    """The same script against a healthy server: exit 0 after its tries."""
    _, text = dropped
    (tmp_path / "healthy").mkdir()
    with open_run(TargetOptions(), tmp_path / "healthy") as workspace:
        done = run_script(text, tmp_path, workspace.target)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "did not see lost-row in 3 tries" in done.stdout

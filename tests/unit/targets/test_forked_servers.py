"""The reference server as a fork of a process that has everything imported: started often, and never left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest
from processes import gone

from kalam_props.errors import TargetError
from kalam_props.targets import managed
from kalam_props.targets.launch import reference
from kalam_props.targets.managed import ManagedServer

PASSWORD = "root-of-this-test"


def stopped_server(folder: Path, *faults: str) -> ManagedServer:
    data = folder / "data"
    data.mkdir()
    return ManagedServer(reference(PASSWORD, faults), data, folder / "server.log", PASSWORD)


@pytest.fixture
def server(tmp_path):
    """One that runs."""
    running = stopped_server(tmp_path)
    running.start()
    yield running
    running.close()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def answers(server: ManagedServer) -> bool:
    return httpx.get(server.url + managed.HEALTH_PATH, trust_env=False).status_code == 200


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_is_another_process_each_time_at_one_address(server, end):
    """What ended is gone before the next one starts."""
    pid, url = server.pid, server.url
    getattr(server, end)()
    assert not server.running
    assert gone(pid)
    server.start()
    assert server.pid != pid
    assert (server.url, server.running, server.crashed) == (url, True, False)
    assert answers(server)


def test_how_it_ended_is_known(server):
    """One that ended by itself has crashed, and can be started again on its data."""
    os.kill(server.pid, signal.SIGKILL)
    server.await_end(10)
    assert (server.running, server.crashed, server.exit_code()) == (False, True, -9)
    server.start_again()
    assert answers(server)


def test_one_that_runs_is_not_waited_for_longer_than_asked(server):
    """`await_end` is for a server that somebody else was told to end."""
    server.await_end(0.01)
    assert server.running


def test_a_server_outlives_neither_us_nor_what_forked_it(server):
    """Nobody would tell how the server of a killed fork server ended, so that it ends too."""
    pid, parent = server.pid, parent_of(server.pid)
    os.kill(parent, signal.SIGKILL)
    server.await_end(10)
    assert not server.running
    assert gone(pid)
    server.start_again()
    assert answers(server)


def test_nothing_is_left_when_we_are_killed(tmp_path):
    """Neither the server nor the process that would fork the next."""
    (tmp_path / "data").mkdir()
    program = """
        import sys
        from pathlib import Path
        from kalam_props.targets.launch import reference
        from kalam_props.targets.managed import ManagedServer
        folder = Path(sys.argv[1])
        server = ManagedServer(reference("password-1"), folder / "data", folder / "server.log", "password-1")
        server.start()
        print(server.pid, flush=True)
        sys.stdin.read()
    """
    words = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        pid = int(starter.stdout.readline())
        parent = parent_of(pid)
        assert parent != starter.pid
        starter.kill()
    assert gone(pid)
    assert gone(parent)


def test_closing_ends_the_fork_server_too(server):
    """Who needs no server any more has two processes less."""
    parent = parent_of(server.pid)
    server.close()
    assert gone(parent)


def test_one_that_cannot_start_says_why(tmp_path):
    """The words are the server's own, from its log."""
    unable = stopped_server(tmp_path, "no-such-fault")
    with pytest.raises(TargetError, match="no-such-fault"):
        unable.start()
    unable.close()


def test_a_port_that_was_taken_meanwhile_is_no_failure(tmp_path, monkeypatch):
    """The next one is tried, by a fork server that has that one among its arguments."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter((taken.getsockname()[1], managed.free_port()))
        monkeypatch.setattr(managed, "free_port", lambda: next(ports))
        server = stopped_server(tmp_path)
        server.start()
        assert answers(server)
        server.close()

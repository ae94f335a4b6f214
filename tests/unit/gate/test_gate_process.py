from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_peers import OK, Counting, connect, poll, read_answer, refuses, sql_request

from kalam_props.errors import TargetError
from kalam_props.gate.handle import Gate
from kalam_props.gate.plan import Planned
from kalam_props.gate.priority import Priority

Behind = Callable[[Callable[[socket.socket], None]], Gate]

OWNER = """
import os, signal, sys, time
from kalam_props.gate.handle import Gate
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell started in the background
gate = Gate("http://127.0.0.1:1")
session = gate.open_session()
{more}
print(gate.pid, session.port, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def owner_of_a_gate(more: str = "") -> tuple[subprocess.Popen[str], int, int]:
    """A process that owns a gate: it, the gate's process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(more=more)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid, port = map(int, process.stdout.readline().split())
    return process, pid, port


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_gate_ends_with_the_tester_however_that_ends(how: signal.Signals) -> None:
    """Killed without a chance to clean up, too: process gone, port closed."""
    process, pid, port = owner_of_a_gate()
    with process:
        assert runs(pid)
        process.send_signal(how)
        process.wait()
    poll(lambda: not runs(pid))
    assert refuses(port)


def test_a_child_that_the_tester_forked_does_not_keep_the_gate() -> None:
    """It has inherited the control socket, and lives on."""
    more = "child = os.fork()\nif child == 0: time.sleep(600)\nprint(child, flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(more=more)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        pid, _ = map(int, process.stdout.readline().split())
        try:
            process.kill()
            process.wait()
            poll(lambda: not runs(pid))
            assert runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_closing_ends_the_process_and_its_ports(behind: Behind) -> None:
    """And closing again does nothing."""
    gate = behind(Counting())
    session = gate.open_session()
    gate.close()
    assert not runs(gate.pid)
    assert refuses(session.port)
    gate.close()


def test_it_listens_on_loopback_only(behind: Behind) -> None:
    """Every listening socket of its process is bound to 127.0.0.1; one for each session."""
    gate = behind(Counting())
    sessions = [gate.open_session() for _ in range(3)]
    inodes = {
        str(entry.readlink()).removeprefix("socket:[").removesuffix("]")
        for entry in Path(f"/proc/{gate.pid}/fd").iterdir()
        if str(entry.readlink()).startswith("socket:")
    }
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{gate.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                listening.add((address, int(port, 16)))
    assert listening == {("0100007F", session.port) for session in sessions}


def test_it_connects_to_its_one_target_whatever_the_request_names(behind: Behind) -> None:
    """A Host header, an absolute URL or CONNECT make no other destination: the target gets the bytes."""
    server = Counting()
    gate = behind(server)
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        name = f"127.0.0.1:{elsewhere.getsockname()[1]}".encode()
        requests = [
            b"GET http://" + name + b"/ HTTP/1.1\r\nhost: " + name + b"\r\n\r\n",
            b"CONNECT " + name + b" HTTP/1.1\r\nhost: " + name + b"\r\n\r\n",
        ]
        for request in requests:
            with connect(gate.open_session().port) as client:
                client.sendall(request)
                assert read_answer(client) == OK
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert server.requests == requests


def test_a_dead_gate_is_told_in_a_sentence(behind: Behind) -> None:
    """Killed in the middle of a run: what died, how, and what to do."""
    gate = behind(Counting())
    round_ = gate.arm([Planned(gate.open_session(), "SELECT 1")])
    os.kill(gate.pid, signal.SIGKILL)
    for ask in (gate.open_session, lambda: round_.collect(0)):
        with pytest.raises(TargetError, match=r"gate .* exit code -9.*--no-gate"):
            ask()


def test_a_gate_that_hangs_is_told_and_ended() -> None:
    """Stopped by a signal: it does not answer, and is gone after the error."""
    with Gate("http://127.0.0.1:1", answer_s=3.0) as gate:  # it also has so long to start
        os.kill(gate.pid, signal.SIGSTOP)
        with pytest.raises(TargetError, match="does not answer"):
            gate.open_session()
        poll(lambda: not runs(gate.pid))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1:1", "usage"),
        ("http://127.0.0.1:99999", "Port out of range"),
        ("http://no-such-host.invalid:1", "cannot begin"),
    ],
)
def test_a_target_that_cannot_be_is_told_with_the_gates_own_words(url: str, words: str) -> None:
    """At the start, not at the first request."""
    with pytest.raises(TargetError, match=words):
        Gate(url)


def test_a_closed_gate_refuses_to_be_used(behind: Behind) -> None:
    """With a sentence, too."""
    gate = behind(Counting())
    gate.close()
    with pytest.raises(TargetError, match="closed already"):
        gate.open_session()


def test_ctrl_c_is_for_the_tester(behind: Behind) -> None:
    """The terminal sends SIGINT to the whole group; the tester still needs the gate to clean up."""
    gate = behind(Counting())
    os.kill(gate.pid, signal.SIGINT)
    session = gate.open_session()
    with connect(session.port) as client:
        client.sendall(sql_request("SELECT 1"))
        assert read_answer(client) == OK


def test_priority_is_raised_where_allowed_and_given_back() -> None:
    """Real-time between the two calls, if the system lets us; the usual scheduling before and after."""
    usual = os.sched_getscheduler(0)
    priority = Priority()
    assert os.sched_getscheduler(0) == usual
    priority.raise_()
    assert (os.sched_getscheduler(0) == os.SCHED_FIFO) is priority.allowed
    priority.lower()
    assert os.sched_getscheduler(0) == usual


def test_after_a_release_the_gate_has_the_usual_priority(behind: Behind) -> None:
    """It must not stand in the server's way."""
    gate = behind(Counting())
    sessions = [gate.open_session() for _ in range(2)]
    round_ = gate.arm([Planned(session, "SELECT 1", us=100) for session in sessions])
    clients = [connect(session.port) for session in sessions]
    for client in clients:
        client.sendall(sql_request("SELECT 1"))
    for client in clients:
        assert read_answer(client) == OK
        client.close()
    round_.end()
    assert os.sched_getscheduler(gate.pid) == os.sched_getscheduler(0)


def test_its_process_imports_little() -> None:
    """It starts with every run: no data class library, no event loop, no TLS for a plain target."""
    words = "import sys, kalam_props.gate.__main__; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert {"attr", "cattrs", "asyncio", "ssl", "hypothesis", "httpx"}.isdisjoint(out.split())
    assert "kalam_props.gate.relay" in out.split()


def test_clients_get_the_path_of_the_target_in_their_url() -> None:
    """A server behind a prefix."""
    with Gate("http://127.0.0.1:1/prefix/") as gate:
        session = gate.open_session()
        assert session.url == f"http://127.0.0.1:{session.port}/prefix"


def test_a_server_name_with_two_addresses_is_tried_at_each() -> None:
    """`localhost` may be ::1 first, where nobody listens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Gate(f"http://localhost:{server.getsockname()[1]}") as gate,
    ):
        server.settimeout(20)
        with connect(gate.open_session().port):
            server.accept()[0].close()

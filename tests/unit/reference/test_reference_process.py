"""The server as a process: how it starts, says what is wrong, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from server_process import DEADLINE_S, PASSWORD, Client, Refused, ServerProcess, serving


def start_and_wait(*arguments, environment=None):
    """Run a server that is not expected to get far."""
    return subprocess.run(
        [sys.executable, "-m", "kalam_props.reference", "--exit-with-stdin", *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env={**os.environ, "KALAM_PROPS_ROOT_PASSWORD": PASSWORD, **(environment or {})},
    )


def test_ready_line_is_the_only_line_on_stdout():
    """Standard output is one JSON line that says where the server is and which faults are on."""
    finished = start_and_wait("--fault", "seen-twice:window=3ms", "--fault", "stale-count")
    assert finished.returncode == 0
    assert finished.stderr == ""
    (line,) = finished.stdout.splitlines()
    ready = json.loads(line)
    assert ready["ready"] is True
    assert ready["url"].startswith("http://127.0.0.1:")
    assert ready["server"] == "kalam_props-reference"
    assert ready["faults"] == ["seen-twice:window=3ms", "stale-count"]
    assert ready["startup_ms"] > 0
    assert isinstance(ready["pid"], int)


def test_end_of_standard_input_stops_it():
    """With --exit-with-stdin the server ends, with code 0, when its parent is gone."""
    server = ServerProcess()
    server.process.stdin.close()
    assert server.process.wait(DEADLINE_S) == 0
    server.process.stdout.close()
    server.process.stderr.close()


def test_sigterm_with_open_connections_is_an_orderly_stop():
    """Idle keep-alive connections do not keep the server from ending with code 0."""
    server = ServerProcess()
    client = server.client()
    assert client.rows("SELECT 1") == [["1"]]
    assert server.stop() == (0, "")
    client.close()


def test_port_that_is_taken_is_one_sentence_and_code_2():
    """A taken port is named in one line on stderr."""
    with serving() as first:
        second = start_and_wait("--port", str(first.port))
    assert second.returncode == 2
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert f"port {first.port}" in line


def test_data_directory_that_is_a_file_is_one_sentence_and_code_2(tmp_path):
    """An unusable data directory is named in one line on stderr."""
    path = tmp_path / "file"
    path.write_text("not a folder")
    finished = start_and_wait("--data-dir", str(path))
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert str(path) in line


def test_data_directory_in_use_is_one_sentence_and_code_2(tmp_path):
    """Two servers never share a data directory."""
    with serving(data_dir=tmp_path):
        finished = start_and_wait("--data-dir", str(tmp_path))
    assert finished.returncode == 2
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize("fault", ["lost-on-flsh", "seen-twice:windw=2ms", "seen-twice:window=soon"])
def test_fault_that_cannot_be_read_is_one_sentence_and_code_2(fault):
    """A wrong fault names what is known."""
    finished = start_and_wait("--fault", fault)
    assert finished.returncode == 2
    assert len(finished.stderr.splitlines()) == 1


def test_without_a_data_directory_nothing_is_left(tmp_path):
    """The temporary folder is removed at an orderly end."""
    finished = start_and_wait(environment={"TMPDIR": str(tmp_path)})
    assert finished.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert Path(tempfile.gettempdir()).exists()


def test_without_a_password_one_is_made_and_printed():
    """The ready line of a server without a given root password has one that works, and never a given one."""
    server = ServerProcess(environment={"HOME": os.environ.get("HOME", "/")})
    try:
        assert server.login("root", server.ready["root_password"])
    finally:
        server.stop()
    with serving() as other:
        assert "root_password" not in other.ready


def test_restart_keeps_rows_users_and_tokens(tmp_path):
    """Everything acknowledged and every token survive an orderly stop."""
    with serving(data_dir=tmp_path) as server:
        token = server.login()
        client = server.client(token)
        client.run("CREATE NAMESPACE ns")
        client.run("CREATE USER TABLE ns.t (id BIGINT PRIMARY KEY, v TEXT)")
        client.run("CREATE USER 'ada' WITH PASSWORD 'pw' ROLE user")
        client.run("INSERT INTO ns.t (id, v) VALUES (1, 'cold')")
        client.run("STORAGE FLUSH TABLE ns.t")
        client.run("INSERT INTO ns.t (id, v) VALUES (2, 'hot')")
    with serving(data_dir=tmp_path) as server:
        client = server.client(token)
        assert client.rows("SELECT id, v FROM ns.t ORDER BY id") == [["1", "cold"], ["2", "hot"]]
        assert server.login("ada", "pw")
        with pytest.raises(Refused):
            server.login("ada", "wrong")


def test_stats_need_no_login():
    """Activity and faults can be read by whoever reaches the loopback port."""
    with serving("--fault", "lost-on-flush:window=1ms") as server:
        status, stats = Client(server.port, None).get("/v1/reference/stats")
    assert status == 200
    assert stats["activity"]["requests"] == 0
    assert stats["faults"]["lost-on-flush"] == {
        "parameters": {"window": "1ms"},
        "hits": 0,
        "window_ms": None,
    }

"""A server that we start: healthy or an error that says why, and nothing of it left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fake_server import answering_server, shell_server
from processes import gone

from kalam_props.errors import StorageError, TargetError
from kalam_props.targets import launch
from kalam_props.targets.managed import ManagedServer, free_port


def managed(folder: Path, binary: Path, **settings) -> ManagedServer:
    data = folder / "data"
    data.mkdir()
    return ManagedServer(launch.kalamdb(binary, "pw"), data, folder / "server.log", "pw", **settings)


def pid_in(log: Path) -> int:
    return int(log.read_text().split()[1])


def test_a_server_is_healthy_when_it_says_so(tmp_path):
    """It says its version; one that does not say its name is a KalamDB."""
    server = managed(tmp_path, answering_server(tmp_path))
    server.start()
    pid = server.pid
    assert (server.product.name, server.product.version, server.running) == ("KalamDB", "9.9.9", True)
    server.stop()
    assert not server.running
    assert gone(pid)


def test_a_server_keeps_its_port_through_kill_and_start(tmp_path):
    """Clients are told its address once."""
    server = managed(tmp_path, answering_server(tmp_path))
    server.start()
    url, pid = server.url, server.pid
    server.kill()
    server.start()
    assert (server.url, server.running, server.crashed) == (url, True, False)
    assert server.pid != pid
    server.stop()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), ("no program\n", "Exec format"), ("", "Exec format")]
)
def test_what_is_no_program_is_named(tmp_path, content, words):
    """One sentence with the path and the system's reason."""
    binary = tmp_path / "kalamdb-server"
    if content is not None:
        binary.write_text(content)
        binary.chmod(0o755)
    with pytest.raises(TargetError, match=f"cannot start the server .*kalamdb-server: {words}"):
        managed(tmp_path, binary).start()


def test_a_server_that_ends_while_starting_says_its_last_lines(tmp_path):
    """Exit code and log."""
    server = managed(tmp_path, shell_server(tmp_path, "echo 'no such option'; exit 3"))
    with pytest.raises(TargetError, match=r"ended while starting \(exit 3\)(.|\n)*no such option"):
        server.start()
    assert not server.running
    assert not server.crashed


def test_a_server_that_never_gets_healthy_is_ended(tmp_path):
    """After its time, with the tail of its log."""
    binary = shell_server(tmp_path, "echo listening $$; exec sleep 1000")
    server = managed(tmp_path, binary, start_timeout_s=0.5)
    with pytest.raises(TargetError, match=r"was not healthy after 0 s; its log ends:\nlistening"):
        server.start()
    assert gone(pid_in(server.log))


def test_a_server_that_is_no_kalamdb_is_ended(tmp_path):
    """Something answers, but not with a health document."""
    server = managed(tmp_path, answering_server(tmp_path, b"<html>hello</html>"))
    with pytest.raises(TargetError, match="not the health answer of a KalamDB"):
        server.start()
    assert gone(pid_in(server.log))


def test_a_server_that_ended_by_itself_has_crashed(tmp_path):
    """One that we stopped or killed has not."""
    server = managed(tmp_path, answering_server(tmp_path))
    server.start()
    os.kill(server.pid, signal.SIGKILL)
    assert gone(server.pid)
    assert (server.running, server.crashed, server.exit_code()) == (False, True, -9)
    server.stop()


def test_a_server_that_does_not_come_up_again_has_crashed(tmp_path):
    """Its data is what an engineer wants to see."""
    script = (
        'if [ -e "$PWD/before" ]; then echo "cannot read the log"; exit 1; fi; touch "$PWD/before"; exec '
    )
    answering = answering_server(tmp_path).rename(tmp_path / "answering")
    server = managed(tmp_path, shell_server(tmp_path, f'{script} {answering} "$1"'))
    server.start()
    server.kill()
    with pytest.raises(TargetError, match="cannot read the log"):
        server.start()
    assert server.crashed


def test_a_log_that_cannot_be_written_is_an_error_of_storage(tmp_path):
    """A full disk or a folder without rights is no fault of the server."""
    server = managed(tmp_path, answering_server(tmp_path))
    server.log = tmp_path / "nowhere" / "server.log"
    with pytest.raises(StorageError, match="cannot be written"):
        server.start()


def test_settings_of_another_server_are_not_inherited(tmp_path):
    """`KALAMDB_DATA_DIR` in the user's environment would lead our server to the user's data."""
    binary = shell_server(tmp_path, "env; exit 3")
    program = """
        import sys
        from pathlib import Path
        from kalam_props.errors import TargetError
        from kalam_props.targets import launch
        from kalam_props.targets.managed import ManagedServer
        folder = Path(sys.argv[1])
        try:
            plan = launch.kalamdb(Path(sys.argv[2]), "pw")
            ManagedServer(plan, folder, folder / "server.log", "pw").start()
        except TargetError:
            pass
    """
    environment = {
        **os.environ,
        "KALAMDB_DATA_DIR": "/precious",
        "KALAMDB_SERVER_HOST": "0.0.0.0",  # noqa: S104  # what must not reach the server
        "KALAM_PROPS_ROOT_PASSWORD": "another",
        "SOMETHING_ELSE": "kept",
    }
    words = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(binary)]
    subprocess.run(words, env=environment, check=True)
    seen = (tmp_path / "server.log").read_text().splitlines()
    assert "SOMETHING_ELSE=kept" in seen
    assert "KALAMDB_ROOT_PASSWORD=pw" in seen
    assert not [line for line in seen if line.startswith(("KALAMDB_DATA", "KALAMDB_SERVER", "KALAM_PROPS_"))]


def test_a_server_does_not_outlive_us_however_we_end(tmp_path):
    """Also after `kill -9` of the process that started it."""
    program = """
        import sys
        from pathlib import Path
        from kalam_props.targets import launch
        from kalam_props.targets.managed import ManagedServer
        folder = Path(sys.argv[1])
        server = ManagedServer(launch.kalamdb(Path(sys.argv[2]), "pw"), folder, folder / "server.log", "pw")
        server.start()
        print(server.pid, flush=True)
        sys.stdin.read()
    """
    words = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(answering_server(tmp_path))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        pid = int(starter.stdout.readline())
        assert not Path(f"/proc/{pid}").exists() or os.kill(pid, 0) is None
        starter.kill()
    assert gone(pid)


def test_the_configuration_listens_on_loopback_only(tmp_path):
    """Every address in it; flushes are looked for each second, passwords are cheap, limits far away."""
    plan = launch.kalamdb(tmp_path / "kalamdb-server", "secret")
    started = plan(4711, tmp_path)
    text = (tmp_path / "server.toml").read_text()
    assert started.argv[1] == str(tmp_path / "server.toml")
    assert 'host = "127.0.0.1"' in text
    assert "port = 4711" in text
    assert 'rpc_addr = "127.0.0.1:' in text
    assert "0.0.0.0" not in text  # noqa: S104  # what it must not say
    assert "check_interval_seconds = 1\n" in text
    assert "bcrypt_cost = 4" in text
    assert "secret" not in text
    assert started.environment["KALAMDB_ROOT_PASSWORD"] == "secret"
    assert "secret" not in repr(started)


def test_ports_of_servers_are_none_that_the_system_gives_away():
    """Else the gate of another run may have it before the server has."""
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def test_a_port_that_is_taken_is_not_given(monkeypatch):
    """One sentence where all are."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        monkeypatch.setattr("kalam_props.targets.managed.FIRST_PORT", taken.getsockname()[1])
        monkeypatch.setattr("kalam_props.targets.managed.PORTS", 1)
        with pytest.raises(TargetError, match="no free port"):
            free_port()

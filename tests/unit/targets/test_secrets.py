"""Passwords and tokens are in nothing that a run prints, keeps, or shows to `ps`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from compatible import compatible_client

from kalam_props.targets.launch import reference
from kalam_props.targets.managed import ManagedServer

PASSWORD = "Root-Secret-8231"
_TOKEN = re.compile(rb"eyJ[\w-]{10,}\.[\w-]{10,}")
"""Two parts of a JWT."""


def leaks(data: bytes) -> list[bytes]:
    return [PASSWORD.encode()] * (PASSWORD.encode() in data) + _TOKEN.findall(data)


def watch_processes(over: threading.Event, seen: set[bytes]) -> None:
    """Collect the command lines of the machine, as `ps` would show them."""
    while not over.is_set():
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(entry.read_bytes())
            except OSError:
                continue  # it has ended


@pytest.fixture
def server(tmp_path):
    """A reference server with a root password that a search can find."""
    data = tmp_path / "data"
    data.mkdir()
    managed = ManagedServer(reference(PASSWORD), data, tmp_path / "server.log", PASSWORD)
    managed.start()
    yield managed
    managed.close()


@pytest.mark.parametrize("identity", ["token", "execute-as"])
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look for processes in")
def test_a_hunt_shows_no_secret(server, tmp_path, identity):
    """Not on its output, not in histories, report, journal or seeds, not in any command line."""
    run = tmp_path / "run"
    words = [sys.executable, "-m", "kalam_props.cli", "hunt", "--server-url", server.url, "--json"]
    words += ["--kalam", str(compatible_client(tmp_path)), "--identity", identity, "--run-dir", str(run)]
    words += ["--seeds-dir", str(run / "seeds"), "--programs", "2", "--machine", "flush-races", "--seed", "1"]
    environment = {**os.environ, "KALAM_PROPS_ROOT_PASSWORD": PASSWORD}
    over, command_lines = threading.Event(), set()
    watcher = threading.Thread(target=watch_processes, args=(over, command_lines))
    watcher.start()
    try:
        ended = subprocess.run(words, env=environment, capture_output=True, check=False)
    finally:
        over.set()
        watcher.join()
    assert ended.returncode in (0, 3), ended.stderr
    assert any(b"--command=" in line for line in command_lines), "no client was seen: nothing was looked at"
    kept = [path for path in run.rglob("*") if path.is_file()]
    assert any(path.suffix == ".jsonl" for path in kept)
    assert not leaks(ended.stdout + ended.stderr)
    assert {path.name: found for path in kept if (found := leaks(path.read_bytes()))} == {}
    assert not leaks(b"\n".join(command_lines))


def test_the_search_finds_what_it_looks_for():
    """A search that cannot fail shows nothing."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJyb290In0.abc"
    assert leaks(f"Bearer {token}".encode())
    assert leaks(f"--password {PASSWORD}".encode())
    assert not leaks(b"SELECT 'eyJ'")

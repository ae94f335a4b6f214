"""`doctor` says what is there, and by its exit code whether a hunt could run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from compatible import compatible_client
from fake_server import shell_server


def doctor(*arguments: str) -> tuple[int, str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KALAM_PROPS_")}
    words = [sys.executable, "-m", "kalam_props.cli", "doctor", *arguments]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_target_that_works_is_described(tmp_path):
    """Client, server, identities, features, times of flushes, subscriptions; exit 0."""
    code, printed, _ = doctor("--json", "--kalam", str(compatible_client(tmp_path)))
    document = json.loads(printed)
    found = {finding["about"]: finding for finding in document["findings"]}
    assert (code, document["able"], document["skips"]) == (0, True, [])
    assert "crashes" in document["tests"]
    assert {finding["state"] for finding in found.values()} == {"ok"}, found
    assert set(found) >= {
        "client",
        "server",
        "identity token",
        "identity login",
        "identity execute-as",
        "tables",
        "features",
        "flush by row count",
        "flush by command",
        "subscriptions",
    }
    assert "kalam_props-reference" in found["server"]["found"]


def test_a_server_that_does_not_start_makes_a_hunt_impossible(tmp_path):
    """Exit 2, still one JSON document, with the last lines of the server's log."""
    binary = shell_server(tmp_path, "echo 'the disk is on fire'; exit 9")
    code, printed, errors = doctor("--json", "--kalamdb-server", str(binary))
    document = json.loads(printed)
    assert (code, document["able"], document["tests"], errors) == (2, False, [], "")
    assert "the disk is on fire" in document["findings"][-1]["found"]


def test_people_get_a_table_and_a_last_line():
    """Also of what is wrong."""
    code, printed, _ = doctor("--server-url", "http://db.example.com")
    assert code == 2
    assert "--allow-remote" in " ".join(printed.split())
    assert printed.endswith("a hunt tests: nothing\n")

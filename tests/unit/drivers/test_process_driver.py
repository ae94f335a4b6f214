"""One client process a statement: what comes of it, and that nothing of it stays behind."""

from __future__ import annotations

import os
import stat
import threading
import time

import pytest
from fake_client import fake_client
from scripted_server import STALL, ScriptedServer, answer, rows

from kalam_props.drivers.process import process_driver
from kalam_props.drivers.protocol import Credential
from kalam_props.errors import TargetError
from kalam_props.history.events import Product
from kalam_props.reference.client import client_command

ROOT = Credential("root", token="T")
ONE = answer(rows([("x", "BigInt")], [["1"]]))


def gone(pid: int) -> bool:
    """Whether a process has ended; asked until it has, or for 10 seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_a_driver_knows_name_and_version_of_its_client(tmp_path):
    """They are recorded in each history."""
    driver = process_driver(fake_client(tmp_path, ""), tmp_path / "home")
    assert (driver.name, driver.client) == ("process", Product("kalam", "0.2.0"))
    assert process_driver(client_command(), tmp_path / "home").client.name == "kalam-compat"


@pytest.mark.parametrize(("flags", "flag"), [("--user <U>", "--user"), ("--username <U>", "--username")])
def test_the_user_flag_is_the_one_that_the_client_has(tmp_path, flags, flag):
    """It was `--username` up to 0.4.2."""
    echo = """printf '%s\\n' "$@" > "$HOME/arguments"; echo '{"status":"success","results":[]}'"""
    driver = process_driver(fake_client(tmp_path, echo, flags), tmp_path / "home")
    connection = driver.connect(Credential("ann", password="pw"), url="http://h")
    assert connection.execute("SELECT 1", deadline_s=20).error is None
    arguments = (tmp_path / "home" / "arguments").read_text().splitlines()
    assert arguments[arguments.index(flag) + 1] == "ann"
    assert arguments[arguments.index("--password") + 1] == "pw"
    assert arguments[-1] == "--command=SELECT 1"
    assert not {"--no-spinner", "--receive-timeout=25"} & set(arguments)  # its --help has none of them


def test_connections_of_one_home_keep_their_identities_apart(tmp_path):
    """Also those of several drivers."""
    with ScriptedServer(ONE) as server:
        for token in ("T1", "T2", "T3"):
            driver = process_driver(client_command(), tmp_path)
            driver.connect(Credential("u", token=token), url=server.url).execute("SELECT 1", deadline_s=20)
        tokens = {request.headers.get("authorization") for request in server.requests if request.body}
    assert tokens == {"Bearer T1", "Bearer T2", "Bearer T3"}
    assert len(list((tmp_path / "identities").iterdir())) == 3


def test_a_token_is_given_in_a_private_file_that_closing_removes(tmp_path):
    """`ps` shows command lines to everybody."""
    driver = process_driver(client_command(), tmp_path)
    connection = driver.connect(Credential("ann", token="SECRET"), url="http://h")
    (file,) = (tmp_path / "identities").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "SECRET" in file.read_text()
    assert "max_retries = 0" in file.read_text()
    assert not [argument for argument in connection.arguments if "SECRET" in argument]
    assert "SECRET" not in repr(connection)
    connection.close()
    connection.close()
    assert not file.exists()


def test_a_client_without_configuration_gets_its_token_as_an_argument(tmp_path):
    """There is no other way then."""
    driver = process_driver(fake_client(tmp_path, "", "--user <U>"), tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
    assert driver.connect(ROOT, url="http://h").arguments[-2:] == ("--token", "T")


def test_a_client_has_a_home_of_its_own_and_none_of_our_proxies(tmp_path):
    """The user's own credentials and settings are neither read nor changed."""
    driver = process_driver(fake_client(tmp_path, 'env > "$HOME/seen"; exit 1'), tmp_path / "home")
    with pytest.raises(TargetError):
        driver.connect(ROOT, url="http://h").execute("SELECT 1", deadline_s=20)
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "home" / "seen").read_text().splitlines())
    assert seen["HOME"] == str(tmp_path / "home")
    assert not {name for name in seen if name.lower().endswith("_proxy")}


def test_a_statement_that_looks_like_a_flag_is_a_statement(tmp_path):
    """Also one that begins with a comment."""
    with ScriptedServer(ONE) as server:
        connection = process_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        assert connection.execute("-- hello\nSELECT 1", deadline_s=20).results[0].rows == ((1,),)
    assert server.statements == ["-- hello\nSELECT 1"]


def test_a_client_past_its_deadline_is_killed_with_all_that_it_started(tmp_path):
    """Its outcome is open, and it must not go on while later operations are judged."""
    body = 'sleep 600 & echo $! > "$HOME/child"; echo $$ > "$HOME/self"; sleep 600'
    connection = process_driver(fake_client(tmp_path, body), tmp_path / "home").connect(ROOT, url="http://h")
    reply = connection.execute("INSERT", deadline_s=0.5)
    assert (reply.error.code, reply.done) == ("timeout", None)
    for name in ("self", "child"):
        assert gone(int((tmp_path / "home" / name).read_text()))


def test_closing_from_another_thread_cuts_a_statement_short(tmp_path):
    """So that an interrupted run ends at once; a closed connection sends nothing more."""
    with ScriptedServer(STALL) as server:
        connection = process_driver(client_command(), tmp_path).connect(ROOT, url=server.url)
        replies = []
        waiting = threading.Thread(target=lambda: replies.append(connection.execute("INSERT", deadline_s=60)))
        waiting.start()
        deadline = time.monotonic() + 20
        while not server.statements and time.monotonic() < deadline:
            time.sleep(0.005)
        connection.close()
        waiting.join(20)
        assert (replies[0].error.code, replies[0].done) == ("connection", None)
        after = connection.execute("INSERT", deadline_s=5)
    assert (after.error.code, after.done) == ("connection", False)
    assert server.statements == ["INSERT"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo hello", "exit code 0, it printed 'hello'"),
        ("echo '{}'", "exit code 0, it printed '{}'"),
        ("exit 1", "exit code 1, it printed nothing"),
        (
            'echo "error: unexpected argument" >&2; exit 2',
            "exit code 2, it printed 'error: unexpected argument'",
        ),
        ("echo \"thread 'main' panicked\" >&2; exit 101", "exit code 101"),
    ],
)
def test_a_program_that_does_not_answer_as_kalam_is_named(tmp_path, body, words):
    """With the first line that it printed: it is not the server's fault, and no finding."""
    command = fake_client(tmp_path, body)
    connection = process_driver(command, tmp_path / "home").connect(ROOT, url="http://h")
    with pytest.raises(TargetError) as error:
        connection.execute("SELECT 1", deadline_s=20)
    assert str(error.value).startswith(command[0])
    assert words in str(error.value)


def test_a_client_that_ends_by_a_signal_leaves_the_outcome_open(tmp_path):
    """It may have sent the statement before."""
    driver = process_driver(fake_client(tmp_path, "kill -9 $$"), tmp_path / "home")
    reply = driver.connect(ROOT, url="http://h").execute("INSERT", deadline_s=20)
    assert (reply.error.code, reply.done) == ("connection", None)


def test_a_servers_failure_on_standard_output_is_no_answer(tmp_path):
    """KalamDB's client prints it there, with exit code 0."""
    driver = process_driver(fake_client(tmp_path, "echo 'ERROR INTERNAL_ERROR: broken'"), tmp_path / "home")
    reply = driver.connect(ROOT, url="http://h").execute("INSERT", deadline_s=20)
    assert (reply.error.code, reply.done, reply.error.message) == ("server", None, "broken")


def test_warnings_before_the_error_do_not_hide_it(tmp_path):
    """Such as that a configuration could not be written."""
    body = "printf 'Warning: x\\nError: Server error (429): Too many queries per second.\\n' >&2; exit 1"
    driver = process_driver(fake_client(tmp_path, body), tmp_path / "home")
    reply = driver.connect(ROOT, url="http://h").execute("INSERT", deadline_s=20)
    assert (reply.error.code, reply.done) == ("rate-limit", False)


def test_a_statement_that_is_no_argument_is_not_sent(tmp_path):
    """The operating system's limits are not the server's."""
    connection = process_driver(client_command(), tmp_path).connect(ROOT, url="http://h")
    for statement in ("x" * 131_072, "SELECT '\0'"):
        reply = connection.execute(statement, deadline_s=5)
        assert (reply.error.code, reply.done) == ("invalid", False)
        assert "does not fit a command line" in reply.error.message


@pytest.mark.parametrize("name", ["no-such-program", "/etc/passwd"])
def test_a_program_that_cannot_be_run_is_named(tmp_path, name):
    """One sentence, when the driver is made."""
    with pytest.raises(TargetError, match=f"cannot run the client {name}"):
        process_driver((name,), tmp_path)


def test_a_program_that_is_no_kalam_is_named(tmp_path):
    """`true` runs, and says nothing."""
    with pytest.raises(
        TargetError, match="true is no kalam client: its --help lacks --command, --json, --url"
    ):
        process_driver(("true",), tmp_path)
    with pytest.raises(TargetError, match="false does not answer as a kalam client does: exit code 1"):
        process_driver(("false",), tmp_path)

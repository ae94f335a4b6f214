"""From options to a target: what cannot work is one sentence, and what was started has ended."""

from __future__ import annotations

import os
import shlex
import signal
import stat
from contextlib import contextmanager

import pytest
from scripted_server import ScriptedServer, answer, healthy, refusal, success, written

from kalam_props.errors import SetupRefusedError, TargetError, UsageError
from kalam_props.reference.client import client_command
from kalam_props.targets.journal import JOURNAL, read_journal
from kalam_props.targets.launch import reference
from kalam_props.targets.managed import ManagedServer
from kalam_props.targets.opening import CRASHED, TargetOptions, open_run, open_target

PASSWORD = "root-of-this-test"


@contextmanager
def running_reference(folder):
    data = folder / "reference-data"
    data.mkdir()
    server = ManagedServer(reference(PASSWORD), data, folder / "reference.log", PASSWORD)
    server.start()
    try:
        yield server
    finally:
        server.close()


def test_a_wrong_root_password_is_said_in_the_servers_words(tmp_path):
    """The server goes on; nothing was made on it."""
    with running_reference(tmp_path) as server:
        options = TargetOptions(server_url=server.url, root_password="wrong", driver="http")
        with (
            pytest.raises(TargetError, match=r"refused the login of root \(401\): .*[Ii]nvalid credentials"),
            open_run(options, tmp_path),
        ):
            pass
        assert server.running
    assert not read_journal(tmp_path / JOURNAL).namespaces


def test_a_server_without_a_root_password_is_not_even_asked(tmp_path):
    """It says where the password comes from."""
    options = TargetOptions(server_url="http://127.0.0.1:1")
    with pytest.raises(UsageError, match="KALAM_PROPS_ROOT_PASSWORD"), open_target(options, tmp_path):
        pass


def test_a_server_that_does_not_answer_is_named(tmp_path):
    """With its address."""
    options = TargetOptions(server_url="http://127.0.0.1:1", root_password="x")
    with (
        pytest.raises(TargetError, match=r"no server answers at http://127\.0\.0\.1:1"),
        open_target(options, tmp_path),
    ):
        pass


def test_a_client_that_is_none_is_refused(tmp_path):
    """Before anything is asked of the server."""
    client = tmp_path / "kalam"
    client.write_text("#!/bin/sh\necho hello\n")
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    with (
        pytest.raises(TargetError, match="is no kalam client"),
        open_target(TargetOptions(kalam=client), tmp_path),
    ):
        pass


def test_a_namespace_that_is_in_use_is_left_alone(tmp_path):
    """It is refused in the server's words, and `clean` will not remove what was there."""

    def script(sql):
        if sql.startswith("CREATE NAMESPACE"):
            return refusal(400, f"Already exists: Namespace {sql.split()[-1]} already exists")
        return answer(success(written("done", 0)))

    with ScriptedServer(script, healthy) as server:
        options = TargetOptions(server_url=server.url, root_password="x", driver="http")
        with (
            pytest.raises(
                SetupRefusedError, match=r"CREATE NAMESPACE kp_[0-9a-f]{8} was refused: Already exists"
            ),
            open_run(options, tmp_path),
        ):
            pass
        assert not [sql for sql in server.statements if sql.startswith("DROP")]
    created = read_journal(tmp_path / JOURNAL)
    assert (created.url, created.namespaces, created.users) == ("", (), ())


def test_the_data_of_a_server_that_died_stays_with_the_run(tmp_path):
    """For the post-mortem; that of one that was stopped is removed."""
    with open_target(TargetOptions(driver="http"), tmp_path) as target:
        data = target.managed.data_dir
        os.kill(target.managed.pid, signal.SIGKILL)
        target.managed._process.wait()
    assert any((tmp_path / CRASHED).iterdir())
    assert not data.exists()
    with open_target(TargetOptions(driver="http"), tmp_path / ".") as target:
        data = target.managed.data_dir
    assert not data.exists()
    assert not (tmp_path / f"{CRASHED}-2").exists()


def client_that_refuses_users(folder):
    """As `kalam` 0.4.3-rc.4 does: only who may read system tables is let in; here, who says EXECUTE AS."""
    path = folder / "kalam"
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*--version*|*--help*|*EXECUTE*) exec " + shlex.join(client_command()) + ' "$@";;\n'
        "esac\n"
        'echo "Error: Server error (403): Statement 1 failed: Permission denied: no system tables" >&2\n'
        "exit 1\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_most_faithful_identity_that_works_is_taken_and_says_why(tmp_path):
    """An own login; where the client refuses it, root speaks for users, in one sentence with the refusal."""
    with open_run(TargetOptions(), tmp_path) as workspace:
        assert str(workspace.identity) == "token"
    with open_run(TargetOptions(kalam=client_that_refuses_users(tmp_path)), tmp_path) as workspace:
        assert workspace.identity.mode == "execute-as"
        assert "Permission denied" in str(workspace.identity)
        assert "\n" not in str(workspace.identity)


@pytest.mark.parametrize("wanted", ["token", "login"])
def test_an_identity_that_was_asked_for_and_does_not_work_is_an_error(tmp_path, wanted):
    """It says what would work."""
    options = TargetOptions(kalam=client_that_refuses_users(tmp_path), identity=wanted)
    with (
        pytest.raises(UsageError, match=f"identity {wanted} does not work here: .*use --identity execute-as"),
        open_run(options, tmp_path),
    ):
        pass


@pytest.mark.parametrize("wanted", ["token", "login", "execute-as"])
def test_each_identity_acts_as_its_user(tmp_path, wanted):
    """The server itself says who asked."""
    with open_run(TargetOptions(identity=wanted, driver="http"), tmp_path) as workspace:
        assert workspace.identity.mode == wanted
        credential = workspace.credential("u0")
        assert (credential.user == "root") == (wanted == "execute-as")

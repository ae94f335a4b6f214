"""Where programs may be sent: this machine, unless the user says otherwise."""

from __future__ import annotations

import pytest

from kalam_props.errors import UsageError
from kalam_props.targets.target import check_address


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080", "https://127.9.9.9"]
)
def test_this_machine_is_let_through(url):
    """By name or by any loopback address; a slash at the end is taken off."""
    assert check_address(url, allow_remote=False) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://db.example.com",
        "http://127.evil.example",
        "http://0.0.0.0:8080",
        "http://10.0.0.1",
        "http://[::2]",
    ],
)
def test_another_machine_needs_a_word_of_the_user(url):
    """A name that begins like a loopback address is a name."""
    with pytest.raises(UsageError, match="--allow-remote"):
        check_address(url, allow_remote=False)
    assert check_address(url, allow_remote=True) == url


@pytest.mark.parametrize(
    "url", ["", "8080", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://h:99999"]
)
def test_what_is_no_address_is_refused(url):
    """With an example of one."""
    with pytest.raises(UsageError, match="write it as http://"):
        check_address(url, allow_remote=True)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    """Addresses are printed in reports."""
    with pytest.raises(UsageError) as refused:
        check_address("http://root:hunter2@127.0.0.1:8080", allow_remote=False)
    assert "hunter2" not in str(refused.value)
    assert "KALAM_PROPS_ROOT_PASSWORD" in str(refused.value)

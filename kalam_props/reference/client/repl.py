"""Statements from standard input, one answer after the other, until it ends.

Answers go to standard output, refusals to standard error as one `✗ …` line each; both are flushed before the
next statement is read. Unlike KalamDB's own client it leaves the lines of a literal as they are.
"""

import sys

from . import arguments
from .calls import Server
from .failures import ClientError
from .formats import FORMATS
from .output import say, say_error
from .statements import end_of_statement
from .version import describe


def serve(server: Server, user: str, health: dict[str, object], format_name: str) -> None:
    """Answer what standard input asks, until it ends or asks to quit."""
    _greet(server, user, health)
    pending = ""
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "replace")
        if not pending and not text.strip():
            continue
        pending += text
        command = pending.strip()
        if command.startswith("\\"):
            pending = ""
            if command in ("\\quit", "\\q"):
                say("Goodbye!\n")
                return
            say_error(f"✗ Parse error: {command.split()[0]} is not offered by {arguments.NAME}\n")
        elif not text.strip() or _complete(command):
            pending = ""
            _answer(server, command, format_name)
    if _complete(pending.strip()):  # without a `;` the rest was not meant to run
        _answer(server, pending.strip(), format_name)
    say("\nGoodbye!\n")


def _complete(command: str) -> bool:
    """Whether the text ends with a `;` that is no part of a literal."""
    if not command.endswith(";"):
        return False
    at = 0
    while 0 <= at < len(command):
        at = end_of_statement(command, at)
    return at == len(command)


def _answer(server: Server, command: str, format_name: str) -> None:
    try:
        say(FORMATS[format_name](server.execute(command)) + "\n")
    except ClientError as error:
        say_error(f"✗ {error}\n")


def _greet(server: Server, user: str, health: dict[str, object]) -> None:
    say("Connecting and authenticating...\n✓ Connected\n\n")
    edge = "═" * 59
    title = f"  {arguments.NAME}: interactive statements, kalam-compatible"
    say(f"╔{edge}╗\n║{' ' * 59}║\n║{title:59}║\n║{' ' * 59}║\n╚{edge}╝\n\n")
    say(f"  Connected to: {server.base}\n  User ID: {user}\n")
    if isinstance(version := health.get("version"), str):
        say(f"  Server version: {version}\n")
    say(f"  CLI version: {describe().splitlines()[0]}\n  Type \\quit to exit\n\n")

"""The gate's process: `python -m kalam_props.gate URL [CA_FILE]`, its control socket as standard input.

Started by `kalam_props.gate.handle`. It ends when the other end of that socket is closed, however that came.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kalam_props.gate.control import Control
from kalam_props.gate.loop import Loop
from kalam_props.gate.priority import Priority
from kalam_props.gate.rounds import Rounds
from kalam_props.gate.sessions import Sessions, Target

if TYPE_CHECKING:
    from kalam_props.gate.tls import Tls

_DESCRIPTORS = 65_536


def main(arguments: list[str]) -> int:
    """Serve until the tester is gone. Returns the exit code."""
    if not 1 <= len(arguments) <= 2 or not arguments[0].startswith(("http://", "https://")):
        print("usage: python -m kalam_props.gate URL [CA_FILE], started by the tester", file=sys.stderr)
        return 2
    # Ctrl-C is for the tester, which still needs the gate to clean up; it ends us by going away.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    url = urlsplit(arguments[0])
    try:
        control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
        host = url.hostname or ""
        if url.scheme == "https":
            target = Target(host, url.port or 443, _tls(host, arguments[1] if len(arguments) == 2 else None))
        else:
            target = Target(host, url.port or 80, None)
    except (OSError, ValueError) as error:
        print(f"the gate cannot begin: {error}", file=sys.stderr)
        return 2
    loop = Loop()
    priority = Priority()
    rounds = Rounds(priority)
    Control(loop, control, Sessions(loop, target), rounds, realtime=priority.allowed)
    # A child that the tester forked may keep the control socket open after the tester's death.
    loop.run(rounds.pump, lambda: os.getppid() == parent)
    return 0


def _tls(host: str, ca_file: str | None) -> Callable[[], Tls]:
    # Most targets are plain, and importing this would be a third of the time to start.
    import ssl  # noqa: PLC0415

    from kalam_props.gate.tls import Tls  # noqa: PLC0415

    context = ssl.create_default_context(cafile=ca_file)
    return lambda: Tls(context, host)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

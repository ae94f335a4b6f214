"""A client with the interface of KalamDB's `kalam`, for when there is none. It is not KalamDB's.

Standard library only, and little of it: it is started for each operation, and a millisecond of import is
one of every operation. Imports nothing else of the package; only `client_command` is for others.
"""

import sys


def client_command() -> tuple[str, ...]:
    """The command line that starts the client: an isolated interpreter without site-packages."""
    return (sys.executable, "-I", "-S", __file__.rsplit("/", 1)[0] + "/__main__.py")

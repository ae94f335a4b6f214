"""`python -m kalam_props.reference.fork_server`: starts one reference server after the other, by forking.

Most of a start is imports (0.45 of 0.55 s). They are made once, and each server is a fork of this process,
so that a restart costs little beside what it is about. Arguments and environment are those of the server.
Each line on standard input starts one, which must have ended before the next; told on standard output are
the number of its process and, when it has ended, its exit code (negative: a signal), a line each. What the
server prints goes to standard error. Both end with standard input, and so when whoever asked is gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

from kalam_props.reference.__main__ import main


def serve_forks() -> None:
    """Fork and wait, until standard input ends."""
    with contextlib.suppress(ImportError):  # each server says it, with what is missing
        import kalam_props.reference.serve  # noqa: F401, PLC0415
    with open(0, "rb", buffering=0, closefd=False) as requests:
        while requests.readline():
            pid = os.fork()
            if pid == 0:
                os._exit(_serve())
            _tell(pid)
            _, status = os.waitpid(pid, 0)
            _tell(os.waitstatus_to_exitcode(status))


def _serve() -> int:
    """One server, from its start to its end; the exit code."""
    os.dup2(2, 1)
    try:
        code = main([*sys.argv[1:], "--exit-with-stdin"])
    except BaseException:  # noqa: BLE001  # whatever it is: a forked process must not go on in the loop above
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _tell(number: int) -> None:
    os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    serve_forks()

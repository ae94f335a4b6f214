"""A child process with a deadline: started, read to its end, and surely gone afterwards.

`subprocess` is as cheap as it gets here: `os.posix_spawn` with our own reading took as long (0.7 ms each).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from attrs import frozen

from kalam_props.errors import TargetError

_LAST_OUTPUT_S = 1.0
"""For pipes that something outside the killed group still holds."""


@frozen
class Ended:
    """How a child ended. `code` is negative for a signal; `late`: it was killed at its deadline."""

    code: int
    stdout: bytes
    stderr: bytes
    late: bool


class Child:
    """One process in a group of its own, without standard input. Other threads may only `kill` it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            TargetError: the program cannot be run; names it.

        """
        try:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise TargetError(f"cannot run the client {argv[0]}: {error.strerror}") from None

    def finish(self, deadline_s: float) -> Ended:
        """All that it prints until it ends; kills it after `deadline_s`."""
        late = False
        stdout = stderr = b""
        with self._process:
            try:
                stdout, stderr = self._process.communicate(timeout=deadline_s)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                if self._process.returncode is None:
                    self.kill()
            if late:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    stdout, stderr = self._process.communicate(timeout=_LAST_OUTPUT_S)
        return Ended(self._process.returncode, stdout, stderr, late)

    def kill(self) -> None:
        """End it and what it started; from any thread, at any time."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

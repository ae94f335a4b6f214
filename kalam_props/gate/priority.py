"""Real-time priority for the moments of a release, where the system allows it.

A request that is sent wakes a thread of the server, and with few cores the kernel likes to run that thread
in place of the one that woke it: the rest of the round then leaves milliseconds later. Measured on two
cores with a real server, 8 requests: all within 3 ms at the 90th percentile, with this within 0.06 ms.
"""

from __future__ import annotations

import os


class Priority:
    """Of this process. `allowed`: whether the system lets it be raised (root, CAP_SYS_NICE, ulimit -r)."""

    def __init__(self) -> None:
        self._raised = False
        self.allowed = hasattr(os, "sched_setscheduler")
        if self.allowed:
            self._usual = (os.sched_getscheduler(0), os.sched_getparam(0))
        self.raise_()
        self.lower()

    def raise_(self) -> None:
        """Before everything that is not real-time, until `lower`."""
        if self.allowed and not self._raised:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
                self._raised = True
            except OSError:
                self.allowed = False

    def lower(self) -> None:
        """As it was."""
        if self._raised:
            os.sched_setscheduler(0, *self._usual)
            self._raised = False

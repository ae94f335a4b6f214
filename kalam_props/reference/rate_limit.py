"""At most so many requests per user and second."""

from __future__ import annotations

import threading
import time
from collections import deque

from kalam_props.reference.refusals import Refusal


class RateLimit:
    """`per_second` None: no limit."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._lock = threading.Lock()
        self._requests: dict[str, deque[float]] = {}

    def check(self, user: str) -> None:
        """Count one request of this user.

        Raises:
            Refusal: 429, it is one too many.

        """
        if self._per_second is None:
            return
        now = time.monotonic()
        with self._lock:
            recent = self._requests.setdefault(user, deque())
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if len(recent) >= self._per_second:
                raise Refusal(
                    "Too many queries per second. Please slow down.", status=429, code="RATE_LIMIT_EXCEEDED"
                )
            recent.append(now)

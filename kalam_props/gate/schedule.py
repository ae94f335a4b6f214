"""When each held request of a round is due. Pure: times come in as arguments, in nanoseconds.

One rule expresses every order: a request is due `us` microseconds after the later of the round's release and
the end of each operation in `after`. No `after`: at an offset from the release. The previous operation of the
lane: after its answer. Every operation of the other lanes: a lane paused while the others run on. One with a
rhythm (a period, and a moment of it) then goes at the next moment of that.
"""

from __future__ import annotations

LEAD_NS = 50_000
"""The release is so far ahead of the arrival of the last request that the first is not late."""


class Schedule:
    """The order of one round. `lanes`, `after` and `every` name operations by their number in the plan."""

    def __init__(
        self,
        lanes: list[list[int]],
        after: dict[int, list[int]],
        us: dict[int, int],
        every: dict[int, tuple[int, int]],
        *,
        gather_until: int,
        hold_ns: int,
    ) -> None:
        self._firsts = [lane[0] for lane in lanes if lane]
        self._after = after
        self._us = us
        self._every = every
        self._gather_until = gather_until
        self._hold_ns = hold_ns
        self._arrived: dict[int, int] = {}
        self._finished: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self.released_ns: int | None = None

    def at_once(self, op: int, now: int) -> int | None:
        """Whether the request of `op`, here since `now`, need not be held: since when it was due; or None.

        So it is in a round that is released already, and in one that has a single lane.
        """
        if self.released_ns is None and self._firsts == [op]:
            self.released_ns = now
        if self.released_ns is None or op in self._arrived:
            return None
        due = self._due(op, self.released_ns)
        if due is None or due > now:
            return None
        self._arrived[op] = now
        return due

    def arrived(self, op: int, now: int) -> None:
        """The complete first request of `op` is here."""
        if op not in self._arrived:
            self._arrived[op] = now
            self._held[op] = now

    def finished(self, op: int, now: int) -> None:
        """`op` has its answer, or will never have one."""
        self._finished.setdefault(op, now)
        self._held.pop(op, None)

    def left(self, op: int) -> None:
        """`op` was released."""
        self._held.pop(op, None)

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def due(self, now: int) -> list[tuple[int, int, bool]]:
        """Held requests whose time is known: (time, op, forced), in order of release.

        Forced: held for as long as is allowed, and what it waits for has not happened.
        """
        if not self._held:
            return []
        released = self._release(now)
        if released is None:
            return []
        known = []
        for op, held_since in self._held.items():
            at = self._due(op, released)
            if at is None:
                known.append((max(held_since, released) + self._hold_ns, op, True))
            else:
                known.append((at, op, False))
        return sorted(known)

    def _due(self, op: int, released: int) -> int | None:
        """When `op` may go; None while something that it waits for has not ended."""
        after = self._after.get(op, ())
        if not all(other in self._finished for other in after):
            return None
        start = max((self._finished[other] for other in after), default=released)
        at = max(start, released) + self._us.get(op, 0) * 1000
        if op not in self._every:
            return at
        period, phase = self._every[op]
        return at + (phase - at) % period

    def _release(self, now: int) -> int | None:
        if self.released_ns is None:
            if all(op in self._arrived or op in self._finished for op in self._firsts):
                self.released_ns = now + LEAD_NS
            elif now >= self._gather_until:
                self.released_ns = now
        return self.released_ns

    def wake_ns(self) -> int | None:
        """While the round gathers: when it stops waiting for those that are missing."""
        return self._gather_until if self._held and self.released_ns is None else None

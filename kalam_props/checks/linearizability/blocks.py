"""Registers whose values are unique, judged in the time it takes to sort them.

Where every value is made by one operation only, the answers tell how the operations hang together: all that
saw a value come after the operation that made it and before the one that made the next value. So the
operations fall into *blocks* that any legal order keeps together: a blind write, those that read its value,
a compare-and-set (or append) from that value, those that read the result, and so on. Inside a block the order
is fixed, up to reads of one value, and can be looked at directly. Between blocks:

    Let first(A) be the earliest return and last(A) the latest invocation in A. A must come before B exactly
    if some operation of A returned before some of B was invoked: first(A) < last(B). So A and B contradict
    each other if first(A) < last(B) and first(B) < last(A). If no two contradict each other, no longer cycle
    exists either: take the block A of a cycle with the earliest first(A), and the block B that must come
    before A. What must come before B has its first before last(B); A's is no later, so A must come before B
    as well, and the two contradict each other. Sorting blocks by first + last then gives a legal order: if B
    must precede A, and A need not precede B, then first(B) < last(A) and last(B) <= first(A).

This is the zone algorithm of Gibbons & Korach (Testing Shared Memories, SIAM J. Comput. 26(4), 1997,
section 4.1) with its clusters grown to chains of read-modify-writes. In their words first < last makes a
forward zone, any other a backward zone, and two blocks contradict each other if two forward zones overlap or
a backward zone lies within a forward one.

A refused compare-and-set must be placed where the value is another than it expected. That can make the
problem hard again; here it is tried in one order of the blocks, and left to the search if that fails.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from typing import TypeAlias

from attrs import frozen

from kalam_props.checks.linearizability.operation import Settled

NEVER = 1 << 200
"""When an indeterminate operation returns: after everything."""


class Part(IntEnum):
    """What an operation has to do with the values."""

    NONE = 0
    READ = 1  # found its value
    WRITE = 2  # made its value, whatever was there
    CHANGE = 3  # found one value and made another
    UNSEEN = 4  # changed something that no read shows: it may have come between any two blocks
    REFUSED = 5  # found any value but one


NOTHING = object()
"""What an operation found or made that has nothing to do with values."""


@frozen
class Shape:
    """What each operation, by its position, has to do with the values. One operation at most makes a value.

    Attributes:
        initial: the value before the first operation; nobody makes it.
        part: what kind of thing it did.
        found: the value that it found, or for REFUSED the one that it did not find.
        made: the value that it made.
        maker: for each value, who made it.
        invoked: when, in nanoseconds.
        known: since when an operation's part is known, NEVER if only others tell: in most cases its return.

    """

    initial: object
    part: Sequence[Part]
    found: Sequence[object]
    made: Sequence[object]
    maker: Mapping[object, int]
    invoked: Sequence[int]
    known: Sequence[int]


@frozen
class Contradiction:
    """The operations that had returned at `time` cannot all be placed."""

    time: int


Reading: TypeAlias = Callable[[Sequence[int]], Shape | Contradiction | None]
"""Gives the shape of a history, told when each operation returned or NEVER; None if it has not this form."""


def settle(
    reading: Reading, invoked: Sequence[int], returned: Sequence[int], check: Callable[[], None]
) -> Settled | None:
    """The verdict; None if the history has not this form or its refused operations leave it open.

    `check` is called between the steps, and may raise.
    """
    by_invocation = sorted(range(len(invoked)), key=invoked.__getitem__)
    check()
    found = _judge(reading, returned, by_invocation)
    if found is None:
        return None
    if isinstance(found, Contradiction):
        return _earliest(reading, returned, by_invocation, found.time, check)
    return Settled("holds", order=tuple(found))


def _earliest(
    reading: Reading,
    returned: Sequence[int],
    by_invocation: list[int],
    time: int,
    check: Callable[[], None],
) -> Settled:
    """The first return at which a contradiction shows.

    A contradiction found among those that returned earlier brings the search down. Few steps are needed as a
    rule; halving bounds their number.
    """
    by_return = sorted((i for i in by_invocation if returned[i] != NEVER), key=returned.__getitem__)
    times = [returned[i] for i in by_return]
    level = {i: at for at, i in enumerate(by_return)}
    good, bad, order, steps = 0, bisect_right(times, time), [], 0
    while bad - good > 1:
        cut = bad - 1 if steps < 3 else (good + bad) // 2
        steps += 1
        check()
        found = _judge(
            reading, [r if level.get(i, cut) < cut else NEVER for i, r in enumerate(returned)], by_invocation
        )
        if found is None:
            return Settled("violated", stuck=by_return[bad - 1])
        if isinstance(found, Contradiction):
            bad = min(cut, bisect_right(times, found.time))
        else:
            good, order = cut, found
    return Settled("violated", stuck=by_return[bad - 1], order=tuple(order))


def _judge(
    reading: Reading, returned: Sequence[int], by_invocation: list[int]
) -> list[int] | Contradiction | None:
    """A legal order of the operations that returned and those that they show to have happened."""
    shape = reading(returned)
    if not isinstance(shape, Shape):
        return shape
    links = _links(shape, returned, by_invocation)
    if isinstance(links, Contradiction):
        return links
    blocks = _blocks(shape, links)
    if blocks is None:  # changes that follow each other in a circle
        return Contradiction(_end(range(len(returned)), shape.known))
    spans: list[tuple[int, int, int]] = []
    for at, block in enumerate(blocks):
        if len(block) == 1 and at:
            spans.append((returned[block[0]], shape.invoked[block[0]], at))
            continue
        span = _span(block, shape, returned)
        if isinstance(span, Contradiction):
            return span
        # The first block begins with the initial value, before everything.
        spans.append((span[0] if at else -NEVER, span[1], at))
    contradiction = _between(spans, blocks, shape, returned)
    if contradiction is not None:
        return contradiction
    spans.sort(key=lambda span: span[0] + span[1])
    order = [i for _, _, at in spans for i in blocks[at]]
    if Part.REFUSED not in shape.part:
        return order
    refused = [i for i in by_invocation if shape.part[i] == Part.REFUSED and returned[i] != NEVER]
    return _enclosed(shape, returned, refused, order) or _insert(shape, returned, refused, order)


@frozen
class _Links:
    """Who found each value, by invocation; who changed it; and the operations that begin a block."""

    readers: Mapping[object, list[int]]
    follower: Mapping[object, int]
    starts: Sequence[int]


def _links(shape: Shape, returned: Sequence[int], by_invocation: list[int]) -> _Links | Contradiction:
    """How the operations hang together that returned, or whose values were found."""
    part, found, maker = shape.part, shape.found, shape.maker
    readers: dict[object, list[int]] = {}
    starts: list[int] = []
    happened: list[int] = []
    for i in by_invocation:
        if returned[i] == NEVER:
            continue
        did = part[i]
        if did == Part.READ:
            value = found[i]
            if value in readers:
                readers[value].append(i)
            else:
                readers[value] = [i]
        elif did in (Part.WRITE, Part.UNSEEN):
            starts.append(i)
        elif did == Part.CHANGE:
            happened.append(i)
    # A value that was found was made, if need be by an operation that nobody answered.
    for value, those in readers.items():
        by = maker.get(value)
        if by is None:
            if value != shape.initial:
                return Contradiction(min(returned[i] for i in those))
        elif returned[by] == NEVER:
            happened.append(by)
    follower: dict[object, int] = {}
    unanswered: set[int] = set()
    while happened:
        i = happened.pop()
        if returned[i] == NEVER:
            if i in unanswered:
                continue
            unanswered.add(i)
            if part[i] == Part.WRITE:
                starts.append(i)
                continue
        value = found[i]
        by = maker.get(value)
        if by is None and value != shape.initial:
            return Contradiction(_end([i], shape.known) or _end(range(len(returned)), shape.known))
        other = follower.setdefault(value, i)
        if other != i:
            both = [i, other] if NEVER not in (shape.known[i], shape.known[other]) else range(len(returned))
            return Contradiction(_end(both, shape.known))
        if by is not None and returned[by] == NEVER:
            happened.append(by)
    return _Links(readers, follower, starts)


def _blocks(shape: Shape, links: _Links) -> list[list[int]] | None:
    """The members of each block in order; first the block of the initial value, which may be empty.

    None if some changes follow each other in a circle and so belong to no block.
    """
    readers, follower, made = links.readers, links.follower, shape.made
    blocks: list[list[int]] = []
    linked = len(follower)
    for start in (None, *links.starts):
        block, value = ([], shape.initial) if start is None else ([start], made[start])
        while True:
            if value in readers:
                block += readers[value]
            if value not in follower:
                break
            linked -= 1
            block.append(follower[value])
            value = made[block[-1]]
        blocks.append(block)
    return None if linked else blocks


def _end(those: Iterable[int], known: Sequence[int]) -> int:
    """When the last of them was known; 0 if none was."""
    return max((known[i] for i in those if known[i] != NEVER), default=0)


def _span(block: list[int], shape: Shape, returned: Sequence[int]) -> tuple[int, int] | Contradiction:
    """The block's earliest return and latest invocation, where its order respects real time."""
    invoked = shape.invoked
    first, last, late = NEVER, -NEVER, -1
    for i in block:
        if returned[i] < last:
            return Contradiction(_end((i, late), shape.known))
        first = min(first, returned[i])
        if invoked[i] > last:
            last, late = invoked[i], i
    return first, last


def _between(
    spans: list[tuple[int, int, int]], blocks: list[list[int]], shape: Shape, returned: Sequence[int]
) -> Contradiction | None:
    """Two blocks that must each come before the other."""
    forward = sorted(span for span in spans if span[0] < span[1])
    if not forward:
        return None
    pairs = [(one, other) for one, other in pairwise(forward) if other[0] < one[1]]
    if not pairs:
        begins = [span[0] for span in forward]
        for span in spans:
            if span[0] >= span[1]:
                at = bisect_left(begins, span[1]) - 1
                if at >= 0 and span[0] < forward[at][1]:
                    pairs.append((forward[at], span))
    if not pairs:
        return None
    return Contradiction(
        min(max(_shown(span, blocks[span[2]], shape, returned) for span in pair) for pair in pairs)
    )


def _shown(span: tuple[int, int, int], block: list[int], shape: Shape, returned: Sequence[int]) -> int:
    """When it is known that the operations happened that give the block this span.

    One that nobody answered happened if one after it in the block did.
    """
    first, last, _ = span
    late = next(at for at, i in enumerate(block) if shape.invoked[i] == last)
    ends = shape.known[block[late]]
    if ends == NEVER:
        ends = min(shape.known[i] for i in block[late:])
    if first == -NEVER:
        return ends
    return max(ends, shape.known[next(i for i in block if returned[i] == first)])


def _enclosed(
    shape: Shape, returned: Sequence[int], refused: list[int], order: list[int]
) -> Contradiction | None:
    """A refused operation after one and before another that both show the value that it did not find."""
    invoked = shape.invoked
    value: object = shape.initial
    shown: dict[object, tuple[int, int]] = {}
    since, until = NEVER, -NEVER
    for i in order:
        until = max(until, invoked[i]) if shape.part[i] != Part.WRITE else until
        if shape.part[i] in (Part.WRITE, Part.CHANGE):
            shown[value] = (since, until)
            value, since, until = shape.made[i], NEVER, invoked[i]
        since = min(since, returned[i])
    shown[value] = (since, until)
    times = [
        returned[i]
        for i in refused
        if shape.found[i] in shown
        and shown[shape.found[i]][0] < invoked[i]
        and returned[i] < shown[shape.found[i]][1]
    ]
    return Contradiction(_end(range(len(returned)), shape.known)) if times else None


def _insert(shape: Shape, returned: Sequence[int], refused: list[int], order: list[int]) -> list[int] | None:
    """The order with the refused operations in it, or None if one finds no place.

    Each has the first place that it can have, in order of invocation: that leaves the most room to those that
    must come after it. The value changes at a place only if another was made there.
    """
    invoked = shape.invoked
    changes: dict[object, tuple[int, int]] = {}
    value: object = shape.initial
    since = 0
    for at, i in enumerate(order):
        if shape.part[i] in (Part.WRITE, Part.CHANGE):
            changes[value] = (since, at)
            value, since = shape.made[i], at + 1
    changes[value] = (since, len(order))
    places = sorted(range(len(order)), key=lambda at: returned[order[at]])
    returns = [returned[order[at]] for at in places]
    after = list(accumulate((at + 1 for at in places), max, initial=0))
    starts = sorted(range(len(order)), key=lambda at: invoked[order[at]], reverse=True)
    invocations = [-invoked[order[at]] for at in starts]
    before = list(accumulate(starts, min, initial=len(order)))
    at_place: dict[int, list[int]] = {}
    waiting: list[tuple[int, int]] = []
    floor = 0
    for i in refused:
        while waiting and waiting[0][0] < invoked[i]:
            floor = max(floor, heappop(waiting)[1])
        place = max(floor, after[bisect_left(returns, invoked[i])])
        low, high = changes.get(shape.found[i], (-1, -1))
        if low <= place <= high:
            place = high + 1
        if place > before[bisect_left(invocations, -returned[i])]:
            return None
        heappush(waiting, (returned[i], place))
        at_place.setdefault(place, []).append(i)
    whole: list[int] = []
    for at in range(len(order) + 1):
        whole += at_place.get(at, ())
        whole += order[at : at + 1]
    return whole

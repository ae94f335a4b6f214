"""What a check hands to the judge, before a profile decides whether it counts."""

from __future__ import annotations

from attrs import frozen


@frozen
class Finding:
    """One anomaly as it was found.

    Attributes:
        name: the anomaly's name.
        table, user, key: what it is about, where that is one thing.
        witness: the `i` of the operations that prove it, in order.
        words: one paragraph that a reader can follow by hand.
        quiescent: whether no late read can excuse it: for counts, that no other operation was open; for a
            resurrected row, that it is still there in the end.
        proven: wrong also where reads may be late as the profile allows, whatever its name.
        certain: False when it is worth telling and does not prove a fault of the server.

    """

    name: str
    witness: tuple[int, ...]
    words: str
    table: str | None = None
    user: str | None = None
    key: object = None
    quiescent: bool = True
    proven: bool = False
    certain: bool = True

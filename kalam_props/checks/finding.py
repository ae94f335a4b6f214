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
        quiescent: for counts, whether no other operation was open: then every consistency model forbids it.
        certain: False when it is worth telling and does not prove a fault of the server.

    """

    name: str
    witness: tuple[int, ...]
    words: str
    table: str | None = None
    user: str | None = None
    key: object = None
    quiescent: bool = True
    certain: bool = True

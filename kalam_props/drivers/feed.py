"""A live subscription: what it is told, read by a thread of its own and handed on as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol, TypeAlias

from attrs import define, field, frozen

from kalam_props.drivers import outcome
from kalam_props.drivers.protocol import Reply
from kalam_props.errors import KalamPropsError, TargetError

Message: TypeAlias = dict[str, Any]
"""One message of a server to a subscriber, in the fields of KalamDB's WebSocket."""

Named: TypeAlias = Mapping[str, Any]
"""A row by the names of its columns; those that hold NULL may be absent."""

_GRACE_S = 1.0
"""How long the first rows may follow an acknowledgement that does not announce any."""


@frozen
class Notice:
    """What a subscriber is told: rows that are there already, or a change of some."""

    change: Literal["initial", "insert", "update", "delete"]
    rows: tuple[Named, ...] = ()
    old: tuple[Named, ...] = ()


Tell: TypeAlias = Callable[[Notice], None]
"""Told of each notice, by the feed's thread. What it raises ends the feed, and is raised by `check`."""


class Source(Protocol):
    """Where the messages of one subscription come from."""

    def messages(self) -> Iterator[Message]:
        """What comes, until the connection ends; a refusal comes as one of type `error`.

        Raises:
            TargetError: something came that is no message.

        """
        ...

    def last_words(self) -> Reply:
        """Why there is no more, once `messages` has ended."""
        ...

    def close(self) -> None:
        """Unsubscribe and end the connection; from any thread, also twice. `messages` ends with it."""
        ...


@define
class Feed:
    """Owns a source and the thread that reads it."""

    _source: Source
    _tell: Tell
    _state: threading.Condition = field(factory=threading.Condition, init=False, repr=False)
    _acknowledged: bool = field(default=False, init=False)
    _complete: bool = field(default=False, init=False)
    _over: Reply | None = field(default=None, init=False)
    _failure: KalamPropsError | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _thread: threading.Thread = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, name="subscription", daemon=True)
        self._thread.start()

    def await_live(self, deadline_s: float) -> Reply:
        """Wait until it was acknowledged and its first rows have come; else why not.

        Raises:
            TargetError: what came was no message.
            StorageError: what came could not be kept.

        """
        deadline = time.monotonic() + deadline_s
        with self._state:
            self._state.wait_for(lambda: self._acknowledged or self._over is not None, deadline_s)
            if self._acknowledged:
                left = deadline - time.monotonic()
                self._state.wait_for(lambda: self._complete or self._over is not None, min(left, _GRACE_S))
        self.check()
        if self._acknowledged:
            return Reply()
        return self._over or outcome.timed_out(deadline_s)

    @property
    def lost(self) -> str | None:
        """Why it ended although nobody closed it; None while it goes on."""
        with self._state:
            if self._over is None or self._closed:
                return None
            return self._over.error.message if self._over.error is not None else "the connection ended"

    def check(self) -> None:
        """Raise what its thread met."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Unsubscribe; everything that came before is handed on. Harmless twice."""
        with self._state:
            self._closed = True
        self._source.close()
        self._thread.join()

    def _read(self) -> None:
        try:
            for message in self._source.messages():
                self._take(message)
        except KalamPropsError as error:
            self._failure = error
            self._source.close()
        finally:
            with self._state:
                if self._over is None:
                    self._over = self._source.last_words()
                self._state.notify_all()

    def _take(self, message: Message) -> None:
        match message.get("type"):
            case "subscription_ack":
                with self._state:
                    self._acknowledged = True
                    self._state.notify_all()
            case "initial_data_batch":
                rows = _rows(message, "rows")
                if rows:
                    self._tell(Notice("initial", rows))
                with self._state:
                    self._complete = not has_more(message)
                    self._state.notify_all()
            case "change":
                self._tell(_change(message))
            case "error":
                words, code = str(message.get("message")), str(message.get("code"))
                with self._state:
                    self._over = outcome.of_subscription(code, words)
                    self._state.notify_all()


def has_more(message: Message) -> bool:
    """Whether more of the rows that are there already are to come after this batch."""
    control = message.get("batch_control")
    return isinstance(control, dict) and bool(control.get("has_more"))


def _change(message: Message) -> Notice:
    new, old = _rows(message, "rows"), _rows(message, "old_values")
    match message.get("change_type"):
        case "insert":
            return Notice("insert", new, old)
        case "update":
            return Notice("update", new, old)
        case "delete":
            return Notice("delete", (), old or new)
        case other:
            raise TargetError(f"a subscription was told of a change of type {other!r}, which is none we know")


def _rows(message: Message, name: str) -> tuple[Named, ...]:
    rows = message.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TargetError(f"a subscription was told of {str(rows)[:200]}, which are no rows")
    return tuple(rows)

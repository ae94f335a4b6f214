"""What `kalam --subscribe` prints, as messages: one line a change, the first rows indented over several.

[21:18:14.625] ✓ SUBSCRIBED [sub_17] 0 total rows, batch 1 (ready), 5 columns
[21:18:14.625] BATCH 1 [sub_17] 1 rows (complete)
  {
    "id": "1"
  }
[21:18:15.570] INSERT [sub_17] {"id":"2"}
[21:18:15.775] UPDATE [sub_17] <missing> => {"id":"2","v":"b"}
[21:18:16.184] DELETE [sub_17] {"id":"2"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kalam_props.drivers.feed import Message
from kalam_props.errors import TargetError

_LINE = re.compile(r"\[\d\d:\d\d:\d\d\.\d{3}\] (✓ SUBSCRIBED|BATCH \d+|INSERT|UPDATE|DELETE) \[[^\]]*\] (.*)")
_BATCH = re.compile(r"(\d+) rows \((.*)\)")
_NO_ROWS = "(no row payload)"
_MISSING = "<missing>"
_ARROW = " => "
_DECODER = json.JSONDecoder()


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """The messages in printed lines; lines that say nothing of the subscription are left out.

    Raises:
        TargetError: a line that begins as one of these and goes on in another way.

    """
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        what, text = found[1], found[2]
        try:
            if what == "✓ SUBSCRIBED":
                yield {"type": "subscription_ack"}
            elif what.startswith("BATCH"):
                yield _batch(text, lines)
            else:
                yield _change(what.lower(), text)
        except ValueError:
            raise TargetError(
                f"the client's --subscribe printed {line[:200]!r}, which cannot be read"
            ) from None


def _batch(text: str, lines: Iterator[str]) -> Message:
    found = _BATCH.fullmatch(text)
    if found is None:
        raise ValueError(text)
    rows = [_indented(lines) for _ in range(int(found[1]))]
    return {
        "type": "initial_data_batch",
        "rows": rows,
        "batch_control": {"has_more": found[2] != "complete"},
    }


def _indented(lines: Iterator[str]) -> Any:
    """One row over several lines, up to the brace that closes it."""
    text = ""
    for line in lines:
        text += line + "\n"
        if line.rstrip().endswith("}"):
            try:
                return json.loads(text)
            except ValueError:
                continue  # a brace of something inside
    raise ValueError(text)


def _change(kind: str, text: str) -> Message:
    message: Message = {"type": "change", "change_type": kind}
    if text == _NO_ROWS:
        return message
    if kind != "update":
        return {**message, ("old_values" if kind == "delete" else "rows"): [json.loads(text)]}
    old, rest = _value(text)
    if not rest.startswith(_ARROW):
        raise ValueError(text)
    new, rest = _value(rest.removeprefix(_ARROW))
    if rest:
        raise ValueError(text)
    return {
        **message,
        "rows": [] if new is None else [new],
        "old_values": [] if old is None else [old],
    }


def _value(text: str) -> tuple[Any, str]:
    """The row at the beginning of `text` (None where it is missing), and what follows it."""
    if text.startswith(_MISSING):
        return None, text.removeprefix(_MISSING)
    row, end = _DECODER.raw_decode(text)
    return row, text[end:]

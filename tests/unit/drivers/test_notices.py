"""What `kalam --subscribe` prints, read back as the messages that it came from."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalam_props.drivers.notices import messages
from kalam_props.errors import TargetError

RECORDED = """\
[21:18:14.625] ✓ SUBSCRIBED [sub_1795555094617362871] 0 total rows, batch 1 (ready), 5 columns
[21:18:14.625] BATCH 1 [sub_1795555094617362871] 2 rows (complete)
  {
    "id": "1",
    "v": "a } b"
  }
  {
    "id": "2",
    "v": null
  }
[21:18:15.570] INSERT [sub_1795555094617362871] {"v":"four","_deleted":false,"n":4,"_seq":"38372","id":"4"}
[21:18:15.775] UPDATE [sub_1795555094617362871] <missing> => {"v":"four2","n":4,"_seq":"38373","id":"4"}
[21:18:16.184] DELETE [sub_1795555094617362871] {"v":"four2","_seq":"38374","n":4,"_deleted":true,"id":"4"}

⚠ Unsubscribing...
✓ Unsubscribed - Back to CLI prompt
"""


def read(text: str):
    return list(messages(iter(text.split("\n"))))


def test_what_a_real_client_printed_is_read():
    """Acknowledgement, first rows over several lines, changes; what it says of its end is no message."""
    ack, batch, insert, update, delete = read(RECORDED)
    assert ack == {"type": "subscription_ack"}
    assert [row["v"] for row in batch["rows"]] == ["a } b", None]
    assert batch["batch_control"] == {"has_more": False}
    assert (insert["change_type"], insert["rows"][0]["v"]) == ("insert", "four")
    assert (update["old_values"], update["rows"][0]["v"]) == ([], "four2")
    assert delete["old_values"][0]["_deleted"] is True


def test_more_to_come_and_no_rows_are_read():
    """A batch that is not the last; a change whose row the server did not send."""
    batch, change = read(
        "[00:00:00.000] BATCH 1 [s] 0 rows (more pending)\n[00:00:00.001] DELETE [s] (no row payload)"
    )
    assert batch["batch_control"] == {"has_more": True}
    assert change == {"type": "change", "change_type": "delete"}


ROWS = st.dictionaries(
    st.sampled_from(["id", "v", "_seq"]), st.one_of(st.none(), st.integers(), st.text()), min_size=1
)


@given(ROWS, ROWS, st.booleans())
def test_any_row_comes_back_as_it_was(old, new, missing):
    """Whatever text a value holds: arrows, braces and what looks like another line."""
    compact = json.dumps(new, ensure_ascii=False, separators=(",", ":"))
    before = "<missing>" if missing else json.dumps(old, ensure_ascii=False, separators=(",", ":"))
    pretty = "\n".join("  " + line for line in json.dumps(old, ensure_ascii=False, indent=2).split("\n"))
    text = (
        f"[00:00:00.000] BATCH 1 [s] 1 rows (complete)\n{pretty}\n"
        f"[00:00:00.000] INSERT [s] {compact}\n[00:00:00.000] UPDATE [s] {before} => {compact}\n"
    )
    batch, insert, update = read(text)
    assert (batch["rows"], insert["rows"], update["rows"]) == ([old], [new], [new])
    assert update["old_values"] == ([] if missing else [old])


@pytest.mark.parametrize(
    "line",
    [
        "[00:00:00.000] INSERT [s] {not json",
        "[00:00:00.000] BATCH 1 [s] some rows",
        '[00:00:00.000] UPDATE [s] {"id":"1"}',
        '[00:00:00.000] UPDATE [s] {"id":"1"} => {"id":"1"} and more',
        '[00:00:00.000] BATCH 1 [s] 2 rows (complete)\n  {\n  "id": "1"\n  }',
    ],
)
def test_a_line_that_goes_on_in_another_way_is_no_answer_of_a_client(line):
    """Rather an error than a notification that is left out."""
    with pytest.raises(TargetError, match="printed"):
        read(line)

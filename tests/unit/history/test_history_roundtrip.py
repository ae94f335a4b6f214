"""What is written is what is read."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import history_strategies as some
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kalam_props.history.codec import dump, event_from_json, event_to_json, load
from kalam_props.history.events import Fail, Info, Invoke, NetFault, Ok
from kalam_props.history.operations import Subscribe
from kalam_props.history.reader import iter_events, read_history
from kalam_props.history.writer import HistoryWriter


class Ticks:
    """A clock that a test can read in its expectations: 10 ns later at each look."""

    def __init__(self) -> None:
        self.value = 1_000

    def __call__(self) -> int:
        self.value += 10
        return self.value


@given(op=some.operations, p=some.text, deadline=st.none() | st.integers(0, 10**12))
def test_an_invocation_of_any_operation_survives_its_line(op, p, deadline):
    """event_from_json undoes event_to_json for every operation, whatever its values."""
    event = Invoke(i=1, t=2, p=p, user="u0", op=op, deadline=deadline)
    assert event_from_json(load(dump(event_to_json(event)))) == event


@given(event=some.others | some.notifications, i=st.integers(0, 9), t=st.integers(0, 9))
def test_any_other_event_survives_its_line(event, i, t):
    """event_from_json undoes event_to_json for flushes, server events and notifications."""
    event = evolve(event, i=i, t=t)
    assert event_from_json(load(dump(event_to_json(event)))) == event


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_history_survives_its_file(data):
    """read_history returns what HistoryWriter was told, with its times; compressed or not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.jsonl"
        expected = []
        with HistoryWriter(path, some.HEADER, clock=Ticks()) as writer:
            for n, op in enumerate(data.draw(st.lists(some.operations, max_size=6))):
                i = writer.invoke(p=f"u{n}/1", user=f"u{n}", op=op)
                expected.append(Invoke(i=i, t=0, p=f"u{n}/1", user=f"u{n}", op=op))
                what = data.draw(st.sampled_from(["ok", "fail", "info", "net", "notify", "open"]))
                wire = (writer.now(), writer.now()) if data.draw(st.booleans()) else None
                if what == "ok":
                    answer = data.draw(some.answers)
                    writer.ok(i, wire=wire, **answer)
                    expected.append(Ok(i=0, t=0, of=i, wire=wire, **answer))
                elif what in ("fail", "info"):
                    error = data.draw(some.errors)
                    (writer.fail if what == "fail" else writer.info)(i, error, wire=wire)
                    expected.append(
                        (Fail if what == "fail" else Info)(i=0, t=0, of=i, error=error, wire=wire)
                    )
                elif what == "net":
                    writer.net(i, "cut-after-forward")
                    expected.append(NetFault(i=0, t=0, of=i, what="cut-after-forward"))
                elif what == "notify" and isinstance(op, Subscribe):
                    note = evolve(data.draw(some.notifications), of=i)
                    writer.notify(note)
                    expected.append(note)
        squeezed = Path(folder) / "h.jsonl.gz"
        squeezed.write_bytes(gzip.compress(path.read_bytes()))
        history = read_history(path)
        assert history.header == some.HEADER
        assert not history.truncated
        assert [evolve(event, i=0, t=0) for event in history.events] == [
            evolve(event, i=0, t=0) for event in expected
        ]
        assert [event.i for event in history.events] == list(range(1, len(expected) + 1))
        assert sorted(event.t for event in history.events) == [event.t for event in history.events]
        assert read_history(squeezed) == history
        assert tuple(iter_events(path)) == history.events

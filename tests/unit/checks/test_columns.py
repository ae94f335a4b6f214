"""Histories in columns: the same verdicts as the general checks and as trying every order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from attrs import evolve
from every_order import legal
from history_mutation import mutate
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from recorded import told
from simulation import simulate

from kalam_props.checks.columns import NotColumnsError, read_columns
from kalam_props.checks.judge import judge, names
from kalam_props.checks.stream import judge_by_columns, judge_file
from kalam_props.checks.verdict import Verdict
from kalam_props.errors import CorruptInputError
from kalam_props.history.codec import dump, event_to_json, header_to_json
from kalam_props.history.events import History
from kalam_props.history.reader import open_history

SHAPES = (
    {"operations": 10, "processes": 4, "users": 1, "only": ("new", "select", "count")},
    {"operations": 10, "processes": 5, "users": 1, "only": ("new", "new", "count")},
    {"operations": 10, "processes": 4, "users": 2, "only": ("new", "new-batch", "select", "flush")},
    {"operations": 9, "processes": 5, "users": 1, "only": ("new", "new-batch", "new-statements", "count")},
    {"operations": 9, "processes": 6, "users": 1, "only": ("new", "new-batch", "select", "select", "count")},
)
relaxed = settings(max_examples=300, deadline=None)
seeds = st.integers(0, 2**48)
shapes = st.sampled_from(SHAPES)


def _write(history: History, folder: str | Path) -> Path:
    path = Path(folder) / "h.jsonl"
    lines = [header_to_json(history.header), *(event_to_json(event) for event in history.events)]
    path.write_bytes(b"".join(dump(line) + b"\n" for line in lines))
    return path


def _told(verdict: Verdict) -> list[tuple]:
    return [(anomaly.name, anomaly.witness, anomaly.user, anomaly.key) for anomaly in verdict.anomalies]


def _numbered(history: History) -> History:
    """The same history with its events numbered in their order, as a writer would."""
    numbers = {event.i: i for i, event in enumerate(history.events, 1)}
    return evolve(
        history,
        events=tuple(
            evolve(event, i=numbers[event.i], **({"of": numbers[event.of]} if hasattr(event, "of") else {}))
            for event in history.events
        ),
    )


@relaxed
@given(seed=seeds, shape=shapes)
def test_columns_agree_with_every_order(seed, shape):
    """Violated exactly when no order is legal, with the names that the general checks give."""
    random = Random(seed)
    change, history = mutate(random, simulate(random, **shape))
    history = _numbered(history)
    note(change)
    for event in history.events:
        note(str(event_to_json(event)))
    with tempfile.TemporaryDirectory() as folder:
        path = _write(history, folder)
        try:
            verdict, _ = judge_by_columns(path, expect="linearizable")
        except NotColumnsError:
            assume(False)
    whole = judge(history)
    assert verdict.verdict == ("holds" if legal(history) else "violated"), verdict
    assert _told(verdict) == _told(whole)


ODD = (None, True, -1, 1.5, "x", [], {}, [1, 2], [[1]], 2**63, 10**30)


@settings(max_examples=400, deadline=None)
@given(seed=seeds, shape=shapes, odd=st.sampled_from(ODD))
def test_columns_accept_nothing_that_the_reader_refuses(seed, shape, odd):
    """A field is removed or becomes odd, a line is doubled, moved or cut off."""
    random = Random(seed)
    history = _numbered(simulate(random, **shape))
    lines = [event_to_json(event) for event in history.events]
    place = random.randrange(len(lines))
    line = lines[place] = dict(lines[place])
    name = random.choice(sorted(line))
    kind = random.choice(["removed", "odd", "odd row", "doubled", "moved", "cut"])
    if kind == "removed":
        del line[name]
    elif kind == "odd":
        line[name] = odd
    elif kind == "odd row" and line.get("rows") and line["e"] != "flush":
        line["rows"] = [[odd if n == 1 else value for n, value in enumerate(row)] for row in line["rows"]]
    elif kind == "doubled":
        lines.insert(place, line)
    elif kind == "moved":
        lines.insert(random.randrange(len(lines)), lines.pop(place))
    text = [dump(header_to_json(history.header)), *map(dump, lines)]
    if kind == "cut":
        text[place] = text[place][: random.randrange(len(text[place]))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.jsonl"
        path.write_bytes(b"\n".join(text) + b"\n")
        try:
            with open_history(path) as reader:
                read_columns(reader)
        except (NotColumnsError, CorruptInputError):
            return
        with open_history(path) as reader:
            for _ in reader:
                pass


LARGE = 12_000


def _large(folder: Path, *, missing: int | None = None, count: int | None = None, extra: str = "") -> Path:
    """A long history: one user inserts rows one by one, scans twice at the end, and counts."""
    lines = [dump(header_to_json(told("u0/1 0-1 count -> 0").header)).decode()]
    who = '"p":"u0/1","user":"u0"'
    for key in range(LARGE):
        row = f'[{key},"a value of some length for row {key}",0]'
        lines += [
            f'{{"e":"invoke",{who},"op":"insert","table":"t","rows":[{row}]',
            f'{{"e":"ok","of":{2 * key + 1},"affected":1',
        ]
    rows = [f'[{key},"a value of some length for row {key}",0]' for key in range(LARGE) if key != missing]
    for _ in range(2):
        lines.append(f'{{"e":"invoke",{who},"op":"select","table":"t"')
        lines.append(f'{{"e":"ok","of":{len(lines) - 1},"rows":[{",".join(rows)}]')
    lines.append(f'{{"e":"invoke",{who},"op":"count","table":"t"')
    lines.append(f'{{"e":"ok","of":{len(lines) - 1},"count":{LARGE if count is None else count}')
    numbered = [f'{line},"i":{i},"t":{10 * i}}}' for i, line in enumerate(lines[1:], 1)]
    path = folder / "large.jsonl"
    path.write_text("\n".join([lines[0], *numbered]) + extra + "\n")
    assert path.stat().st_size > 1 << 20
    return path


def test_a_long_history_that_is_right_holds(tmp_path):
    """It goes through columns; no operation becomes an object."""
    verdict, truncated = judge_file(_large(tmp_path))
    assert (verdict.verdict, verdict.operations, truncated) == ("holds", LARGE + 3, False)


def test_a_row_lost_from_a_long_history_is_told_as_from_a_short_one(tmp_path):
    """With its insert and the scan that lacks it, and no word of the thousands of others."""
    verdict, _ = judge_file(_large(tmp_path, missing=77, count=LARGE - 1))
    assert names(verdict) == ("lost-row", "wrong-count")
    assert verdict.anomalies[0].witness == (155, 2 * LARGE + 1)
    assert verdict.anomalies[0].key == 77
    assert f"counts {LARGE - 1} rows" in verdict.anomalies[1].explanation


def test_a_wrong_count_of_a_long_history_says_what_it_should_be(tmp_path):
    """Between what was acknowledged and what was invoked."""
    verdict, _ = judge_file(_large(tmp_path, count=LARGE + 1))
    assert names(verdict) == ("wrong-count",)
    assert verdict.anomalies[0].witness == (2 * LARGE + 5,)
    assert f"{LARGE} rows" in verdict.anomalies[0].explanation


def test_a_long_history_with_other_operations_is_judged_the_general_way(tmp_path):
    """An update has no place in columns."""
    who = '"p":"u1/1","user":"u1"'
    i = 2 * LARGE + 7
    update = (
        f'{{"i":{i},"t":{i * 10},"e":"invoke",{who},"op":"update","table":"t","key":1,"set":{{"v":"x"}}}}'
    )
    answer = f'{{"i":{i + 1},"t":{i * 10},"e":"ok","of":{i},"affected":1}}'
    verdict, _ = judge_file(_large(tmp_path, extra=f"\n{update}\n{answer}"))
    assert names(verdict) == ("wrong-affected",)


def test_a_malformed_line_of_a_long_history_is_told_with_its_number(tmp_path):
    """As the general reader does, because it does."""
    with pytest.raises(CorruptInputError, match=rf"large\.jsonl:{2 * LARGE + 8}: unknown event 'oops'"):
        judge_file(_large(tmp_path, extra='\n{"i":99999999,"t":99999999,"e":"oops"}'))


def test_a_long_history_that_was_cut_off_is_judged_up_to_there(tmp_path):
    """And it is said."""
    path = _large(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    verdict, truncated = judge_file(path)
    assert (verdict.verdict, truncated) == ("holds", True)


@pytest.mark.nightly
def test_columns_agree_with_every_order_all_night():
    """The same with many more."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(20_000):
            random = Random(seed)
            _, history = mutate(random, simulate(random, **SHAPES[seed % len(SHAPES)]))
            history = _numbered(history)
            try:
                verdict, _ = judge_by_columns(_write(history, folder), expect="linearizable")
            except NotColumnsError:
                continue
            assert (verdict.verdict == "holds") == legal(history), seed
            assert _told(verdict) == _told(judge(history)), seed

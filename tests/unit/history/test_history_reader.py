"""The reader: a cut-off last line is forgiven, everything else is told with its line."""

from __future__ import annotations

import gzip

import pytest

from kalam_props.errors import CorruptInputError
from kalam_props.history.reader import iter_events, read_history

HEADER = (
    '{"format":"kalam-props-history","version":1,"clock":"ns","target":{"name":"reference","version":"1"},'
    '"client":{"name":"kalam","version":"1"},"driver":"process","gate":true,"program":"0",'
    '"tables":{"t":{"type":"user","columns":["id","v"],"key":"id"}}}'
)
INSERT = '{"i":1,"t":10,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[7,"a"]]}'
OK = '{"i":2,"t":20,"e":"ok","of":1,"affected":1}'
SCAN = '{"i":3,"t":30,"e":"invoke","p":"u0/1","user":"u0","op":"select","table":"t"}'


def _lines(*lines: str) -> str:
    return "\n".join((HEADER, *lines)) + "\n"


def test_a_good_history_is_read():
    """Three lines give a header and two events."""
    history = read_history(_lines(INSERT, OK))
    assert history.header.tables["t"].key_index == 0
    assert [event.i for event in history.events] == [1, 2]


def test_unknown_fields_are_ignored():
    """A later version may add fields; they change nothing."""
    text = "\n".join([HEADER[:-1] + ',"mood":"good"}', INSERT[:-1] + ',"x":{"y":1}}', OK])
    assert len(read_history(text).events) == 2


def test_an_operation_without_an_answer_is_no_error():
    """The run may have ended before the answer came."""
    assert len(read_history(_lines(INSERT)).events) == 1


@pytest.mark.parametrize("cut", range(1, len(OK) - 1))
def test_a_last_line_that_was_cut_off_is_accepted_and_said(cut):
    """Wherever the run was killed while writing."""
    history = read_history("\n".join([HEADER, INSERT, OK[:cut]]))
    assert history.truncated
    assert len(history.events) == 1


def test_a_gzip_file_that_was_cut_off_gives_its_whole_lines(tmp_path):
    """As for a plain file."""
    lines = [HEADER]
    for n in range(0, 1000, 2):
        lines += [
            f'{{"i":{n},"t":{n},"e":"invoke","p":"p","user":"u","op":"get","table":"t","key":{n * 7919}}}',
            f'{{"i":{n + 1},"t":{n},"e":"ok","of":{n},"rows":[[{n * 7919},"{n * 104729}"]]}}',
        ]
    whole = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    history = read_history(path)
    assert history.truncated
    assert 10 < len(history.events) < 1000


def test_the_file_name_and_line_are_told(tmp_path):
    """An editor can jump to it."""
    path = tmp_path / "h.jsonl"
    path.write_text(_lines(INSERT, OK.replace('"ok"', '"okay"')))
    with pytest.raises(
        CorruptInputError, match=r"h\.jsonl:3: unknown event 'okay'; expected one of invoke, ok"
    ) as e:
        read_history(path)
    assert e.value.line == 3
    events = iter_events(path)
    assert next(events).i == 1
    with pytest.raises(CorruptInputError):
        next(events)


def test_a_file_that_is_not_there_is_told(tmp_path):
    """With the system's reason."""
    with pytest.raises(CorruptInputError, match="cannot be read: No such file"):
        read_history(tmp_path / "none.jsonl")


def test_a_folder_is_not_a_history(tmp_path):
    """Opening one says so."""
    with pytest.raises(CorruptInputError, match="cannot be read: Is a directory"):
        read_history(tmp_path)


BAD = {
    "other version": (HEADER.replace('"version":1,"clock"', '"version":2,"clock"') + "\n", 1, "version"),
    "other format": (HEADER.replace("kalam-props-history", "jepsen") + "\n", 1, "format"),
    "no header": (INSERT + "\n", 1, "expected a header"),
    "header that is no object": ("{}\n[]\n", 1, "expected a header"),
    "header without tables": (HEADER.replace('"tables"', '"tabels"') + "\n", 1, "tables"),
    "table of no known type": (HEADER.replace('"type":"user"', '"type":"stream"') + "\n", 1, "type"),
    "key that is no column": (HEADER.replace('"key":"id"', '"key":"pk"') + "\n", 1, "key"),
    "cut-off header": (HEADER[:40], 1, "not JSON"),
    "not JSON in the middle": (_lines("{oops}", INSERT), 2, "not JSON"),
    "not UTF-8": (_lines(INSERT.replace('"a"', '"\udc80"')), 2, "not JSON"),
    "not a number": (_lines(INSERT, OK[:-1] + ',"x":NaN}'), 3, "not JSON"),
    "not JSON at the end, with its newline": (_lines(INSERT, OK[:10]), 3, "not JSON"),
    "event that is no object": (_lines("[1]"), 2, "expected an event"),
    "unknown event": (_lines(INSERT.replace("invoke", "started")), 2, "unknown event 'started'"),
    "unknown operation": (_lines(INSERT.replace('"insert"', '"merge"')), 2, "unknown operation 'merge'"),
    "operation without its field": (_lines(INSERT.replace('"rows"', '"row"')), 2, "field 'rows' is missing"),
    "value that is a list": (_lines(INSERT.replace('"a"', "[1]")), 2, "a value is"),
    "ok without its invocation": (_lines(OK), 2, "no invocation 1"),
    "two answers": (_lines(INSERT, OK, OK.replace('"i":2', '"i":3')), 4, "second answer to invocation 1"),
    "info, then ok": (
        _lines(INSERT, '{"i":2,"t":20,"e":"info","of":1,"error":{"code":"timeout","message":""}}', OK),
        4,
        "second answer",
    ),
    "time running backwards": (_lines(INSERT, OK.replace('"t":20', '"t":9')), 3, "backwards"),
    "wire before its operation": (_lines(INSERT, OK[:-1] + ',"wire":[9,15]}'), 3, "outside"),
    "wire after its operation": (_lines(INSERT, OK[:-1] + ',"wire":[11,21]}'), 3, "outside"),
    "wire from its end to its beginning": (_lines(INSERT, OK[:-1] + ',"wire":[15,12]}'), 3, "wire"),
    "process with two operations": (_lines(INSERT, SCAN), 3, "one operation at a time"),
    "number used twice": (
        _lines(INSERT, OK, SCAN.replace('"i":3', '"i":1')),
        4,
        "second invocation with i 1",
    ),
    "unknown table": (_lines(INSERT.replace('"table":"t"', '"table":"x"')), 2, "unknown table 'x'"),
    "unknown table in a transaction": (
        _lines('{"i":1,"t":1,"e":"invoke","p":"p","user":"u","op":"txn","ops":[{"op":"count","table":"x"}]}'),
        2,
        "unknown table 'x'",
    ),
    "row of wrong arity inserted": (_lines(INSERT.replace('[7,"a"]', "[7]")), 2, "2 values"),
    "row of wrong arity read": (
        _lines(INSERT, OK, SCAN, '{"i":4,"t":40,"e":"ok","of":3,"rows":[[7]]}'),
        5,
        "2 values",
    ),
    "scan answered without rows": (_lines(INSERT, OK, SCAN, '{"i":4,"t":40,"e":"ok","of":3}'), 5, '"rows"'),
    "count answered without one": (
        _lines('{"i":1,"t":1,"e":"invoke","p":"p","user":"u","op":"count","table":"t"}', OK),
        3,
        '"count"',
    ),
    "update of an unknown column": (
        _lines(
            '{"i":1,"t":1,"e":"invoke","p":"p","user":"u","op":"update","table":"t","key":1,"set":{"w":1}}'
        ),
        2,
        "unknown column 'w'",
    ),
    "statements that do not add up": (_lines(INSERT[:-1] + ',"statements":[2]}'), 2, "do not add up"),
    "unknown error code": (
        _lines(INSERT, '{"i":2,"t":20,"e":"fail","of":1,"error":{"code":"oops","message":""}}'),
        3,
        'expected "error"',
    ),
    "unknown server event": (_lines('{"i":1,"t":1,"e":"server","what":"tired"}'), 2, '"what"'),
    "notification to nobody": (
        _lines('{"i":1,"t":1,"e":"notify","of":9,"change":"insert","rows":[]}'),
        2,
        "no invocation 9",
    ),
    "notification to an insert": (
        _lines(INSERT, '{"i":2,"t":20,"e":"notify","of":1,"change":"insert","rows":[]}'),
        3,
        "not a subscribe",
    ),
    "time that is no number": (_lines(INSERT.replace('"t":10', '"t":"10"')), 2, 'expected "t"'),
    "time that is true": (_lines(INSERT.replace('"t":10', '"t":true')), 2, 'expected "t"'),
    "flush of an unknown table": (
        _lines('{"i":1,"t":1,"e":"flush","table":"x","job":"j","began":[1,1],"ended":[1,1]}'),
        2,
        "unknown table",
    ),
    "flush without its times": (_lines('{"i":1,"t":1,"e":"flush","table":"t","job":"j"}'), 2, '"began"'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_history_is_an_error_with_its_line(name):
    """Every kind of damage is named at the line where it shows."""
    text, line, message = BAD[name]
    with pytest.raises(CorruptInputError) as e:
        read_history(text)
    assert message in e.value.message
    assert e.value.line == line


def test_an_empty_file_is_an_error(tmp_path):
    """An empty history would hold vacuously."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"")
    with pytest.raises(CorruptInputError, match="is empty"):
        read_history(path)


def test_bytes_that_only_look_like_gzip_are_an_error(tmp_path):
    """Damage inside of a compressed file is told, not skipped."""
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(b"\x1f\x8bgarbage that is not deflate")
    with pytest.raises(CorruptInputError, match="gzip"):
        read_history(path)

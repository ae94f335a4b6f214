"""Input that cannot be believed: file, line, what was expected; exit 2; and the other files are checked."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

HEADER = (
    '{"format":"kalam-props-history","version":1,"tables":'
    '{"t":{"type":"user","columns":["id","v"],"key":"id"}},"target":{"name":"x","version":"1"},"gate":false}'
)
INSERT = '{"i":1,"t":10,"e":"invoke","p":"u0/1","user":"u0","op":"insert","table":"t","rows":[[1,"a"]]}'
DONE = '{"i":2,"t":20,"e":"ok","of":1,"affected":1}'

# what is wrong: (lines, number of the bad one, what is said)
BAD = {
    "unknown event": (
        [HEADER, INSERT, DONE.replace('"ok"', '"done"')],
        3,
        "unknown event 'done'; expected one of",
    ),
    "an ok without its invocation": ([HEADER, DONE], 2, "no invocation 1 before it"),
    "two answers to one invocation": (
        [HEADER, INSERT, DONE, DONE.replace('"i":2', '"i":3')],
        4,
        "a second answer",
    ),
    "time running backwards": (
        [HEADER, INSERT, DONE.replace("20", "9")],
        3,
        "time runs backwards: expected t of",
    ),
    "another version": ([HEADER.replace('"version":1,"t', '"version":2,"t'), INSERT], 1, '"version":1'),
    "not JSON": ([HEADER, "{nonsense}", INSERT], 2, "not JSON"),
    "not an object": ([HEADER, "[1,2]", INSERT], 2, "expected an event"),
    "unknown operation": (
        [HEADER, INSERT.replace('"insert"', '"upsert"'), DONE],
        2,
        "unknown operation 'upsert'",
    ),
    "unknown table": ([HEADER, INSERT.replace('"table":"t"', '"table":"x"'), DONE], 2, "unknown table 'x'"),
    "a row of another width": ([HEADER, INSERT.replace('[1,"a"]', "[1]"), DONE], 2, "has 2 values"),
    "wire times outside": (
        [HEADER, INSERT, DONE.replace('"of":1', '"of":1,"wire":[5,15]')],
        3,
        "outside of its operation",
    ),
    "two operations of a process at once": (
        [HEADER, INSERT, INSERT.replace('"i":1,"t":10', '"i":2,"t":11')],
        3,
        "expected one operation at a time",
    ),
    "a number that is none": ([HEADER, INSERT.replace('"t":10', '"t":"ten"'), DONE], 2, "a whole number"),
    "nested beyond all measure": ([HEADER, "[" * 100_000], 2, "not JSON"),
}


def _check(*arguments) -> tuple[int, dict]:
    command = [sys.executable, "-m", "kalam_props.cli", "check", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """All bad histories and two good ones, checked in one run: exit code, and results by name."""
    folder = tmp_path_factory.mktemp("histories")
    for name, (lines, _, _) in BAD.items():
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    good = f"{HEADER}\n{INSERT}\n{DONE}\n"
    (folder / "a good.jsonl").write_text(good)
    (folder / "z good.jsonl.gz").write_bytes(gzip.compress(good.encode()))
    (folder / "z cut.jsonl.gz").write_bytes(gzip.compress(good.encode())[:-12])
    (folder / "z no gzip.jsonl.gz").write_bytes(b"\x1f\x8b" + b"\0" * 40)
    (folder / "z empty.jsonl").write_text("")
    (folder / "z truncated.jsonl").write_text(good[:-20])
    code, document = _check(folder)
    return code, {result["file"].rsplit("/", 1)[1].split(".")[0]: result for result in document["results"]}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_told_with_its_file_and_number(checked, name):
    """And with what was expected; such a file has no verdict."""
    _, results = checked
    _, line, said = BAD[name]
    error = results[name]["error"]
    assert f"{name}.jsonl:{line}: " in error
    assert said in error
    assert results[name]["verdict"] == "unknown"


def test_the_others_are_checked_and_the_exit_code_is_2(checked):
    """One bad file hides nothing."""
    code, results = checked
    assert code == 2
    assert len(results) == len(BAD) + 6
    assert [results[name]["verdict"] for name in ("a good", "z good")] == ["holds", "holds"]


def test_what_was_cut_off_is_judged_up_to_there_and_said(checked):
    """A run that is killed leaves half a line, or half a gzip stream."""
    _, results = checked
    truncated, cut = results["z truncated"], results["z cut"]
    assert (truncated["verdict"], truncated["truncated"], truncated["operations"]) == ("holds", True, 1)
    assert cut["truncated"]
    assert cut["error"] is None


def test_files_that_are_no_histories_are_errors(checked):
    """Empty, or gzip by its first bytes alone."""
    _, results = checked
    assert "is empty" in results["z empty"]["error"]
    assert "gzip" in results["z no gzip"]["error"]

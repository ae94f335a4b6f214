"""Histories by file: each gets its own result, and the exit code is that of the worst."""

from __future__ import annotations

import gzip
import io

import pytest
from recorded import told
from rich.console import Console

from kalam_props.checks.files import check_files, exit_code, to_json
from kalam_props.errors import UsageError
from kalam_props.history.codec import dump, event_to_json, header_to_json
from kalam_props.report.checked import print_results

GOOD = "u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 select -> 1=a"
BAD = "u0/1 0-1 insert 1=a -> ok 1\nu0/1 2-3 select -> none"


def _text(notation: str) -> bytes:
    history = told(notation)
    lines = [header_to_json(history.header), *(event_to_json(event) for event in history.events)]
    return b"".join(dump(line) + b"\n" for line in lines)


@pytest.fixture
def folder(tmp_path):
    """A good, a bad, a compressed, a malformed and a cut-off history, and a file that is none."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a_good.jsonl").write_bytes(_text(GOOD))
    (tmp_path / "b_bad.jsonl").write_bytes(_text(BAD))
    (tmp_path / "sub" / "c_good.jsonl.gz").write_bytes(gzip.compress(_text(GOOD)))
    (tmp_path / "d_malformed.jsonl").write_bytes(_text(GOOD).replace(b'"ok"', b'"okay"'))
    (tmp_path / "e_cut.jsonl").write_bytes(_text(GOOD)[:-20])
    (tmp_path / "notes.txt").write_text("not a history")
    return tmp_path


def test_a_folder_is_all_of_its_histories(folder):
    """Files that cannot be read are told, and the others are checked nonetheless."""
    results = {result.file.rsplit("/", 1)[1]: result for result in check_files([folder])}
    verdicts = {name: result.verdict and result.verdict.verdict for name, result in results.items()}
    assert verdicts == {
        "a_good.jsonl": "holds",
        "b_bad.jsonl": "violated",
        "c_good.jsonl.gz": "holds",
        "d_malformed.jsonl": None,
        "e_cut.jsonl": "holds",
    }
    assert "d_malformed.jsonl:3: unknown event 'okay'" in results["d_malformed.jsonl"].error
    assert results["e_cut.jsonl"].truncated


def test_the_document_has_the_stable_fields(folder):
    """A witness lists invocations; an error is null where there is none."""
    document = to_json(check_files([folder / "b_bad.jsonl", folder / "d_malformed.jsonl"]))
    bad, malformed = document["results"]
    assert bad["verdict"] == "violated"
    assert bad["operations"] == 2
    assert bad["error"] is None
    assert [(anomaly["name"], anomaly["witness"]) for anomaly in bad["anomalies"]] == [("lost-row", [1, 3])]
    assert malformed["verdict"] == "unknown"
    assert malformed["anomalies"] == []
    assert malformed["error"].endswith("server, net, notify")


def test_the_exit_code_is_that_of_the_worst(folder):
    """An anomaly before a bad file before a clean one; nothing checked is not clean."""
    good, bad, malformed = (folder / name for name in ("a_good.jsonl", "b_bad.jsonl", "d_malformed.jsonl"))
    assert exit_code(check_files([good])) == 0
    assert exit_code(check_files([good, malformed])) == 2
    assert exit_code(check_files([good, malformed, bad])) == 1
    assert exit_code(check_files([])) == 3


def test_what_is_not_there_is_an_error(tmp_path):
    """A missing file, and a folder without a history."""
    (tmp_path / "empty").mkdir()
    missing, empty = check_files([tmp_path / "no.jsonl", tmp_path / "empty"])
    assert "No such file" in missing.error
    assert "no history in this folder" in empty.error


def test_a_history_without_operations_proves_nothing(tmp_path):
    """Vacuous success would be failure."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(dump(header_to_json(told(GOOD).header)) + b"\n")
    (result,) = check_files([path])
    assert result.verdict.verdict == "unknown"
    assert exit_code([result]) == 3


def test_an_unknown_profile_is_told(folder):
    """With those that there are."""
    with pytest.raises(UsageError, match="known are linearizable, snapshot"):
        check_files([folder], "serializable")


def test_the_table_shows_verdicts_and_draws_the_witness(folder):
    """What a person sees of a folder."""
    console = Console(record=True, width=120, no_color=True, file=io.StringIO())
    print_results(console, check_files([folder]))
    text = console.export_text()
    assert "violated" in text
    assert "lost-row" in text
    assert "└ 0 rows" in text
    assert "unknown event 'okay'" in text
    assert "cut off" in text

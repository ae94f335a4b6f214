"""Recorded histories by file: many, whole folders, compressed ones. A bad file does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from kalam_props.checks import profiles
from kalam_props.checks.stream import judge_file
from kalam_props.checks.verdict import Anomaly, Verdict
from kalam_props.errors import CorruptInputError

SUFFIXES = (".jsonl", ".jsonl.gz")


@frozen
class FileResult:
    """What checking one file says.

    Attributes:
        file: the file as it was named.
        verdict: None when it could not be read.
        truncated: its last line was cut off; what came before it was judged.
        error: why it could not be read.

    """

    file: str
    verdict: Verdict | None
    truncated: bool = False
    error: str | None = None


def check_files(paths: Iterable[Path], expect: str = "linearizable") -> list[FileResult]:
    """Check files, and every history in folders (`*.jsonl`, `*.jsonl.gz`), in order of name.

    Raises:
        UsageError: no such profile.

    """
    profiles.known(expect)
    return [_check(path, expect) for given in paths for path in _files(given)]


def exit_code(results: Iterable[FileResult]) -> int:
    """1 an anomaly, before 2 a file that cannot be read, before 3 a check that could not decide."""
    results = list(results)
    if any(result.verdict is not None and result.verdict.verdict == "violated" for result in results):
        return 1
    if any(result.error is not None for result in results):
        return 2
    if not results or any(result.verdict is None or result.verdict.verdict != "holds" for result in results):
        return 3
    return 0


def to_json(results: Iterable[FileResult]) -> dict[str, Any]:
    """The stable document of `check --json`."""
    return {"results": [_result(result) for result in results]}


def _files(given: Path) -> Iterator[Path]:
    if not given.is_dir():
        yield given
        return
    found = sorted(path for path in given.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    yield from found or [given]


def _check(path: Path, expect: str) -> FileResult:
    try:
        if path.is_dir():
            raise CorruptInputError(str(path), None, f"no history in this folder ({', '.join(SUFFIXES)})")
        verdict, truncated = judge_file(path, expect=expect)
    except CorruptInputError as error:
        return FileResult(str(path), None, error=str(error))
    return FileResult(str(path), verdict, truncated=truncated)


def _result(result: FileResult) -> dict[str, Any]:
    verdict = result.verdict
    return {
        "file": result.file,
        "verdict": "unknown" if verdict is None else verdict.verdict,
        "operations": 0 if verdict is None else verdict.operations,
        "anomalies": [] if verdict is None else [_anomaly(anomaly) for anomaly in verdict.anomalies],
        "told": [] if verdict is None else [_anomaly(anomaly) for anomaly in verdict.told],
        "sessions": [] if verdict is None else [_anomaly(anomaly) for anomaly in verdict.sessions],
        "unknown": [] if verdict is None else list(verdict.unknown),
        "truncated": result.truncated,
        "error": result.error,
    }


def _anomaly(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "name": anomaly.name,
        "witness": list(anomaly.witness),
        "explanation": anomaly.explanation,
        "table": anomaly.table,
        "user": anomaly.user,
        "key": anomaly.key,
    }

"""Seeds: minimal programs that showed an anomaly, as readable JSON (format `kalam-props-seed`, version 1).

A seed holds the program, the anomaly, how often it reproduced, where it was found, and one history that
shows it. A seed that is expected to fail, because its bug is known and open, says so and why.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from attrs import field, frozen

from kalam_props.errors import CorruptInputError, StorageError
from kalam_props.programs import codec
from kalam_props.programs.model import Program

FORMAT = "kalam-props-seed"
VERSION = 1
SEEDS_FOLDER = Path(".hypothesis/seeds")
_NAME = re.compile(r"[a-z][a-z-]*")


@frozen
class Found:
    """Where and with what a seed was found; strings for people."""

    target: str
    client: str
    driver: str
    identity: str
    gate: bool
    date: str
    faults: tuple[str, ...] = ()
    random_seed: int | None = None


@frozen
class Seed:
    """One seed.

    Attributes:
        anomaly: the name of the anomaly.
        explanation: what the check said.
        program: the minimal program.
        reproduced: runs in which it was seen, and runs.
        needs_concurrency: False when it also fails with every round in turn.
        found: where it was found.
        known_open: why it is expected to fail; None when it must not.
        history: the lines of a history that shows it, as JSON objects.

    """

    anomaly: str
    explanation: str
    program: Program
    reproduced: tuple[int, int]
    needs_concurrency: bool
    found: Found
    known_open: str | None = None
    history: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @property
    def rate(self) -> float:
        seen, runs = self.reproduced
        return seen / runs if runs else 0.0


def file_name(seed: Seed) -> str:
    """`<anomaly>-<digest>.json`: the same program and anomaly always go to the same file."""
    return f"{seed.anomaly}-{codec.digest(seed.program)}.json"


def save(seed: Seed, folder: Path) -> Path:
    """Write a seed; a reader never sees half of one.

    Raises:
        StorageError: it cannot be written.

    """
    path = folder / file_name(seed)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(to_text(seed), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: the seed cannot be written ({error.strerror})") from None
    return path


def to_text(seed: Seed) -> str:
    """The file's text: one step and one event a line, so that a diff shows what changed."""
    found = {
        "target": seed.found.target,
        "client": seed.found.client,
        "driver": seed.found.driver,
        "identity": seed.found.identity,
        "gate": seed.found.gate,
        "date": seed.found.date,
        "faults": list(seed.found.faults),
        "random_seed": seed.found.random_seed,
    }
    fields = {
        "format": FORMAT,
        "version": VERSION,
        "anomaly": seed.anomaly,
        "explanation": seed.explanation,
        "reproduced": list(seed.reproduced),
        "needs_concurrency": seed.needs_concurrency,
        "known_open": seed.known_open,
        "found": found,
    }
    head = ",\n".join(f" {_line(name)}: {_line(value)}" for name, value in fields.items())
    events = ",\n".join(f"  {_line(event)}" for event in seed.history)
    return (
        f'{{\n{head},\n "program": {program_text(seed.program)},\n'
        f' "history": [{chr(10) + events + chr(10) if events else ""} ]\n}}\n'
    )


def program_text(program: Program) -> str:
    """A program's JSON with one step a line."""
    data = codec.to_json(program)
    tables = ",\n".join(f"   {_line(name)}: {_line(table)}" for name, table in data["tables"].items())
    rounds = ",\n".join(
        '   {"lanes": {\n'
        + ",\n".join(
            f"     {_line(session)}: [\n" + ",\n".join(f"       {_line(step)}" for step in lane) + "]"
            for session, lane in round_["lanes"].items()
        )
        + "}}"
        for round_ in data["rounds"]
    )
    head = f'{{"format": {_line(data["format"])}, "version": {data["version"]},'
    return f'{head}\n  "tables": {{\n{tables}}},\n  "rounds": [\n{rounds}]}}'


def read(path: Path) -> Seed:
    """The seed in a file. A bare program is not a seed: it has no anomaly to look for.

    Raises:
        CorruptInputError: what is wrong with it.

    """
    data = codec.read_json(path)
    source = str(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CorruptInputError(source, None, f'expected a seed, "format": "{FORMAT}"')
    if data.get("version") != VERSION:
        raise CorruptInputError(
            source, None, f"this version reads seeds of version {VERSION}, not {data.get('version')!r}"
        )
    program = codec.from_json(data.get("program"), source=source)
    return Seed(
        anomaly=_anomaly(data, source),
        explanation=str(data.get("explanation", "")),
        program=program,
        reproduced=_reproduced(data, source),
        needs_concurrency=bool(data.get("needs_concurrency", True)),
        found=_found(data.get("found"), source),
        known_open=_known_open(data, source),
        history=tuple(event for event in data.get("history") or () if isinstance(event, dict)),
    )


def program_of(path: Path) -> Program:
    """The program in a seed file, or in a file that holds just a program.

    Raises:
        CorruptInputError: it is neither.

    """
    data = codec.read_json(path)
    if isinstance(data, dict) and data.get("format") == FORMAT:
        return read(path).program
    return codec.from_json(data, source=str(path))


def find(paths: tuple[Path, ...]) -> list[Path]:
    """Seed files among files and folders; without any, those of `.hypothesis/seeds`, if there are some.

    Raises:
        CorruptInputError: a path that does not exist.

    """
    found: list[Path] = []
    for path in paths or ((SEEDS_FOLDER,) if SEEDS_FOLDER.is_dir() else ()):
        if path.is_dir():
            found.extend(sorted(path.glob("*.json")))
        elif path.exists():
            found.append(path)
        else:
            raise CorruptInputError(str(path), None, "there is no such file or folder")
    return found


def _anomaly(data: dict[str, Any], source: str) -> str:
    name = data.get("anomaly")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CorruptInputError(source, None, f'expected "anomaly": the name of one, not {name!r}')
    return name


def _reproduced(data: dict[str, Any], source: str) -> tuple[int, int]:
    value = data.get("reproduced")
    match value:
        case [int(seen), int(runs)] if 0 <= seen <= runs:
            return seen, runs
        case _:
            raise CorruptInputError(source, None, f'expected "reproduced": [seen, runs], not {value!r}')


def _known_open(data: dict[str, Any], source: str) -> str | None:
    reason = data.get("known_open")
    if reason is not None and (not isinstance(reason, str) or not reason.strip()):
        raise CorruptInputError(source, None, '"known_open" is the reason in words, or null')
    return reason


def _found(data: Any, source: str) -> Found:
    if not isinstance(data, dict):
        raise CorruptInputError(source, None, 'expected "found": where the seed was found')
    return Found(
        target=str(data.get("target", "?")),
        client=str(data.get("client", "?")),
        driver=str(data.get("driver", "process")),
        identity=str(data.get("identity", "?")),
        gate=bool(data.get("gate", False)),
        date=str(data.get("date", "?")),
        faults=tuple(str(fault) for fault in data.get("faults") or ()),
        random_seed=data["random_seed"] if isinstance(data.get("random_seed"), int) else None,
    )


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""A finding, from the run that discovered it to its confirmed minimum, and the file that keeps it.

`finding.json` in the finding's folder is written again after each step, whole or not at all. So a hunt that
is killed leaves what it knew, and `hunt --resume` goes on from there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

from attrs import asdict, field, frozen

from kalam_props.checks.verdict import Anomaly
from kalam_props.errors import CorruptInputError, StorageError
from kalam_props.history.operations import Txn, kind
from kalam_props.hunt.families import Sighting
from kalam_props.hunt.measure import Rate
from kalam_props.hunt.structure import steps_of
from kalam_props.programs import codec
from kalam_props.programs.model import Program

FORMAT = "kalam-props-finding"
VERSION = 1
FILE = "finding.json"

Stage: TypeAlias = Literal["found", "shrunk", "confirmed"]


@frozen
class Name:
    """A name that a finding goes by, and the smallest program that was seen to fail under it."""

    sighting: Sighting
    program: Program

    @property
    def kinds(self) -> frozenset[str]:
        return kinds(self.program)


@frozen
class Shrinking:
    """What making it small took. `driver`: with which; `finished`: nothing was left to try."""

    tried: int = 0
    runs: int = 0
    seconds: float = 0.0
    finished: bool = False
    driver: str = ""


@frozen
class Finding:
    """One distinct anomaly.

    Attributes:
        names: its own first, with its minimal program; then those that it was discovered by.
        folder: where its files are, in the run's folder.
        original: the program that discovered it; `discovered`: the history of that run.
        history: one that shows it, of the minimal program.
        discovery: how often the original program failed when it was run again.
        confirmed: how often the minimal program fails, with the hunt's own driver.
        in_turns: how often it fails with its lanes in turn; None: it has no lanes side by side.
        steadier: a slightly larger program that fails clearly more often.

    """

    names: tuple[Name, ...]
    folder: Path
    machine: str
    original: Program
    discovered: Path
    history: Path
    stage: Stage = "found"
    discovery: Rate = field(factory=Rate)
    shrinking: Shrinking = field(factory=Shrinking)
    confirmed: Rate = field(factory=Rate)
    in_turns: Rate | None = None
    steadier: tuple[Program, Rate] | None = None
    faults: tuple[str, ...] = ()
    seed_file: Path | None = None

    @property
    def sighting(self) -> Sighting:
        return self.names[0].sighting

    @property
    def anomaly(self) -> Anomaly:
        return self.sighting.anomaly

    @property
    def program(self) -> Program:
        return self.names[0].program

    @property
    def kinds(self) -> frozenset[str]:
        return kinds(self.program)

    @property
    def needs_concurrency(self) -> bool:
        """False when it was seen to fail with its lanes in turn, or has none side by side."""
        concurrent = any(round_.concurrent for round_ in self.program.rounds)
        return concurrent and (self.in_turns is None or not self.in_turns.seen)

    @property
    def also(self) -> tuple[str, ...]:
        """The other names that it was discovered by."""
        others = (name.sighting.name for name in self.names[1:])
        return tuple(dict.fromkeys(name for name in others if name != self.sighting.name))

    @property
    def reproduced(self) -> tuple[int, int]:
        return self.confirmed.seen, self.confirmed.runs


def kinds(program: Program) -> frozenset[str]:
    """The kinds of operations of a program, those in transactions too, without those that only wait."""
    inner = (op for step in steps_of(program) if isinstance(step.op, Txn) for op in step.op.ops)
    ops = (*(step.op for step in steps_of(program)), *inner)
    return frozenset(map(kind, ops)) - {"await-flush", "pause"}


def save(finding: Finding) -> None:
    """Write the finding to its folder; a reader never sees half of it.

    Raises:
        StorageError: it cannot be written.

    """
    path = finding.folder / FILE
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        finding.folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(to_json(finding), ensure_ascii=False, indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: the finding cannot be written ({error.strerror})") from None


def load_all(run: Path) -> list[Finding]:
    """The findings in a run's folder, in the order in which they were found.

    Raises:
        CorruptInputError: not a run's folder, or a file that is no finding.

    """
    if not run.is_dir():
        raise CorruptInputError(str(run), None, "there is no such folder; name the folder of a run")
    return [load(path) for path in sorted(run.glob(f"finding-*/{FILE}"))]


def load(path: Path) -> Finding:
    """The finding in a file.

    Raises:
        CorruptInputError: what is wrong with it.

    """
    data = codec.read_json(path)
    source = str(path)
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise CorruptInputError(source, None, f'expected "format": "{FORMAT}", "version": {VERSION}')
    try:
        return _from_json(data, path.parent)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptInputError(source, None, f"a field is missing or wrong: {error}") from None


def to_json(finding: Finding) -> dict[str, Any]:
    """The file's content; paths are relative to the finding's folder, so that a run can be moved."""
    steadier = finding.steadier
    return {
        "format": FORMAT,
        "version": VERSION,
        "stage": finding.stage,
        "names": [
            {
                "anomaly": asdict(name.sighting.anomaly),
                "side": name.sighting.side,
                "program": codec.to_json(name.program),
            }
            for name in finding.names
        ],
        "machine": finding.machine,
        "original": codec.to_json(finding.original),
        "discovered": _relative(finding.discovered, finding.folder),
        "history": _relative(finding.history, finding.folder),
        "discovery": asdict(finding.discovery),
        "shrinking": asdict(finding.shrinking),
        "confirmed": asdict(finding.confirmed),
        "in_turns": None if finding.in_turns is None else asdict(finding.in_turns),
        "steadier": None
        if steadier is None
        else {"program": codec.to_json(steadier[0]), "rate": asdict(steadier[1])},
        "faults": list(finding.faults),
        "seed_file": None if finding.seed_file is None else str(finding.seed_file),
    }


def _from_json(data: dict[str, Any], folder: Path) -> Finding:
    steadier = data["steadier"]
    return Finding(
        names=tuple(_name(name) for name in data["names"]),
        folder=folder,
        machine=data["machine"],
        original=codec.from_json(data["original"]),
        discovered=_absolute(data["discovered"], folder),
        history=_absolute(data["history"], folder),
        stage=data["stage"],
        discovery=Rate(**data["discovery"]),
        shrinking=Shrinking(**data["shrinking"]),
        confirmed=Rate(**data["confirmed"]),
        in_turns=None if data["in_turns"] is None else Rate(**data["in_turns"]),
        steadier=None
        if steadier is None
        else (codec.from_json(steadier["program"]), Rate(**steadier["rate"])),
        faults=tuple(data["faults"]),
        seed_file=None if data["seed_file"] is None else Path(data["seed_file"]),
    )


def _name(data: dict[str, Any]) -> Name:
    anomaly = data["anomaly"]
    return Name(
        Sighting(Anomaly(**{**anomaly, "witness": tuple(anomaly["witness"])}), data["side"]),
        codec.from_json(data["program"]),
    )


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder / path))

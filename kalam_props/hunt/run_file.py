"""What a run was asked to do, kept in its folder, so that it can go on after it was killed. No secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from kalam_props.errors import CorruptInputError, StorageError
from kalam_props.programs import codec
from kalam_props.targets.journal import JOURNAL
from kalam_props.targets.opening import TargetOptions

FORMAT = "kalam-props-run"
VERSION = 1
FILE = "run.json"
RESUMED = "resumed"
"""Folder in a run's folder for the server's log and the journal of a hunt that goes on with it."""


@frozen
class Run:
    """The options of a hunt that matter to its findings."""

    target: TargetOptions
    machines: tuple[str, ...]
    random_seed: int
    shrink_s: float
    expect: str
    seeds_folder: Path
    known: tuple[Path, ...] = ()


def write_run(run: Run, folder: Path) -> None:
    """Keep the options with the run, without the password.

    Raises:
        StorageError: they cannot be written.

    """
    data = asdict(evolve(run, target=evolve(run.target, root_password=None)))
    del data["target"]["root_password"]
    path = folder / FILE
    try:
        text = json.dumps({"format": FORMAT, "version": VERSION, **data}, default=str, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None


def read_run(folder: Path, *, root_password: str | None) -> Run:
    """The options of the run in a folder.

    Raises:
        CorruptInputError: the folder holds no run.

    """
    path = folder / FILE
    data: Any = codec.read_json(path)
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise CorruptInputError(str(path), None, f'expected "format": "{FORMAT}", "version": {VERSION}')
    try:
        target = data["target"]
        for name in ("kalamdb_server", "kalam"):
            target[name] = None if target[name] is None else Path(target[name])
        target["faults"] = tuple(target["faults"])
        return Run(
            target=TargetOptions(**target, root_password=root_password),
            machines=tuple(data["machines"]),
            random_seed=int(data["random_seed"]),
            shrink_s=float(data["shrink_s"]),
            expect=str(data["expect"]),
            seeds_folder=Path(data["seeds_folder"]),
            known=tuple(map(Path, data.get("known", ()))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptInputError(str(path), None, f"a field is missing or wrong: {error}") from None


def with_resumed(run: Path) -> list[Path]:
    """A run's folder, and that of its being resumed, if that has a journal."""
    again = run / RESUMED
    return [run, again] if (again / JOURNAL).exists() else [run]

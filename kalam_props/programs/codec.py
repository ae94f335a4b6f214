"""Programs as JSON (stable), their digest, and reading them with errors that a person can act on."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cattrs
from attrs import fields
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from kalam_props.errors import CorruptInputError
from kalam_props.history import operations
from kalam_props.history.operations import Insert, Operation, Recreate, Txn
from kalam_props.programs.model import FORMAT, VERSION, Net, Program, Release, Round, Step, TableDef
from kalam_props.programs.tables import misplaced

_SESSION = re.compile(r"[a-z][a-z0-9_]*/[1-9][0-9]*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def to_json(program: Program) -> dict[str, Any]:
    """The stable JSON object of a program."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "tables": {name: _CONVERTER.unstructure(table) for name, table in program.tables.items()},
        "rounds": [
            {"lanes": {session: [_step_to_json(step) for step in lane] for session, lane in r.lanes.items()}}
            for r in program.rounds
        ],
    }


def digest(program: Program) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(to_json(program), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def from_json(data: Any, *, source: str = "program") -> Program:
    """The program in a JSON object.

    Raises:
        CorruptInputError: what is wrong, and where in the program.

    """
    if not isinstance(data, dict):
        raise CorruptInputError(source, None, f"a program is a JSON object, not {type(data).__name__}")
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        found = f"format {data.get('format')!r}, version {data.get('version')!r}"
        raise CorruptInputError(
            source, None, f'expected "format":"{FORMAT}","version":{VERSION}; found {found}'
        )
    try:
        program = Program(
            tables={
                _named(name, _NAME, "a table name"): _CONVERTER.structure(table, TableDef)
                for name, table in _object(data, "tables").items()
            },
            rounds=tuple(_round(index, entry) for index, entry in enumerate(_array(data, "rounds"))),
        )
        _check(program)
    except CorruptInputError:
        raise
    except ValueError as error:
        raise CorruptInputError(source, None, str(error)) from None
    except cattrs.BaseValidationError as error:
        raise CorruptInputError(source, None, "; ".join(cattrs.transform_error(error))) from None
    return program


def read_program(path: Path) -> Program:
    """The program in a file.

    Raises:
        CorruptInputError: not readable, not JSON, or not a program.

    """
    return from_json(read_json(path), source=str(path))


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        CorruptInputError: not readable, or not JSON (with the line).

    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorruptInputError(str(path), None, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CorruptInputError(str(path), None, "is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise CorruptInputError(str(path), error.lineno, f"is not JSON: {error.msg}") from None


def _round(index: int, entry: Any) -> Round:
    lanes = _object(entry, "lanes")
    if not lanes:
        raise ValueError(f"round {index} has no lane")
    return Round(
        {
            _named(session, _SESSION, f"a session (round {index}) such as u0/1"): tuple(
                _step(step, f"round {index}, lane {session}, step {at}")
                for at, step in enumerate(_array(lanes, session))
            )
            for session in lanes
        }
    )


def _step(data: Any, where: str) -> Step:
    try:
        if not isinstance(data, dict):
            raise ValueError("an operation is an object")
        op = operations.from_json(data)
        known = {"op", "release", "net", *(a.name for a in fields(type(op)))}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"{operations.kind(op)} has no field {unknown[0]!r}")
        release = _CONVERTER.structure(data["release"], Release) if "release" in data else None
        net = _CONVERTER.structure(data["net"], Net) if "net" in data else None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except cattrs.BaseValidationError as error:
        raise ValueError(f"{where}: {'; '.join(cattrs.transform_error(error))}") from None
    return Step(op, release, net)


def _step_to_json(step: Step) -> dict[str, Any]:
    data = operations.to_json(step.op)
    if step.release is not None:
        data["release"] = _CONVERTER.unstructure(step.release)
    if step.net is not None:
        data["net"] = _CONVERTER.unstructure(step.net)
    return data


def _check(program: Program) -> None:
    """What types cannot say: names that meet, rows as wide as their table, one network fault a step."""
    for name, table in program.tables.items():
        if table.key not in table.column_names:
            raise ValueError(f"table {name}: the key {table.key!r} is not one of its columns")
        if table.flush_rows is not None and table.flush_rows < 1:
            raise ValueError(f"table {name}: flush_rows is at least 1, or null")
    for index, round_ in enumerate(program.rounds):
        for session, lane in round_.lanes.items():
            for at, step in enumerate(lane):
                try:
                    _check_release(step.release)
                    _check_operation(step.op, program.tables)
                except ValueError as error:
                    raise ValueError(f"round {index}, lane {session}, step {at}: {error}") from None
    if (wrong := misplaced(program)) is not None:
        raise ValueError(wrong)


def _check_release(release: Release | None) -> None:
    """One that is told by both, or by what it does not have, would be run as something else."""
    if release is None:
        return
    if release.anchor in ("flush", "write"):
        if release.us:
            raise ValueError(f"a release at its {release.anchor} has a fraction and no us")
    elif release.fraction is not None:
        raise ValueError(f"a release at its {release.anchor} has us and no fraction")


def _check_operation(op: Operation, tables: dict[str, TableDef]) -> None:
    if isinstance(op, Txn):
        for inner in op.ops:
            if isinstance(inner, Recreate):
                raise ValueError("a transaction holds no recreate")
            _check_operation(inner, tables)
        return
    name = getattr(op, "table", None)
    if name is None:
        return
    if name not in tables:
        raise ValueError(f"unknown table {name!r}")
    if isinstance(op, Insert):
        width = len(tables[name].columns)
        if any(len(row) != width for row in op.rows):
            raise ValueError(f"a row of {name} has {width} values")
        if not op.rows:
            raise ValueError("an insert has at least one row")
        if op.statements is not None and sum(op.statements) != len(op.rows):
            raise ValueError("statements do not add up to the rows")


def _object(data: Any, name: str) -> dict[str, Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, dict):
        raise ValueError(f'expected an object "{name}"')
    return value


def _array(data: Any, name: str) -> list[Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, list):
        raise ValueError(f'expected an array "{name}"')
    return value


def _named(name: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(name):
        raise ValueError(f"{name!r} is not {what}")
    return name


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    for cls in (TableDef, Release, Net):
        # A misspelt field in a seed written by hand must not be ignored.
        converter.register_structure_hook(
            cls, make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
        )
    # Fields that came later are left out where they say nothing, so that older programs keep their digests.
    later = override(omit_if_default=True)
    converter.register_unstructure_hook(
        TableDef, make_dict_unstructure_fn(TableDef, converter, name=later, namespace=later)
    )
    converter.register_unstructure_hook(
        Net, make_dict_unstructure_fn(Net, converter, _cattrs_omit_if_default=True)
    )
    converter.register_unstructure_hook(
        Release,
        make_dict_unstructure_fn(
            Release, converter, _cattrs_omit_if_default=True, anchor=override(omit_if_default=False)
        ),
    )
    return converter


_CONVERTER = _make_converter()

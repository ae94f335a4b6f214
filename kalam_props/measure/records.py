"""What came of one hunt, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cattrs
import orjson
from attrs import frozen

from kalam_props.errors import CorruptInputError, StorageError
from kalam_props.programs import codec
from kalam_props.programs.model import Program


@frozen
class Attempt:
    """One hunt with one random seed on a server with one fault.

    Attributes:
        programs: run until the first detection; all of them when there was none.
        seconds: as `programs`, from the first program on.
        anomaly: the name of what was found, None when nothing was.
        named_right: whether the fault may show under this name.
        operations: of the shrunk program.
        minimal: whether it is one of the hand-written programs for what was found, up to names, or smaller
            than all of them.
        error: why the hunt could not go on, if so; a server that died is a finding of its own.

    """

    random_seed: int
    programs: int
    seconds: float
    anomaly: str | None = None
    named_right: bool = False
    program: Program | None = None
    operations: int | None = None
    minimal: bool = False
    shrink_s: float | None = None
    reproduced: tuple[int, int] | None = None
    error: str | None = None

    @property
    def found(self) -> bool:
        return self.anomaly is not None


def to_json(attempt: Attempt) -> dict[str, Any]:
    """The JSON object of an attempt; what can be worked out from it is there for readers."""
    return {
        "seed": attempt.random_seed,
        "found": attempt.found,
        "programs": attempt.programs,
        "seconds": round(attempt.seconds, 2),
        "anomaly": attempt.anomaly,
        "named_right": attempt.named_right,
        "operations": attempt.operations,
        "minimal": attempt.minimal,
        "shrink_seconds": None if attempt.shrink_s is None else round(attempt.shrink_s, 2),
        "reproduced": list(attempt.reproduced) if attempt.reproduced else None,
        "program": codec.to_json(attempt.program) if attempt.program else None,
        "error": attempt.error,
    }


def write(path: Path, made_with: Mapping[str, object], attempt: Attempt) -> None:
    """Save an attempt, and what it was made with.

    Raises:
        StorageError: it cannot be written.

    """
    text = orjson.dumps(
        {"made_with": dict(made_with), "attempt": to_json(attempt)}, option=orjson.OPT_INDENT_2
    )
    unfinished = path.with_suffix(".tmp")
    try:
        unfinished.write_bytes(text)
        unfinished.rename(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None


def read(path: Path, made_with: Mapping[str, object]) -> Attempt | None:
    """The attempt that was saved with just these settings; None when there is none.

    Raises:
        CorruptInputError: it is no such file.

    """
    if not path.exists():
        return None
    try:
        document = orjson.loads(path.read_bytes())
        if document["made_with"] != dict(made_with):
            return None
        data = document["attempt"]
        return Attempt(
            random_seed=int(data["seed"]),
            programs=int(data["programs"]),
            seconds=float(data["seconds"]),
            anomaly=data["anomaly"],
            named_right=bool(data["named_right"]),
            program=codec.from_json(data["program"], source=str(path)) if data["program"] else None,
            operations=data["operations"],
            minimal=bool(data["minimal"]),
            shrink_s=data["shrink_seconds"],
            reproduced=cattrs.structure(data["reproduced"], tuple[int, int]) if data["reproduced"] else None,
            error=data["error"],
        )
    except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
        raise CorruptInputError(
            str(path), None, f"not the record of a measurement ({error}); remove it to measure again"
        ) from None

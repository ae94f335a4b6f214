"""Reading `--fault` options."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from kalam_props.errors import UsageError
from kalam_props.reference.fault_catalogue import FAULTS
from kalam_props.reference.faults import DIFFICULTY, ParameterKind, SwitchedFault, parse_duration

MOST_LISTED = 8
"""More names than this hide the rest of a sentence."""


def parse_fault(text: str) -> SwitchedFault:
    """The fault in `NAME`, `NAME:window=2ms` or `NAME:difficulty=hard`.

    Raises:
        UsageError: unknown name or parameter, or a value that cannot be read; says what is known.

    """
    name, _, rest = text.partition(":")
    fault = FAULTS.get(name)
    if fault is None:
        raise UsageError(_unknown("fault", name, FAULTS))
    values: dict[str, str] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if key != DIFFICULTY and key not in fault.parameters:
            raise UsageError(_unknown(f"parameter of fault {name}", key, (*fault.parameters, DIFFICULTY)))
        if not equals:
            raise UsageError(f"fault {name}: parameter {key} needs a value, as in {name}:{key}=…")
        if key == DIFFICULTY:
            if value not in fault.difficulties:
                raise UsageError(_unknown(f"difficulty of fault {name}", value, tuple(fault.difficulties)))
        else:
            _check(name, key, value, fault.kinds[key])
        values[key] = value
    return SwitchedFault(fault, values)


def _check(name: str, key: str, value: str, kind: ParameterKind) -> None:
    try:
        if kind == "duration":
            parse_duration(value)
        elif not 0 <= float(value) <= 1:
            raise ValueError(f"{value!r} is not between 0 and 1")
    except ValueError as error:
        raise UsageError(f"fault {name}: {key}: {error}") from None


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    listed = f"known: {', '.join(known)}" if len(known) <= MOST_LISTED else "`kalam-props faults` lists them"
    return f"unknown {what} {name!r}{hint} ({listed})"

"""The registry of faults: what each is called, does, must cause and can be tuned with.

Light to import: options and listings need it without a server. `fault_points` acts on it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from kalam_props.errors import UsageError

ParameterKind: TypeAlias = Literal["duration", "probability", "count"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@frozen
class Fault:
    """A bug that can be switched on.

    Attributes:
        name: as in `--fault NAME`.
        summary: one sentence: what goes wrong, and where.
        anomaly: the name of the anomaly that it must cause.
        parameters: their defaults as text: `2ms`, `0.25`, `3`.
        kinds: how each parameter is read.
        resembles: a published bug of the same kind, or None.

    """

    name: str
    summary: str
    anomaly: str
    parameters: dict[str, str]
    kinds: dict[str, ParameterKind]
    resembles: str | None = None

    def to_json(self) -> dict[str, object]:
        """The entry of this fault in `faults --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "anomaly": self.anomaly,
            "parameters": dict(self.parameters),
        }


@frozen
class SwitchedFault:
    """A fault with the values that it runs with."""

    fault: Fault
    values: Mapping[str, str] = field(factory=dict)

    @property
    def name(self) -> str:
        return self.fault.name

    def text(self, parameter: str) -> str:
        return self.values.get(parameter, self.fault.parameters[parameter])

    def seconds(self, parameter: str) -> float:
        """The value of a duration, in seconds."""
        return parse_duration(self.text(parameter))

    def probability(self, parameter: str) -> float:
        return float(self.text(parameter))

    def count(self, parameter: str) -> int:
        return int(self.text(parameter))

    def __str__(self) -> str:
        """The text that `parse_fault` reads back to the same fault."""
        if not self.values:
            return self.name
        return self.name + ":" + ",".join(f"{key}={value}" for key, value in self.values.items())


def parse_duration(text: str) -> float:
    """Seconds in `2ms`, `500us` or `1.5s`.

    Raises:
        ValueError: anything else.

    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; write 500us, 2ms or 1s")
    return float(match[1]) * _SECONDS[match[2]]


def _window(default: str) -> dict[str, str]:
    return {"window": default}


_KINDS: dict[str, ParameterKind] = {"window": "duration", "rate": "probability"}


def _fault(name: str, anomaly: str, summary: str, parameters: dict[str, str]) -> Fault:
    return Fault(name, summary, anomaly, parameters, {key: _KINDS[key] for key in parameters})


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        _fault(
            "lost-on-flush",
            "lost-row",
            "A flush deletes the whole hot range of each user it flushed, also the rows that arrived since "
            "its snapshot.",
            _window("4ms"),
        ),
        _fault(
            "boundary-row-dropped",
            "lost-row",
            "A flush that finds exactly as many hot rows as the flush policy asks for drops the last one.",
            {"rate": "1"},
        ),
        _fault(
            "seen-twice",
            "duplicate-row",
            "Between the publishing of a cold file and the deletion of its hot rows, readers answer both.",
            _window("10ms"),
        ),
        _fault(
            "gone-between",
            "stale-read",
            "A flush deletes the hot rows before it publishes their cold file; in between they are nowhere.",
            _window("10ms"),
        ),
        _fault(
            "foreign-flush",
            "foreign-row",
            "A flush of several users now and then writes a row of one into the file of another.",
            {"rate": "0.5"},
        ),
        _fault(
            "stale-count",
            "wrong-count",
            "COUNT(*) without WHERE answers from a statistic that is refreshed only a while after a write.",
            _window("60ms"),
        ),
    )
}
"""Every known fault by its name; all are off unless switched on."""


def parse_fault(text: str) -> SwitchedFault:
    """The fault in `NAME` or `NAME:key=value,key=value`.

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
        if key not in fault.parameters:
            raise UsageError(_unknown(f"parameter of fault {name}", key, fault.parameters))
        if not equals:
            raise UsageError(f"fault {name}: parameter {key} needs a value, as in {name}:{key}=…")
        _check(name, key, value, fault.kinds[key])
        values[key] = value
    return SwitchedFault(fault, values)


def _check(name: str, key: str, value: str, kind: ParameterKind) -> None:
    try:
        if kind == "duration":
            parse_duration(value)
        elif kind == "count":
            if int(value) < 1:
                raise ValueError(f"{value!r} is not a count from 1 up")
        elif not 0 <= float(value) <= 1:
            raise ValueError(f"{value!r} is not between 0 and 1")
    except ValueError as error:
        raise UsageError(f"fault {name}: {key}: {error}") from None


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(known)})"

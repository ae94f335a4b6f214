"""What a fault is: its name, what it does and must cause, and what it can be tuned with.

Light to import: options and listings need it without a server. `fault_points` acts on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

ParameterKind: TypeAlias = Literal["duration", "probability"]
Difficulty: TypeAlias = Literal["easy", "medium", "hard"]

DIFFICULTY = "difficulty"
"""A parameter that every fault has: it stands for the values of one of its presets."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@frozen
class Fault:
    """A bug that can be switched on.

    Attributes:
        name: as in `--fault NAME`.
        summary: one sentence: what goes wrong, and where.
        anomaly: the name of the anomaly that it must cause.
        parameters: their defaults as text: `2ms`, `0.25`.
        kinds: how each parameter is read.
        difficulties: values for `difficulty=easy|medium|hard`.
        resembles: a published bug of the same kind, or None.

    """

    name: str
    summary: str
    anomaly: str
    parameters: dict[str, str]
    kinds: dict[str, ParameterKind]
    difficulties: dict[Difficulty, dict[str, str]]
    resembles: str | None = None

    def to_json(self) -> dict[str, object]:
        """The entry of this fault in `faults --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "anomaly": self.anomaly,
            "parameters": dict(self.parameters),
            "difficulties": {name: dict(values) for name, values in self.difficulties.items()},
            "resembles": self.resembles,
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
        """What was given for a parameter, else what the difficulty says, else the default."""
        asked = self.values.get(DIFFICULTY)
        presets = [values for name, values in self.fault.difficulties.items() if name == asked]
        return self.values.get(parameter, (presets or [self.fault.parameters])[0][parameter])

    def seconds(self, parameter: str) -> float:
        """The value of a duration, in seconds."""
        return parse_duration(self.text(parameter))

    def probability(self, parameter: str) -> float:
        return float(self.text(parameter))

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

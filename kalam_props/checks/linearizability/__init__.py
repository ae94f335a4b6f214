"""Linearizability of any history against any sequential model: `check_linearizable`.

A library of its own: it knows nothing of tables, programs or histories on disk, and imports nothing of this
project but the names of the verdicts. See docs/linearizability.md.
"""

from kalam_props.checks.linearizability.checker import check_linearizable
from kalam_props.checks.linearizability.models import (
    cas_register,
    counter,
    fifo_queue,
    key_value,
    multi_register,
    mutex,
    register,
    set_model,
)
from kalam_props.checks.linearizability.operation import (
    UNKNOWN,
    Effect,
    Linearizability,
    Model,
    Operation,
    Settled,
    Shortcut,
    Unknown,
)

__all__ = [
    "UNKNOWN",
    "Effect",
    "Linearizability",
    "Model",
    "Operation",
    "Settled",
    "Shortcut",
    "Unknown",
    "cas_register",
    "check_linearizable",
    "counter",
    "fifo_queue",
    "key_value",
    "multi_register",
    "mutex",
    "register",
    "set_model",
]

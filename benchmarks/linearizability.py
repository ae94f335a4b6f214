"""The linearizability checker beside Porcupine (Go), the same operations fed to both in one run.

    python benchmarks/linearizability.py [--models register …] [--sizes 100 1000 10000] [--timeout 10]

Needs `go` on the path: the program in `benchmarks/porcupine` is built first. Histories are those of a
correct store: each operation takes effect at an instant of its interval, and `concurrency` processes have
one open nearly all the time. In `illegal` ones a single read, after three quarters of the history, shows
what was overwritten long before, or where there is no such value, one that nobody wrote. In `lost` ones
every twentieth operation has no answer. Values are `few` (five, written again and again) or `unique`. A
ratio of 2 means that Porcupine needs half of our time; below 1 we are ahead. On a machine that does other
things as well, processor time is the fairer one; by the clock Porcupine gains what it does on several
processors at once. The verdict alone is timed, as `CheckOperations` gives it: ours tells how a violation
shows when it is asked.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, frozen

from kalam_props.checks.linearizability import (
    UNKNOWN,
    Model,
    Operation,
    cas_register,
    check_linearizable,
    key_value,
    register,
)

HERE = Path(__file__).parent
MODELS: dict[str, Model] = {
    "register": register(0),
    "cas-register": cas_register(0),
    "key-value": key_value(),
}
KEYS = 8
FEW = 5
LOST_EVERY = 20
NOBODYS = 1_000_003
FAR = 5
REPEATS = 20
REPEAT_SECONDS = 0.2


@frozen
class Case:
    """One history: what it is called in the table, its model, and the operations."""

    name: str
    model: str
    operations: list[Operation]


def history(model: str, size: int, concurrency: int, *, legal: bool, lost: bool, unique: bool) -> Case:
    """A history with `size` operations; the same for the same arguments."""
    words = [model, "unique" if unique else "few", f"{size}", f"{concurrency}"]
    words += ["legal" if legal else "illegal", "lost" if lost else "answered"]
    rng = random.Random(" ".join(words))
    spans = _spans(rng, size, concurrency)
    state: dict[str, object] = {}
    operations: list[Operation | None] = [None] * size
    shown: list[tuple[int, str]] = []
    for number in sorted(range(size), key=lambda n: spans[n][1]):
        process, _, begin, end = spans[number][0], spans[number][1], spans[number][2], spans[number][3]
        key = f"k{rng.randrange(KEYS)}" if model == "key-value" else ""
        call, output = _call(rng, model, number, key, state, unique=unique)
        silent = lost and rng.randrange(LOST_EVERY) == 0
        if silent:
            operations[number] = Operation(process, call, UNKNOWN, begin, None)
            continue
        operations[number] = Operation(process, call, output, begin, end)
        if call[0] in ("read", "get"):
            shown.append((number, key))
    complete = [operation for operation in operations if operation is not None]
    if not legal:
        _spoil(complete, shown, model, unique=unique)
    return Case(" ".join(words), model, complete)


def _spans(rng: random.Random, size: int, concurrency: int) -> list[tuple[int, int, int, int]]:
    """Process, instant of effect, invocation and return of each operation; no instant twice."""
    free = [0] * concurrency
    spans = []
    for number in range(size):
        process = min(range(concurrency), key=free.__getitem__)
        begin = free[process] + rng.randint(1, 20)
        end = begin + rng.randint(50, 200)
        free[process] = end
        instant = rng.randint(begin, end) * size + number
        spans.append((process, instant, begin * size, end * size + size))
    return spans


def _call(
    rng: random.Random, model: str, number: int, key: str, state: dict[str, object], *, unique: bool
) -> tuple[tuple[object, ...], object]:
    kind = rng.random()
    if model == "key-value":
        text = str(state.get(key, ""))
        piece = f"<{number}>" if unique else rng.choice("abcde")
        if kind < 0.4:
            return ("get", key), text
        if kind < 0.6:
            state[key] = piece
            return ("put", key, piece), None
        state[key] = text + piece
        return ("append", key, piece), None
    value = state.get("", 0)
    new = number + 1 if unique else rng.randrange(FEW)
    if kind < 0.4:
        return ("read",), value
    if model == "register" or kind < 0.6:
        state[""] = new
        return ("write", new), None
    expected = value if rng.random() < 0.6 else (rng.randrange(number + 1) if unique else rng.randrange(FEW))
    if expected == value:
        state[""] = new
    return ("cas", expected, new), expected == value


def _spoil(operations: list[Operation], shown: list[tuple[int, str]], model: str, *, unique: bool) -> None:
    """A late read shows what was overwritten for good before it began; or, if nothing was, nobody's value."""
    late, key = shown[len(shown) * 3 // 4]
    wrong: object = "<nobody>" if model == "key-value" else NOBODYS
    if unique or model == "key-value":
        answers = [operations[n] for n, other in shown if other == key]
        early = [operations[n] for n, other in shown[len(shown) // 8 :] if other == key]
        gone = [old.output for old in early if _changed_between(old, operations[late], answers)]
        wrong = next((old for old in gone if unique or len(str(old)) > 3), wrong)
    else:
        for number, _ in shown[len(shown) * 3 // 4 :]:
            gone = [value for value in range(FEW) if _overwritten(operations, value, operations[number])]
            if gone:
                late, wrong = number, gone[0]
                break
    operations[late] = evolve(operations[late], output=wrong)


def _changed_between(old: Operation, read: Operation, answers: list[Operation]) -> bool:
    """Whether an answer was another after one and before the other."""
    return any(
        (old.returned_ns or 0) < other.invoked_ns
        and (other.returned_ns or 0) < read.invoked_ns
        and other.output != old.output
        for other in answers
    )


def _overwritten(operations: list[Operation], value: int, read: Operation) -> bool:
    """Whether every write of a value was over before another value was written, and that before the read."""
    makers: list[float] = []
    others: list[int] = []
    for call in operations:
        verb: tuple[object, ...] = call.input  # type: ignore[assignment]
        if verb[0] == "read" or call.invoked_ns > (read.returned_ns or 0):
            continue
        if verb[-1] == value:
            makers.append(float("inf") if call.returned_ns is None else call.returned_ns)
        elif call.returned_ns is not None and call.returned_ns < read.invoked_ns and call.output is not False:
            others.append(call.invoked_ns)
    return max(makers, default=-1) < max(others, default=-1)


def for_porcupine(case: Case, timeout: float) -> str:
    """The same operations as JSON for the Go program."""
    plain = [_plain(operation) for operation in case.operations]
    histories = [{"name": case.name, "model": case.model, "operations": plain}]
    return json.dumps(
        {
            "timeout_ms": int(timeout * 1000),
            "repeat": REPEATS,
            "repeat_ms": int(REPEAT_SECONDS * 1000),
            "histories": histories,
        }
    )


def _plain(operation: Operation) -> dict[str, object]:
    call: tuple[object, ...] = operation.input  # type: ignore[assignment]
    data: dict[str, object] = {
        "process": operation.process,
        "verb": call[0],
        "invoked": operation.invoked_ns,
        "returned": operation.returned_ns,
    }
    answered = operation.returned_ns is not None
    if call[0] in ("get", "put", "append"):
        data["key"] = call[1]
        data["text"] = call[2] if call[0] != "get" else ""
        data["got"] = operation.output if call[0] == "get" and answered else ""
        return data
    if call[0] == "write":
        data["value"] = call[1]
    elif call[0] == "cas":
        data |= {"from": call[1], "value": call[2], "swapped": answered and operation.output is True}
    elif answered:
        data["read"] = operation.output
    return data


@frozen
class Timed:
    """A verdict, and the fastest of some runs in seconds: by the clock, and of processors."""

    verdict: str
    wall: float
    cpu: float


def ours(case: Case, timeout: float) -> Timed:
    """Our verdict and times."""
    wall = cpu = float("inf")
    spent, verdict = 0.0, "unknown"
    for _ in range(REPEATS):
        began, busy = time.perf_counter(), time.process_time()
        verdict = check_linearizable(MODELS[case.model], case.operations, timeout=timeout).verdict
        took, used = time.perf_counter() - began, time.process_time() - busy
        wall, cpu, spent = min(wall, took), min(cpu, used), spent + took
        if spent > REPEAT_SECONDS:
            break
    return Timed(verdict, wall, cpu)


@contextmanager
def porcupine(timeout: float) -> Iterator[Callable[[Case], Timed]]:
    """Gives Porcupine's verdict and times; a process of its own judges each history."""
    with tempfile.TemporaryDirectory() as folder:
        program, data = Path(folder) / "porcupine-bench", Path(folder) / "history.json"
        subprocess.run(["go", "build", "-o", program, "."], cwd=HERE / "porcupine", check=True)

        def theirs(case: Case) -> Timed:
            data.write_text(for_porcupine(case, timeout))
            output = subprocess.run([program, data], check=True, capture_output=True, text=True).stdout
            answer = json.loads(output)
            return Timed(answer["verdict"], answer["ns"] / 1e9, answer["cpu_ns"] / 1e9)

        yield theirs


def main() -> None:
    """Print a row a history, and what they come to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--concurrency", type=int, nargs="+", default=[5, 10, 50])
    parser.add_argument("--values", nargs="+", default=["few", "unique"], choices=["few", "unique"])
    parser.add_argument("--timeout", type=float, default=10, help="seconds a history, for each of the two")
    options = parser.parse_args()
    # Each is made when it is its turn: with all in memory, a collection of garbage would look through them.
    cases = (
        history(model, size, concurrency, legal=legal, lost=lost, unique=values == "unique")
        for model in options.models
        for values in options.values
        for size in options.sizes
        for concurrency in options.concurrency
        for legal in (True, False)
        for lost in (False, True)
    )
    print(f"{'':<66}{'ours':>8}{'':>10}{'Porcupine':>10}{'':>10}{'ratio':>8}")
    titles = f"{'wall ms':>10}{'cpu ms':>10}{'wall ms':>10}{'cpu ms':>10}{'wall':>8}{'cpu':>8}"
    print(f"{'model values size open':<56}{titles}  verdicts")
    rows: list[tuple[str, Timed, Timed]] = []
    with porcupine(options.timeout) as theirs:
        for case in cases:
            other, mine = theirs(case), ours(case, options.timeout)
            rows.append((case.name, mine, other))
            times = "".join(
                f"{seconds * 1e3:>10.2f}" for one in (mine, other) for seconds in (one.wall, one.cpu)
            )
            ratios = f"{mine.wall / other.wall:>8.2f}{mine.cpu / other.cpu:>8.2f}"
            print(f"{case.name:<56}{times}{ratios}  {mine.verdict} / {other.verdict}", flush=True)
    _sum_up(rows, options.timeout)


def _sum_up(rows: list[tuple[str, Timed, Timed]], timeout: float) -> None:
    decided = [row for row in rows if "unknown" not in (row[1].verdict, row[2].verdict)]
    mine = sum(row[1].verdict == "unknown" for row in rows)
    other = sum(row[2].verdict == "unknown" for row in rows)
    contradictions = sum(one.verdict != two.verdict for _, one, two in decided)
    print(
        f"\n{len(rows)} histories; undecided within {timeout:g} s: ours {mine}, Porcupine {other}; "
        f"both decided {len(decided)}; contradictions: {contradictions}"
    )
    for unit in ("wall", "cpu"):
        ratios = sorted((getattr(one, unit) / getattr(two, unit), name) for name, one, two in decided)
        if ratios:
            behind = [f"{ratio:.1f}x {name}" for ratio, name in ratios if ratio > FAR]
            ahead = sum(ratio <= 1 for ratio, _ in ratios)
            median, worst = ratios[len(ratios) // 2][0], ratios[-1][0]
            print(f"{unit}: ahead in {ahead}; median ratio {median:.2f}; worst {worst:.2f}")
            print(f"  more than {FAR}x behind in {len(behind)}: {'; '.join(behind) or 'none'}")


if __name__ == "__main__":
    main()

"""How checking grows with a history: insert/select/count histories of a correct store, from a file.

    python benchmarks/checks.py [--operations 1000 10000 100000 1000000] [--keep FOLDER]

Each history is checked in a process of its own, as `kalam-props check` does it: reading included. Shown are
seconds, microseconds an operation, and peak resident memory. `users` histories have 1,000 operations a user
and about four rows seen an operation; `one-user` has a single large table that is scanned eight times.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HEADER = {
    "format": "kalam-props-history",
    "version": 1,
    "clock": "ns",
    "target": {"name": "simulated", "version": "1"},
    "client": {"name": "none", "version": "1"},
    "driver": "none",
    "gate": False,
    "program": "0",
    "tables": {"t": {"type": "user", "columns": ["id", "v", "n"], "key": "id"}},
}
SESSIONS = 4
OPERATIONS_A_USER = 1_000


def write_history(path: Path, operations: int, shape: str) -> int:
    """Write a legal history; the number of rows that its reads show."""
    observed = 0
    with path.open("w") as file:
        file.write(json.dumps(HEADER) + "\n")
        events: list[tuple[int, int, str]] = []
        for t, place, line, rows in _events(operations, shape):
            observed += rows
            events.append((t, place, line))
        events.sort()
        numbers = {place: i for i, (_, place, _) in enumerate(events, 1)}
        for i, (t, place, line) in enumerate(events, 1):
            of = f'"of":{numbers[place - 1]},' if place % 2 else ""
            file.write(f'{{"i":{i},"t":{t},{of}{line}}}\n')
    return observed


def _events(operations: int, shape: str) -> Iterator[tuple[int, int, str, int]]:
    """Time, place and text of invocations (even places) and answers (odd), and the rows shown.

    An operation takes effect at an instant between its two, in order of instants.
    """
    rng = random.Random(operations)
    users = max(1, operations // OPERATIONS_A_USER) if shape == "users" else 1
    scan_every = 100 if shape == "users" else max(2, operations // 8)
    tables: list[list[str]] = [[] for _ in range(users)]
    free = [[0] * SESSIONS for _ in range(users)]
    now = 0
    for number in range(operations):
        user, session = number % users, (number // users) % SESSIONS
        now = max(now + rng.randint(1, 20), free[user][session] + 1)
        start, end = max(free[user][session] + 1, now - rng.randint(0, 300)), now + rng.randint(0, 300)
        free[user][session] = end
        table = tables[user]
        nth = number // users if shape == "users" else number
        who = f'"p":"u{user}/{session}","user":"u{user}"'
        shown = 0
        if nth % scan_every == scan_every - 1:
            op, answer, shown = '"op":"select"', f'"rows":[{",".join(table)}]', len(table)
        elif nth % 4 == 3:
            op, answer = '"op":"count"', f'"count":{len(table)}'
        else:
            rows = [
                f'[{len(table) + k},"u{user}-s{session}-op{number}-{k}",0]' for k in range(nth % 3 // 2 + 1)
            ]
            table.extend(rows)
            op, answer = f'"op":"insert","rows":[{",".join(rows)}]', f'"affected":{len(rows)}'
        yield start, 2 * number, f'"e":"invoke",{who},{op},"table":"t"', 0
        yield end, 2 * number + 1, f'"e":"ok",{answer}', shown


def check(path: Path) -> None:
    """Check one history and print what it took, as JSON."""
    from kalam_props.checks.files import check_files  # noqa: PLC0415  # its import is part of the memory

    began, busy = time.perf_counter(), time.process_time()
    (result,) = check_files([path])
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    status = Path("/proc/self/status").read_text()
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    verdict = result.verdict.verdict if result.verdict is not None else result.error
    print(json.dumps({"verdict": verdict, "seconds": seconds, "cpu": cpu, "peak_mib": peak}))


def main() -> None:
    """Generate, check, print a row each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--operations", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--shapes", nargs="+", default=["users", "one-user"])
    parser.add_argument("--keep", type=Path, help="leave the histories in this folder")
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check is not None:
        check(options.check)
        return
    titles = f"{'shape':<10}{'operations':>12}{'rows seen':>12}{'seconds':>10}{'cpu s':>8}"
    print(f"{titles}{'us/op':>8}{'peak MiB':>10}  verdict")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        for shape in options.shapes:
            for operations in options.operations:
                path = folder / f"{shape}-{operations}.jsonl"
                observed = write_history(path, operations, shape)
                command = [sys.executable, __file__, "--check", str(path)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                said = json.loads(output)
                print(
                    f"{shape:<10}{operations:>12,}{observed:>12,}{said['seconds']:>10.2f}{said['cpu']:>8.2f}"
                    f"{said['seconds'] / operations * 1e6:>8.1f}{said['peak_mib']:>10.0f}  {said['verdict']}"
                )


if __name__ == "__main__":
    main()

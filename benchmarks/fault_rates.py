"""How often each fault shows itself in the smallest program for it, at each difficulty.

    python benchmarks/fault_rates.py [NAME ...] [--difficulty easy|medium|hard ...] [--seconds S] [--runs N]

The programs and their offsets are those of `tests/unit/reference/fault_programs.py`: plain HTTP, drawn
moments. The presets of the catalogue are chosen so that the rates are about 1/3, 1/10 and 1/100. `healthy`
runs the same programs with the fault off, as many times: the number beside it must be 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "unit" / "reference"))

from fault_programs import PROGRAMS, RESTARTING, trying  # importable only after the line above

DIFFICULTIES = ("easy", "medium", "hard")


def measure(name: str, switch: tuple[str, ...], seconds: float, runs: int) -> tuple[int, int, dict]:
    """Trials that showed the fault, trials, and what the server says of the fault."""
    with tempfile.TemporaryDirectory() as folder, trying(*switch, data_dir=Path(folder)) as (server, attempt):
        end = time.monotonic() + seconds
        seen = done = 0
        while done < runs and time.monotonic() < end:
            seen += attempt(name)
            done += 1
        return seen, done, server.stats()["faults"].get(name, {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all faults")
    parser.add_argument("--difficulty", action="append", choices=(*DIFFICULTIES, "healthy"))
    parser.add_argument("--seconds", type=float, default=4, help="for each fault and difficulty")
    parser.add_argument("--runs", type=int, default=300, help="at the most, for each")
    parser.add_argument("--set", metavar="K=V", help="this parameter instead of a difficulty")
    options = parser.parse_args()
    print(f"{'fault':24} {'':8} {'parameters':22} {'shown':>9} {'rate':>7}  real window (ms)")
    for name in options.names or PROGRAMS:
        for difficulty in [options.set] if options.set else options.difficulty or DIFFICULTIES:
            chosen = f"{name}:{options.set or f'difficulty={difficulty}'}"
            switch = () if difficulty == "healthy" else (chosen,)
            more = 4 if name in RESTARTING else 1
            seen, done, report = measure(name, switch, options.seconds * more, options.runs)
            parameters = ", ".join(f"{key}={value}" for key, value in report.get("parameters", {}).items())
            window = report.get("window_ms")
            shown = "" if window is None else f"{window['min']} / {window['median']} / {window['max']}"
            rate = f"{seen:>4}/{done:<4} {seen / max(done, 1):7.3f}"
            print(f"{name:24} {difficulty:8} {parameters:22} {rate}  {shown}", flush=True)


if __name__ == "__main__":
    main()

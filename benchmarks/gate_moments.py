"""How often one meeting of two requests shows a fault: at each moment with the gate, and without the gate.

    python benchmarks/gate_moments.py [--fault NAME]... [--runs 20] [--without 60] [--driver process]
        [--kalam PATH]

The meeting is the smallest program that can show the fault (`kalam_props.measure.yardsticks`): a row and a
flush with one request in it, or two requests at once. Its last request is released at each of some fractions
of the flush or of the other's write, or at the other's answer; without the gate both are started, and that is
all. What chance finds one time in n cannot be found with fewer than one nth of the programs: the last number
of a line is the best moment's share against that of chance, the most that aiming a single meeting comes to.
Faults that take three requests are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve
from gate_detection import FAULTS_OF_RACES, lab_on, window_of

from kalam_props.hunt.structure import places, with_release
from kalam_props.measure.yardsticks import YARDSTICKS
from kalam_props.programs.model import Program, Release
from kalam_props.targets.opening import TargetOptions

OF_THREE = ("split-scan", "error-under-load")
IN_A_FLUSH = tuple(Release("flush", fraction=at / 10) for at in (0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13))
AT_A_WRITE = tuple(Release("write", fraction=at / 100) for at in range(15, 151, 15))
MOMENTS = (None, *AT_A_WRITE, Release("answer"))


def meeting(fault: str) -> Program:
    """The program of two requests at once; the last lane is the one that is aimed."""
    yardstick = YARDSTICKS[fault]
    at_once = (program for program in yardstick.minima if len(program.rounds[-1].lanes) > 1)
    return yardstick.aimed or next(at_once)


def released(program: Program, release: Release | None) -> Program:
    """With its last request released so."""
    *_, last = places(program)
    return with_release(program, [last], release)


def shown(target: TargetOptions, fault: str, releases: tuple[Release | None, ...], runs: int) -> list[int]:
    """How many runs showed anything, for each release; the releases take turns."""
    found = [0] * len(releases)
    with lab_on(target, f"{fault}:window={window_of(fault)}") as lab:
        for _ in range(runs):
            lab.take_aim()
            for at, release in enumerate(releases):
                found[at] += bool(lab.run(released(meeting(fault), release)).sightings)
    return found


def told(releases: tuple[Release | None, ...], found: list[int]) -> Iterator[str]:
    for release, times in zip(releases, found, strict=True):
        if release is None:
            yield f"with it {times}"
        elif release.anchor == "answer":
            yield f"at its answer {times}"
        else:
            yield f"{release.fraction:g}: {times}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    of_two = [fault for fault in FAULTS_OF_RACES if fault not in OF_THREE]
    parser.add_argument("--fault", action="append", choices=of_two)
    parser.add_argument("--runs", type=int, default=20, help="for each moment, with the gate")
    parser.add_argument("--without", type=int, default=60, help="runs without the gate")
    parser.add_argument("--driver", default="process", choices=("process", "session", "http"))
    parser.add_argument("--kalam", type=Path, help="a kalam binary; default: as for a hunt")
    chosen = parser.parse_args()
    target = TargetOptions(driver=chosen.driver, kalam=chosen.kalam)
    for fault in chosen.fault or of_two:
        releases = IN_A_FLUSH if YARDSTICKS[fault].aimed else MOMENTS
        found = shown(target, fault, releases, chosen.runs)
        (chance,) = shown(evolve(target, gate=False), fault, (None,), chosen.without)
        share = max(found) / chosen.runs
        most = f"{share * chosen.without / chance:.1f}" if chance else f">{share * chosen.without:.0f}"
        print(
            f"{fault} of {window_of(fault)}: {', '.join(told(releases, found))} of {chosen.runs} each; "
            f"without {chance} of {chosen.without}; at the most {most} times",
            flush=True,
        )


if __name__ == "__main__":
    main()

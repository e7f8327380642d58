"""Runs the races and prints a table: python benchmarks/run.py [--only gaussian] [--json]."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys

from race import Result, Workload, one_thread, race

FAMILIES = (
    "gaussian",
    "bernoulli",
    "poisson",
    "regressions",
    "glms",
    "small",
    "chains",
    "continuous",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="emdsl and its peers, CPU seconds per iteration.")
    parser.add_argument("--only", default="", help="a regular expression on families and names")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of rows")
    parser.add_argument("--rounds", type=int, default=None, help="turns that each program gets")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    args = parser.parse_args()
    one_thread()
    results = []
    for family in FAMILIES:
        workloads: list[Workload] = importlib.import_module(family).WORKLOADS
        for workload in workloads:
            if not re.search(args.only, f"{family} {workload.name}"):
                continue
            result = race(workload, args.scale, args.rounds)
            results.append(result)
            if not args.json:
                print(table(result), flush=True)
    if args.json:
        json.dump([r.plain() for r in results], sys.stdout, indent=1)
        print()


def table(result: Result) -> str:
    goal = "" if result.goal is None else f"   (goal: {result.goal:g} times the first peer)"
    lines = [f"{result.workload}{goal}"]
    for name, seconds in result.seconds.items():
        ratio = f"{result.ratios[name]:10.2f} x" if name in result.ratios else ""
        setup = f"   set up {result.setup[name]:.3g} s" if name in result.setup else ""
        lines.append(f"  {name:<28} {seconds:12.6f} s{ratio}{setup}")
    return "\n".join([*lines, *(f"  ! {note}" for note in result.notes)])


if __name__ == "__main__":
    main()

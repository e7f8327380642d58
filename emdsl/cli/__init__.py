"""The command line. Loads no stage of the compiler until a command asks for it."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises for what a user did."""
    from emdsl.cli.app import run

    return run(argv)

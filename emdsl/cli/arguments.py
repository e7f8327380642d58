"""The words of the command line: one parser, to which each command adds its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from emdsl import __version__
from emdsl.cli import check, compile_, dump, explain, fit, fmt, predict, sample
from emdsl.cli.errors import near

COMMANDS = (fit, predict, sample, check, explain, compile_, fmt, dump)

_EPILOG = """\
examples:
  emdsl fit models/gaussian_mixture.em faithful.csv --set K=2 --seed 0
  emdsl explain models/gaussian_mixture.em
  emdsl compile models/gaussian_mixture.em -o mixture.py

exit codes: 0 well; 1 a problem in a model or in data; 2 wrong usage; 3 a bug in emdsl
"""


class Parser(argparse.ArgumentParser):
    """argparse, with a suggestion for what is misspelt and no guessing of half options."""

    def error(self, message: str) -> NoReturn:
        """Say it with a way out, and stop with exit code 2."""
        self.print_usage(sys.stderr)
        if "invalid choice" in message:
            what, word = message.partition(":")[0], message.split("'")[1]
            what = what.removeprefix("argument ").strip("-")
            known = map(_name, COMMANDS) if what == "command" else dump.STAGES
            message = f"there is no {what} {word!r}; {near(word, known)}".rstrip("; ")
        self.exit(2, f"{self.prog}: error: {message}\n  help: see `{self.prog} --help`\n")

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """What is left of the arguments after all that were known."""
        if not words[0].startswith("-"):
            self.error(f"unexpected argument {words[0]!r}")
        known = [o for action in self._actions for o in action.option_strings]
        option = words[0].partition("=")[0]
        if option in known:
            self.error(f"{option!r} goes behind the command: `{self.prog} ... {option}`")
        suggestion = near(option, known)
        self.error(f"there is no option {words[0]!r}; {suggestion}".rstrip("; "))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of one command; `run` is the function that runs it."""
    args, left = build().parse_known_args(argv)
    if left:
        args.parser.refuse(left)
    return args


def build() -> Parser:
    """The whole parser."""
    common = Parser(add_help=False, allow_abbrev=False)
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,  # before the command or behind it
        help="show Python tracebacks and warnings (also EMDSL_DEBUG=1)",
    )
    parser = Parser(
        prog="emdsl",
        parents=[common],
        description="Fit latent-variable models by EM algorithms derived from their .em files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"emdsl {__version__}")
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(metavar="command", required=True, dest="command")
    for command in COMMANDS:
        sub = commands.add_parser(
            _name(command),
            parents=[common],
            help=command.HELP,
            description=(command.__doc__ or "").strip(),
            epilog="examples:\n" + command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.arguments(sub)
        sub.set_defaults(run=command.run, parser=sub)
    return parser


def _name(command: object) -> str:
    return getattr(command, "__name__", "").rpartition(".")[2].rstrip("_")

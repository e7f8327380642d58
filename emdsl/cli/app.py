"""One command from its arguments to its exit code. Nothing gets past it as a traceback."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence

from emdsl.cli import terminal
from emdsl.cli.errors import BROKEN_PIPE, INTERRUPTED, InputError
from emdsl.cli.files import reason
from emdsl.diagnostics import CompileError, Exit


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments and run the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # Greek on a terminal without it
    debug = bool(os.environ.get("EMDSL_DEBUG"))
    try:
        from emdsl.cli.arguments import parse

        args = parse(argv)
        debug = debug or args.debug
        with warnings.catch_warnings():
            _quiet_warnings(debug)
            code = int(args.run(args))
        sys.stdout.flush()
    except SystemExit as stop:  # argparse, after --help or wrong usage
        return stop.code if isinstance(stop.code, int) else int(Exit.USAGE)
    except KeyboardInterrupt:
        print("emdsl: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        terminal.quiet_stdout()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort that makes of it an exit code
        if debug:
            import traceback

            traceback.print_exc()
        return _explain(error)
    return code


def _explain(error: Exception) -> int:
    """Say what went wrong, and whose turn it is: the user's or ours."""
    for kind, say in _KINDS:
        if isinstance(error, kind):
            return say(error)
    if _is_data_error(error):
        terminal.say("error", str(error), getattr(error, "hint", ""))
        return Exit.INPUT
    from emdsl.cli.bug import report

    return report(error)


def _say_compile(error: CompileError) -> int:
    from emdsl.cli.problems import show

    show(error.diagnostics, error.source)
    return Exit.INPUT


def _say_input(error: InputError) -> int:
    terminal.say("error", str(error), error.hint)
    return error.code


def _say_system(error: OSError) -> int:
    where = f"{error.filename}: " if error.filename else ""
    terminal.say("error", where + reason(error))
    return Exit.INPUT


def _say_memory(_: MemoryError) -> int:
    terminal.say("error", "there is not enough memory for this")
    return Exit.INPUT


_KINDS: tuple[tuple[type[Exception], Callable[..., int]], ...] = (
    (CompileError, _say_compile),
    (InputError, _say_input),
    (OSError, _say_system),
    (MemoryError, _say_memory),
)


def _is_data_error(error: Exception) -> bool:
    """Whether the runtime raised it about data, parameters or a saved fit.

    Where the runtime isn't loaded, it didn't.
    """
    module = sys.modules.get("emdsl.runtime.errors")
    return module is not None and isinstance(error, module.InputError)


def _quiet_warnings(debug: bool) -> None:
    """Python warnings meant for the user become a line; those meant for us need --debug."""
    if debug:
        return

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, UserWarning):
            terminal.say("warning", str(message))

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", UserWarning)
    warnings.showwarning = show  # catch_warnings puts the old one back

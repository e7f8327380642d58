"""What is said of wrong data, parameters or files, all problems at once. No emdsl imports."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Something the user gave can't be used.

    `problems` holds one message for each thing found: what was expected, what was found and a
    way out, in lower case and without a full stop.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        if len(self.problems) == 1:
            text = self.problems[0]
        else:
            text = f"{len(self.problems)} problems\n" + "\n".join(f"  - {p}" for p in self.problems)
        super().__init__(text)

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class DataError(InputError):
    """The data, sizes or weights don't fit the model."""


class ParamsError(InputError):
    """Given parameters or responsibilities don't fit the model."""


class NoFilterError(InputError):
    """The model has no chain to filter along, or none whose past is well defined."""


class ResultFileError(InputError):
    """A file is not a fitted model, is damaged, or belongs to another model."""


def no_chain(name: str) -> str:
    """What to say of a model without chains that is to be filtered."""
    return (
        f"{name} has no latents tied along a chain (z[t-1]), so there is nothing to filter along: "
        "ask for the posterior"
    )


def near(name: str, known: Sequence[str]) -> str:
    """A "did you mean" for a wrong name, or "" where nothing is close."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""

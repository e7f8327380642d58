"""Python names for the model's names: never a keyword, a builtin, or a name the module uses."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Collection, Iterable

from emdsl.diagnostics import Bug

# what generated functions and modules call their own things
_TAKEN = frozenset(
    {
        *keyword.kwlist, *keyword.softkwlist, *dir(builtins),
        "np", "nm", "rt", "special", "Any", "Mapping", "annotations", "sampling",
        "block", "layout", "pivot", "params", "statistics", "features", "coefficients", "bias",
        "clusters", "direct", "sums", "rng", "given", "data", "sizes", "seed", "B", "one",
        "META", "PROGRAM", "fit", "e_step", "m_step", "log_likelihood", "log_prior", "posterior",
        "predict", "sample", "draw", "load", "init_params", "evidence", "self", "numpy", "scipy",
        "how", "potentials", "ties", "filtered", "most_probable", "posterior_pairs",
        "row_log_likelihood", "sample_posterior", "weights", "second",
        "posterior_moments",
    }
)  # fmt: skip

# what a generated module's functions take beside the sizes of the header
_OPTIONS = frozenset(
    {
        "restarts", "max_iter", "tol", "init", "fix", "options", "degenerate", "floor", "progress",
        "on_iteration", "n", "inputs", "lengths",
    }
)  # fmt: skip


# how generated functions name what they derive from the model's names: a model name of that form
# gets a prefix, so that the two can't meet
_OURS = re.compile(
    r"(f|c|s|h|g|post|rows|possible|message|best|joint|inv|logdet|pivot|parts|term|drawn|all|log|em"
    r"|seen|known|new|old|root|q|features|coefficients|infer|marginals|collect|walk|unary|step|sent"
    r"|at|live|objective|slopes|potentials|BLOCK|LIVE)_.*"
    r"|.*_centered_*|possible|evidence|direct_rows"
)


def quoted(text: str) -> str:
    """Text as a Python string literal in double quotes, with nothing left to escape from."""
    return json.dumps(text, ensure_ascii=False)


def mathematics(text: str) -> list[str]:
    """A formula as comment lines that fit, later ones indented."""
    text = text.replace("**", "^")
    return textwrap.wrap(text, 88, initial_indent="  ", subsequent_indent="      ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


class Names:
    """Maps each model name to a Python identifier, the same every time.

    `arguments` are those that functions also take by name.
    """

    def __init__(self, names: Iterable[str], arguments: frozenset[str] = frozenset()) -> None:
        self._python: dict[str, str] = {}
        used: set[str] = set(_TAKEN)
        for name in dict.fromkeys(names):
            # Python folds identifiers to NFKC, so two model names may become one
            python = unicodedata.normalize("NFKC", name)
            if not python.isidentifier():
                raise Bug(f"{name!r} can't be a Python identifier")
            if _OURS.fullmatch(python):
                python = f"em_{python}"
            taken = used | _OPTIONS if name in arguments else used
            while python in taken or python.startswith("__"):
                python = f"{python.lstrip('_') or 'name'}_"
            used.add(python)
            self._python[name] = python
        self._used = used
        self._known: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._python[name]

    def copy(self) -> Names:
        """The same, to try out names with."""
        other = Names(())
        other._python, other._used = self._python, set(self._used)
        other._known = dict(self._known)
        return other

    def local(self, stem: str, taken: Collection[str]) -> str:
        """A variable's name in one function: `stem`, or with a number after it."""
        name, count = stem, 1
        while name in self._used or name in taken:
            count += 1
            name = f"{stem}_{count}"
        return name

    def fresh(self, stem: str) -> str:
        """A name no one has: `stem`, or with underscores after it."""
        while stem in self._used:
            stem += "_"
        self._used.add(stem)
        return stem

    def same(self, key: str, stem: str) -> str:
        """A name no one has, the same in every function that asks by this key."""
        if key not in self._known:
            self._known[key] = self.fresh(stem)
        return self._known[key]

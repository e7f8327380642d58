"""Letters for what a report makes up: none that the model uses itself."""

from __future__ import annotations

import unicodedata

from emdsl.model.graph import Model
from emdsl.report.axes import declared


def letter(model: Model, *wanted: str) -> str:
    """The first of the letters that is no name of the model's, however it is spelled.

    Raises StopIteration where all are taken: the last should be a word no model has.
    """
    taken = declared(model) | {p.axis for p in model.plates}
    spelled = {x.lower() for x in taken}
    return next(x for x in wanted if x not in taken and (x.isascii() or _greek(x) not in spelled))


def _greek(char: str) -> str:
    """alpha, of α."""
    return unicodedata.name(char[0]).split()[-1].lower().replace("lamda", "lambda")

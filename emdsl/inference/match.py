"""What a strategy is shown and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.levels import Level
from emdsl.diagnostics import Note
from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Piece:
    """Levels of rows whose latents hang together, with the latents and data on them."""

    levels: tuple[Level, ...]
    variables: tuple[str, ...]

    @property
    def plate(self) -> str:
        """The axis of its first level's rows."""
        return self.levels[0].axis


@dataclass(frozen=True, slots=True)
class Match:
    """A strategy takes a piece; `summed` are the discrete variables it sums over.

    `coupled` says that a latent is seen from other rows than its own. `home` is the axis of the
    rows that all others point to, once each, so that what these others have is added up there.
    """

    strategy: str
    piece: Piece
    summed: tuple[str, ...]
    coupled: bool = False
    home: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a strategy isn't exact for a piece, with the place in the source that shows it.

    `hint` is a way out where this reason has one of its own. `apt` says that the strategy is meant
    for latents of these kinds: where it isn't, its reason tells nothing of the model.
    """

    strategy: str
    reason: str
    span: Span
    notes: tuple[Note, ...] = ()
    hint: str = ""
    apt: bool = True

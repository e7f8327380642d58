"""What a strategy is shown and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.source import Span


@dataclass(frozen=True, slots=True)
class Piece:
    """An outermost plate and its latent and data variables; `plate` is empty outside any plate."""

    plate: str
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A strategy takes a piece; `summed` are the discrete variables it sums over."""

    strategy: str
    piece: Piece
    summed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a strategy isn't exact for a piece, with the place in the source that shows it."""

    strategy: str
    reason: str
    span: Span

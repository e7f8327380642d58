"""What is said where a row's latent has no posterior, or none that was asked for."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.improper import ImproperError


class ImproperRowError(ImproperError):
    """The log joint of a row isn't that of a distribution of its latent: its integral is infinite.

    `family` and `why` say what was found; `row` is the first row where it was, None where rows
    share the natural parameters that it is about; `state` are the discrete latents' values there.
    """

    def __init__(self, family: str, why: str, row: int | None, state: tuple[int, ...]) -> None:
        self.family, self.why, self.row, self.state = family, why, row, state
        place = "every row" if row is None else f"row {row}"
        if state:
            place += f", state {', '.join(map(str, state))}"
        super().__init__(f"the {family} posterior of {place} is not proper: {why}")

    def __reduce__(self) -> tuple[type[ImproperError], tuple[Any, ...]]:
        return type(self), (self.family, self.why, self.row, self.state)


__all__ = ["ImproperError", "ImproperRowError", "NoModeError", "improper", "no_mode", "require"]


class NoModeError(ValueError):
    """The most probable value of a continuous latent was asked for: densities depend on its unit.

    (The mode of log u isn't the log of the mode of u.)
    """

    def __init__(self, family: str) -> None:
        self.family = family
        super().__init__(
            f"the most probable value of a continuous latent ({family}) isn't supported: "
            "ask for its posterior mean"
        )

    def __reduce__(self) -> tuple[type[NoModeError], tuple[str]]:
        return type(self), (self.family,)


def require(
    proper: NDArray[np.bool_] | np.bool_,
    family: str,
    why: str,
    found: NDArray[np.float64] | None = None,
) -> None:
    """Raise ImproperError of the first entry of (S..., B or 1) where `proper` doesn't hold.

    `found` (broadcasting to the same) is what was there; it is added to `why`.
    """
    proper = np.asarray(proper)
    if proper.all():
        return
    at = tuple(int(i) for i in np.unravel_index(int(np.argmin(proper)), proper.shape))
    if found is not None:
        why = f"{why}, found {np.broadcast_to(found, proper.shape)[at]:.6g}"
    raise improper(family, why, at, proper.shape)


def improper(
    family: str, why: str, at: tuple[int, ...], shape: tuple[int, ...]
) -> ImproperRowError:
    """The error about entry `at` of an array of shape (S..., B or 1)."""
    row = at[-1] if shape and shape[-1] != 1 else None
    return ImproperRowError(family, why, row, at[:-1])


def no_mode(family: str) -> NoReturn:
    raise NoModeError(family)

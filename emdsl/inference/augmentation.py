"""Which data nodes are rewritten with a latent of their own, and why.

A node is rewritten where EM iterates over latents of its rows anyway, and every parameter of it
that Newton's method would have to climb for has a closed form given the new latent. What is
compared are two derivations of the whole model. See decision 017.
"""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.augmented import Rewriting, rewriting
from emdsl.diagnostics import CompileError, Diagnostic
from emdsl.inference.derivation import Derivation, derive
from emdsl.inference.match import Match
from emdsl.inference.references import refs_in
from emdsl.inference.strategy import choose
from emdsl.model.graph import Infer, Model


@dataclass(frozen=True)
class Augmentation:
    """A data node that could be rewritten: whether it was, and the reason.

    `closed` are its parameters that have a closed form by it, `numeric` those that have none
    either way; both are empty where the rewritten model was not derived.
    """

    rewriting: Rewriting
    taken: bool
    reason: str
    closed: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The model to go on with, its strategies, its derivation, and what was decided."""

    model: Model
    matches: tuple[Match, ...]
    derivation: Derivation
    augmentations: tuple[Augmentation, ...] = ()


def chosen(model: Model, augment: bool | None = None) -> Chosen:
    """Derive the model, with those nodes rewritten that are better for it.

    augment : None as the file says (`infer x using augmentation` or `numeric`), and where it says
        nothing as is best; True wherever a parameter's update is numeric and a strategy takes the
        rewritten node; False nowhere.

    Raises CompileError.
    """
    found = [r for v in model.variables if (r := rewriting(model, v)) is not None]
    by_file = {name: line for line in model.infer for name in line.targets}
    try:
        current = _derived(model)
    except CompileError as error:
        return _instead(model, found, by_file, augment, error)
    written = current
    decided: list[Augmentation] = []
    for r in found:
        line = by_file.get(r.node) if augment is None else None
        mine = _params(model, r)
        numeric = mine & written.derivation.numeric
        if line is None and not numeric:
            continue
        if augment is False or (line is not None and line.method == "numeric"):
            decided.append(Augmentation(r, False, "it is turned off"))
            continue
        asked = augment is True or line is not None
        reason = None if asked else _against(written, r)
        if reason is not None:
            decided.append(Augmentation(r, False, reason))
            continue
        try:
            other = _derived(r.within(current.model))
        except CompileError as error:
            if line is not None:
                raise CompileError(model.source, (_impossible(r, line, error),)) from error
            decided.append(Augmentation(r, False, _refusal(r, error)))
            continue
        left = mine & other.derivation.numeric
        closed = tuple(sorted(numeric - left))
        if left and not asked:
            reason = (
                f"{_named(left)} would be numeric all the same, and EM over `{r.latent.name}` "
                "creeps where it runs to an edge"
            )
        else:
            reason = "it is asked for" if asked else "all of the node's updates are closed by it"
            current = other
        decided.append(Augmentation(r, asked or not left, reason, closed, tuple(sorted(left))))
    return Chosen(current.model, current.matches, current.derivation, tuple(decided))


def _derived(model: Model) -> Chosen:
    matches = choose(model)
    return Chosen(model, matches, derive(model, matches))


def _params(model: Model, r: Rewriting) -> frozenset[str]:
    """The parameters in a node's density, with those that constraints tie to them."""
    found = {ref.name for ref in refs_in(r.written) if ref.role == "param"}
    for c in model.constraints:
        if c.kind != "bound" and found & {t.name for t in c.terms}:
            found |= {t.name for t in c.terms}
    return frozenset(found)


def _against(written: Chosen, r: Rewriting) -> str | None:
    """What speaks against rewriting a node before anything is derived."""
    if r.cautions:
        return r.cautions[0]
    piece = next(m.piece for m in written.matches if r.node in m.piece.variables)
    if not any(written.model.variable(n).role == "latent" for n in piece.variables):
        return (
            "nothing else is latent, so Newton's method on the density as written is the whole "
            f"fit, while EM over `{r.latent.name}` would take many iterations"
        )
    return None


def _instead(
    model: Model,
    found: list[Rewriting],
    by_file: dict[str, Infer],
    augment: bool | None,
    error: CompileError,
) -> Chosen:
    """All nodes that can be rewritten, where the model as written can't be compiled."""

    def wanted(r: Rewriting) -> bool:
        line = by_file.get(r.node) if augment is None else None
        asked = augment is True or (line is not None and line.method == "augmentation")
        return augment is not False and (asked or (line is None and not r.cautions))

    taken = [r for r in found if wanted(r)]
    if not taken:
        raise error
    other = model
    for r in taken:
        other = r.within(other)
    try:
        current = _derived(other)
    except CompileError:
        raise error from None
    reason = f"as written there is no EM: {_first(error)}"
    decided = tuple(
        Augmentation(
            r, True, reason, numeric=tuple(sorted(_params(model, r) & current.derivation.numeric))
        )
        for r in taken
    )
    return Chosen(current.model, current.matches, current.derivation, decided)


def _refusal(r: Rewriting, error: CompileError) -> str:
    return f"the rewritten model has no EM: {_first(error, r.latent.name)}"


def _first(error: CompileError, about: str = "") -> str:
    """The first problem, with what is said of a name, else with the last that is said."""
    d = error.diagnostics[0]
    said = [n.text for n in d.notes if n.text.partition(": ")[0] not in ("none", "finite")]
    said = [t for t in said if f"`{about}`" in t] or said[-1:]
    return f"{d.message} ({said[0]})" if said else d.message


def _impossible(r: Rewriting, line: Infer, error: CompileError) -> Diagnostic:
    return Diagnostic(
        "no-augmentation",
        f"`{r.node}` can't be inferred by augmentation: {_refusal(r, error)}",
        line.span,
        "remove the line: the density as written has an M-step of its own",
        error.diagnostics[0].notes,
    )


def _named(names: frozenset[str]) -> str:
    return " and ".join(f"`{n}`" for n in sorted(names))

"""What to write instead of latents that no strategy takes."""

from __future__ import annotations

from collections.abc import Sequence

from emdsl.model.graph import Variable

_EXACT = {
    "real": "in linear means of normals",
    "positive": "as a factor of a rate, a precision or a variance, under a Gamma",
    "unit": "as the chance of a Bernoulli or Binomial, under a Beta",
    "simplex": "as the shares of a Categorical or Multinomial, under a Dirichlet",
    "posdef": "as the precision of normals under a Wishart, or their covariance under an "
    "InverseWishart",
}


def ways_out(latents: tuple[Variable, ...]) -> str:
    """Where latents of these kinds are exact, and what does for any of them."""
    continuous = [v for v in latents if v.type.kind in _EXACT]
    if not continuous:
        return (
            "each strategy's reason is given above; a model whose latents are finite and tied to "
            "each other by plates, indices, chains or trees has an exact E-step"
        )
    found: list[str] = []
    for kind in dict.fromkeys(v.type.kind for v in continuous):
        names = listed([f"`{v.name}`" for v in continuous if v.type.kind == kind])
        found.append(f"{names} can be integrated out {_EXACT[kind]}")
    last = (
        "or make them categories, or params with priors"
        if len(continuous) > 1
        else "or make it a `category`, or a param with a prior"
    )
    return f"{'; '.join(found)}; {last}"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: a, b and c."""
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])

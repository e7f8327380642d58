"""Data nodes that are mixtures over a latent of their own: how each was derived, and why."""

from __future__ import annotations

from emdsl.inference.augmentation import Augmentation
from emdsl.model.show import show_distribution
from emdsl.report.page import WIDTH, Page, broken


def write_augmentations(page: Page, found: tuple[Augmentation, ...]) -> None:
    """A section for them; nothing where there are none."""
    if not found:
        return
    page.section("Data augmentation")
    for a in found:
        _write_one(page, a)


def _write_one(page: Page, a: Augmentation) -> None:
    r = a.rewriting
    index = ", ".join(r.latent.plates)
    node, latent = f"{r.node}[{index}]", f"{r.latent.name}[{index}]"
    assert r.latent.dist is not None
    page.heading(f"`{r.node}` is {'rewritten' if a.taken else 'derived as it is written'}")
    page.verbatim(_line(f"data   {node} ~ {show_distribution(r.written)}"))
    page.say(
        "is the same distribution as" if a.taken else "It could be rewritten, which is the same:"
    )
    page.verbatim(
        _line(f"latent {latent} ~ {show_distribution(r.latent.dist)}")
        + "\n"
        + _line(f"data   {node} ~ {show_distribution(r.given)}")
    )
    page.say(f"{'Why' if a.taken else 'Why not'}: {a.reason}.")
    if a.closed or a.numeric:
        page.say(_split(a))
    line = f"`infer {r.node} using {'numeric' if a.taken else 'augmentation'}`"
    flags = "`augment=False` or `--no-augment`" if a.taken else "`augment=True` or `--augment`"
    page.say(
        f"To turn it {'off' if a.taken else 'on'}: {line} in the file, or {flags}. The likelihood, "
        "and so the fit, is the same either way"
        + (f"; the posterior of `{r.latent.name}` comes with it." if not a.taken else ".")
    )


def _line(text: str) -> str:
    """A declaration on lines that fit the page."""
    return "\n".join(broken(text, 11, WIDTH - 4))


def _split(a: Augmentation) -> str:
    """Whose updates are closed by it, and whose not."""
    closed = ", ".join(f"`{n}`" for n in a.closed)
    numeric = ", ".join(f"`{n}`" for n in a.numeric)
    if not a.closed:
        return f"The M-step of {numeric} is numeric with it too."
    if not a.numeric:
        return f"The M-step of {closed}, numeric as written, is closed with it."
    return f"The M-step of {closed} is closed with it; that of {numeric} stays numeric."

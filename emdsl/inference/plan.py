"""What is planned of E-steps: for each piece the clusters of latents that are summed out together.

`planning` finds them, `elimination` the order in which a piece's latents are summed out.
"""

from __future__ import annotations

from dataclasses import dataclass

from emdsl.derive.levels import Level, Link
from emdsl.derive.live import Live
from emdsl.derive.moments import Moment
from emdsl.derive.statistics import Derived, Feature, Given, Statistic, Term
from emdsl.inference.match import Match
from emdsl.inference.posteriors import Posterior
from emdsl.inference.schedule import Schedule


@dataclass(frozen=True)
class Cluster:
    """One elimination: `latents[0]` is summed out; the message is over the rest.

    `children` are earlier clusters whose messages come in; `parent` takes this one's message.
    A cluster of coupled rows is only a group of terms: the schedule says what is summed out. Its
    log potentials are a table for each distinct row of features where `shared`.
    """

    latents: tuple[str, ...]
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    features: tuple[Feature, ...]
    children: tuple[int, ...] = ()
    parent: int | None = None
    shared: bool = False
    live: tuple[Live, ...] = ()
    moment: Moment | None = None
    source: str = ""  # the axis of the rows whose terms these are, where it isn't the piece's own

    @property
    def states(self) -> tuple[str, ...]:
        """The axes its coefficients have, before those of features.

        Of continuous latents' natural parameters the discrete latents above, then their entries.
        """
        return self.latents if self.moment is None else (*self.latents, *self.moment.axes)

    @property
    def label(self) -> str:
        """A name for it: its latents."""
        words = self.latents if self.moment is None else (*self.latents, self.moment.name)
        added = ("of", self.source.replace(",", "_")) if self.source and not self.moment else ()
        return "_".join((*words, *added))


@dataclass(frozen=True)
class Bundle:
    """Continuous latents integrated out together: `clusters` hold their natural parameters.

    Their log evidence is a message over the discrete latents `scope`, which cluster `parent` takes.
    Without a posterior it is what other rows' terms say of discrete latents alone.
    """

    posterior: Posterior | None
    scope: tuple[str, ...]
    clusters: tuple[int, ...]
    parent: int | None = None

    @property
    def label(self) -> str:
        if self.posterior is None:
            return "_".join((*self.scope, "elsewhere"))
        return "_".join(self.posterior.latents)


@dataclass(frozen=True)
class Fold:
    """Rows of another level whose terms are added up at the piece's rows they point to."""

    link: Link
    clusters: tuple[int, ...]  # the piece's, whose features these rows have

    @property
    def label(self) -> str:
        return f"{self.link.source.label}_for_{self.link.target.label}"


@dataclass(frozen=True)
class Gaps:
    """Data arrays whose missing cells are integrated out together; see `inference.gaps`.

    Cluster `host` takes the log of the integral, for each value of its latents; -1 where no latent
    is in it. `clusters` are all those that have features of the arrays, each with the places of its
    latents among the host's. `naturals` are those of normal latents that the cells are tied to:
    what the integral adds to is what these latents and their products are multiplied by. Where
    the rows are added up at those of another piece, `home`, it has these clusters; or else -1.
    """

    arrays: tuple[str, ...]
    host: int
    clusters: tuple[tuple[int, tuple[int, ...]], ...]
    naturals: tuple[int, ...] = ()
    home: int = -1


@dataclass(frozen=True)
class PiecePlan:
    """How one level's rows are handled: direct sums, then the clusters in order.

    `plate` is the axis of the rows.
    """

    match: Match
    level: Level
    latents: tuple[str, ...]  # axes, in the order of the file
    direct: tuple[Term, ...]
    direct_given: tuple[Given, ...]
    direct_features: tuple[Feature, ...]
    clusters: tuple[Cluster, ...]
    statistics: tuple[Statistic, ...]
    direct_live: tuple[Live, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    folds: tuple[Fold, ...] = ()
    name: str = ""  # of its functions, where it isn't its level's
    gaps: tuple[Gaps, ...] = ()
    foreseen: tuple[Gaps, ...] = ()  # of tied normals: all data that can be integrated out
    fed: tuple[int, ...] = ()  # clusters whose natural parameters missing cells add to

    @property
    def is_live(self) -> bool:
        """Whether any term is evaluated anew at each value of the parameters."""
        return bool(self.direct_live) or any(c.live for c in self.clusters)

    @property
    def plate(self) -> str:
        return self.level.axis

    @property
    def label(self) -> str:
        return self.name or self.level.label

    def folded(self, fold: Fold) -> PiecePlan:
        """The rows of a fold as a piece: nothing but the features of the clusters they feed."""
        return PiecePlan(
            self.match, fold.link.source, (), (), (), (),
            tuple(self.clusters[i] for i in fold.clusters), (), name=fold.label,
        )  # fmt: skip

    def cluster_of(self, statistic: Statistic) -> int:
        """The cluster that has a statistic's terms."""
        return next(
            i for i, c in enumerate(self.clusters) if any(t.statistic == statistic for t in c.terms)
        )

    @property
    def finite(self) -> tuple[tuple[int, Cluster], ...]:
        """The clusters that sum a discrete latent out, with their numbers."""
        return tuple(
            (i, c) for i, c in enumerate(self.clusters) if c.moment is None and not c.source
        )


@dataclass(frozen=True)
class Structure:
    """Coupled levels: `pieces` are their numbers in the plan, one after the other.

    The schedule's first factors are the pieces' clusters, in order.
    """

    match: Match
    pieces: tuple[int, ...]
    schedule: Schedule
    clusters: tuple[tuple[int, int], ...]  # of each given factor: its piece and cluster


@dataclass(frozen=True)
class Together:
    """Coupled levels of normal latents; `independent` is the level whose rows aren't tied."""

    match: Match
    pieces: tuple[int, ...]
    independent: Level


@dataclass(frozen=True)
class Plan:
    """The plans of the levels, and of what couples some of them."""

    derived: Derived
    pieces: tuple[PiecePlan, ...]
    structures: tuple[Structure, ...] = ()
    together: tuple[Together, ...] = ()

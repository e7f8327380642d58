"""Sites that hang together: joined, directly or through others, by what names them (union-find)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from emdsl.verify.world import Site


def tied(sites: Iterable[Site], ties: Iterable[Sequence[Site]]) -> Callable[[Site], Site]:
    """For each site, one that stands for all that hang together with it."""
    parent: dict[Site, Site] = {s: s for s in sites}

    def find(s: Site) -> Site:
        while parent[s] != s:
            parent[s] = parent[parent[s]]
            s = parent[s]
        return s

    for tie in ties:
        for s in tie[1:]:
            parent[find(s)] = find(tie[0])
    return find

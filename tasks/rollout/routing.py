"""Routes: the versions that score the rows of a span of prediction times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from configs.clock import LATEST
from tasks.ledger.descriptions import read_bake_end
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion, list_watched_versions
from tasks.rollout.assignment import CHALLENGER, CHAMPION, PREVIOUS
from tasks.rollout.state import find_bake, find_rollout


@dataclass(frozen=True)
class Route:
    """A span [start, end) of prediction times that the same versions score.

    Without a rollout the challenger is the newest candidate that the gate looks at again, with a
    share of 0. Without such a candidate it is None, as `previous` is without a bake window.
    """

    start: datetime
    end: datetime
    champion: int
    challenger: int | None = None
    share: float = 0.0
    unit: tuple[str, ...] = ()
    previous: int | None = None


def list_routes(entries: Sequence[Entry], start: datetime, end: datetime) -> list[Route]:
    """Return the routes of [start, end) in order; times without a champion have none."""
    changes = _list_changes(entries)
    edges = sorted({start, end, *(change for change in changes if start < change < end)})
    routes: list[Route] = []
    for since, until in pairwise(edges):
        route = _route_at(entries, since, until)
        if route and routes and replace(routes[-1], start=since, end=until) == route:
            routes[-1] = replace(routes[-1], end=until)
        elif route:
            routes.append(route)
    return routes


def find_route(entries: Sequence[Entry], moment: datetime) -> Route | None:
    """Return the route of a moment, until it may change; None without a champion."""
    later = (change for change in _list_changes(entries) if change > moment)
    return _route_at(entries, moment, min(later, default=LATEST))


def list_route_roles(route: Route) -> dict[int, str]:
    """Return the role of each version of a route; the champion first."""
    others = {route.previous: PREVIOUS, route.challenger: CHALLENGER}
    return {route.champion: CHAMPION} | {v: role for v, role in others.items() if v is not None}


def _list_changes(entries: Sequence[Entry]) -> set[datetime]:
    """Return the times at which a route may change."""
    return {e.at for e in entries} | {until for e in entries if (until := read_bake_end(e))}


def _route_at(entries: Sequence[Entry], start: datetime, end: datetime) -> Route | None:
    """Return the route of `start`, for a span in which it does not change."""
    champion = find_champion(entries, start)
    if champion is None or champion.version is None:
        return None
    running, bake = find_rollout(entries, start), find_bake(entries, start)
    route = Route(start, end, champion.version, previous=bake.previous if bake else None)
    if running is None:
        watched = list_watched_versions(entries, start)
        return replace(route, challenger=watched[-1]) if watched else route
    if running.version == champion.version:
        return route
    return replace(route, challenger=running.version, share=running.share, unit=running.unit)

"""Routes: which versions score the rows of which prediction times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion
from tasks.rollout.state import find_bake, find_rollout, read_bake_end


@dataclass(frozen=True)
class Route:
    """A span [start, end) of prediction times in which the same versions answer.

    Without a roll-out there is no challenger and its share is 0; without a bake no previous one.
    """

    start: datetime
    end: datetime
    champion: int
    challenger: int | None = None
    share: float = 0.0
    unit: tuple[str, ...] = ()
    previous: int | None = None


def list_routes(entries: Sequence[Entry], start: datetime, end: datetime) -> list[Route]:
    """Who answers when, inside [start, end): spans in order, without what has no champion."""
    turns = {e.at for e in entries} | {until for e in entries if (until := read_bake_end(e))}
    edges = sorted({start, end, *(turn for turn in turns if start < turn < end)})
    found: list[Route] = []
    for since, until in pairwise(edges):
        cast = _route_at(entries, since, until)
        if cast and found and replace(found[-1], start=since, end=until) == cast:
            found[-1] = replace(found[-1], end=until)
        elif cast:
            found.append(cast)
    return found


def _route_at(entries: Sequence[Entry], start: datetime, end: datetime) -> Route | None:
    """The cast of `start`, for a span in which it does not change."""
    reigning = find_champion(entries, start)
    if reigning is None or reigning.version is None:
        return None
    rolls, bakes = find_rollout(entries, start), find_bake(entries, start)
    cast = Route(start, end, reigning.version, previous=bakes.previous if bakes else None)
    if rolls is None or rolls.version == reigning.version:
        return cast
    return replace(cast, challenger=rolls.version, share=rolls.share, unit=rolls.unit)

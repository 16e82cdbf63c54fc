"""Wanted state of a target: the versions that serve by the ledger, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from configs.errors import NoChampion
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_file_digests
from tasks.rollout.assignment import CHALLENGER, CHAMPION
from tasks.rollout.routing import find_route


@dataclass(frozen=True)
class WantedVersion:
    """A version that a target must serve; `digest` is the sha256 of its registered ONNX file."""

    version: int
    role: str
    share: float
    digest: str


def find_wanted_versions(entries: Sequence[Entry], moment: datetime) -> tuple[WantedVersion, ...]:
    """Return the versions whose predictions are used at a moment, the champion first.

    Shadows have no share, so targets do not serve them.

    Raises:
        NoChampion: the ledger has no champion, or no digest of a version.
    """
    route = find_route(entries, moment)
    if route is None:
        raise NoChampion(f"no champion at {moment:%Y-%m-%d %H:%M}; targets keep what they serve")
    share = route.share if route.challenger is not None else 0.0
    wanted = [_describe_version(entries, route.champion, CHAMPION, 1 - share)]
    if route.challenger is not None and share > 0:
        wanted.append(_describe_version(entries, route.challenger, CHALLENGER, share))
    return tuple(wanted)


def _describe_version(
    entries: Sequence[Entry], version: int, role: str, share: float
) -> WantedVersion:
    digests = find_file_digests(entries, version)
    if digests is None:
        raise NoChampion(f"the ledger has no digest of version {version}; train it again")
    return WantedVersion(version, role, round(share, 6), digests.onnx)

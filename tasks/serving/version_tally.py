"""Tallies of errors and latency by version, which every process that predicts leaves in files.

A tally covers the time between two looks of the technical gate. Each is one small file, written in
one step. A killed process loses at most the tally that it was counting.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import msgspec

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.atomic import write_atomically

_STEP = math.log(1.05)  # width of a bucket: a p99 is known to 5%
_SHORTEST = 1e-6
_KEPT = 500  # looks, after which a tally is removed


@dataclass
class VersionCounts:
    """Requests, errors and latencies of one version; `buckets` counts latencies by logarithm."""

    requests: int = 0
    errors: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    @property
    def error_share(self) -> float:
        """Return the share of the requests that failed."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def p99_ms(self) -> float:
        """Return the 99th percentile of the latency in milliseconds, to 5%."""
        rest = math.ceil(0.99 * self.requests)
        for bucket in sorted(self.buckets):
            rest -= self.buckets[bucket]
            if rest <= 0:
                return 1000 * _SHORTEST * math.exp(bucket * _STEP)
        return 0.0

    def count(self, seconds: float, *, failed: bool) -> None:
        """Count a request."""
        self.requests += 1
        self.errors += failed
        bucket = math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / _STEP)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def add(self, other: VersionCounts) -> None:
        """Add the counts of another time or process."""
        self.requests += other.requests
        self.errors += other.errors
        for bucket, number in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + number


@dataclass(frozen=True)
class TallyPeriod:
    """The counts by version of the time between two looks; `end` is in seconds since 1970."""

    end: float
    versions: Mapping[int, VersionCounts]


class VersionTally:
    """Counts requests of one process by version; safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._versions: dict[int, VersionCounts] = {}

    def count_request(self, seconds: Mapping[int, float], errors: Collection[int]) -> None:
        """Count a request: the time of each version, and the versions that failed."""
        with self._lock:
            for version, taken in seconds.items():
                counts = self._versions.setdefault(version, VersionCounts())
                counts.count(taken, failed=version in errors)

    def write_period(self, folder: Path, end: float) -> None:
        """Write what was counted since the last call into a file, if anything was."""
        with self._lock:
            versions, self._versions = self._versions, {}
        if versions:
            content = msgspec.json.encode(TallyPeriod(end, versions))
            write_atomically(folder / f"{end:.3f}-{os.urandom(8).hex()}.json", content)


def tally_folder(use_case: UseCase) -> Path:
    """Return the folder of a use case's tallies."""
    return settings().state / "serving" / use_case.name / "technical"


def read_periods(folder: Path) -> list[TallyPeriod]:
    """Return the periods in order, each with the counts of all processes."""
    files = [msgspec.json.decode(path.read_bytes(), type=TallyPeriod) for path in _list(folder)]
    return merge_periods(files)


def merge_periods(tallies: Iterable[TallyPeriod]) -> list[TallyPeriod]:
    """Return one period for each end, with the counts of all its tallies."""
    merged: dict[float, dict[int, VersionCounts]] = {}
    for tally in tallies:
        versions = merged.setdefault(tally.end, {})
        for version, counts in tally.versions.items():
            versions.setdefault(version, VersionCounts()).add(counts)
    return [TallyPeriod(end, merged[end]) for end in sorted(merged)]


def remove_old_periods(folder: Path, end: float, every: float) -> None:
    """Remove the tallies of more than 500 looks ago.

    Args:
        folder: of the tallies.
        end: of the newest period.
        every: seconds between two looks.
    """
    for path in _list(folder):
        if float(path.name.partition("-")[0]) < end - _KEPT * every:
            path.unlink(missing_ok=True)


def _list(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.json"))

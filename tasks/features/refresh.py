"""Feature tables, kept up to date incrementally."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.raw_tables import CREATED, import_feature_module, scan_raw_tables
from tasks.orchestration.parallel import map_parallel
from tasks.storage.chunks import Chunk, TimeSpan, make_chunk, remove_spill, spill_folder
from tasks.storage.lake import Lake, open_lake


def refresh_features(use_case: UseCase, as_of: datetime) -> dict[str, int]:
    """Bring the feature tables up to `as_of`, and what late raw rows change; their versions.

    A table that reaches further than `as_of` keeps what it has. Commits nothing where there is
    nothing to do. NoRows if nothing was ever ingested into one of the raw tables.
    """
    lake = open_lake(use_case.name)
    raw = {name: lake.version(f"raw/{name}") for name in use_case.tables}
    missing = [name for name, version in raw.items() if version is None]
    if missing:
        raise NoRows(f"{lake.uri('raw')}: nothing was ingested into {', '.join(missing)}")
    versions = {name: version for name, version in raw.items() if version is not None}
    sources = _Sources(use_case, lake, versions)
    for view in use_case.features.views:
        _refresh_view(use_case, lake, view, sources, as_of)
    return lake.versions([f"features/{view}" for view in use_case.features.views])


class _Sources:
    """The raw tables of one refresh at fixed versions, opened once for all views."""

    def __init__(self, use_case: UseCase, lake: Lake, versions: Mapping[str, int]) -> None:
        self.versions = dict(versions)
        self.cut = cache(self._cut)
        self._raw = partial(scan_raw_tables, use_case, versions=versions)
        self._times = {name: table.known_time for name, table in use_case.tables.items()}
        self._earliest_added = cache(lake.earliest_added)

    def dirty_from(self, built_of: Mapping[str, int]) -> datetime | None:
        """The earliest known time of the rows added since those versions; None if none was."""
        added = [
            self._earliest_added(f"raw/{name}", time, built_of.get(name), self.versions[name])
            for name, time in self._times.items()
        ]
        return min((time for time in added if time is not None), default=None)

    def _cut(self, start: datetime, end: datetime) -> list[TimeSpan]:
        """[start, end) in spans of whole days in which about MAINSPRING_PARTITION_ROWS raw rows
        became known.
        """
        raw = self._raw(end)
        days = pl.concat(
            raw[name]
            .filter(pl.col(time) >= start, pl.col(time) < end)
            .group_by(pl.col(time).dt.truncate("1d").alias("day"))
            .len()
            for name, time in self._times.items()
        )
        before = pl.col("len").cum_sum() - pl.col("len")
        spans = days.group_by("day").agg(pl.col("len").sum()).sort("day")
        firsts = spans.group_by(before // settings().partition_rows).agg(pl.col("day").min())
        starts = [start, *sorted(firsts.collect()["day"])[1:]]
        return list(zip(starts, [*starts[1:], end], strict=True))


def _refresh_view(
    use_case: UseCase, lake: Lake, view: str, sources: _Sources, as_of: datetime
) -> None:
    """Build what is missing or no longer right of one feature table, in one commit."""
    table = f"features/{view}"
    note = lake.note(table)
    built_to = datetime.fromisoformat(note["built_to"]) if note else None
    dirty_from = sources.dirty_from(note.get("raw", {}))
    end = max(as_of, built_to or as_of)
    start = min((time for time in (built_to, dirty_from) if time is not None), default=end)
    if start < end:
        made_of = {"raw": sources.versions, "built_to": end.isoformat()}
        cut = sources.cut(start, end)
        folder = f"{spill_folder(lake.root, (start, end))}/{view}" if cut[1:] else None
        same = {"view": view, "versions": sources.versions, "folder": folder}
        parts = map_parallel(_build, cut, use_case=use_case, **same)
        some = [part for part in parts if part.height] or parts[:1]
        lake.replace_window(table, some, CREATED, (start, end), note=made_of)
        if folder:
            remove_spill(folder)


def _build(
    span: TimeSpan, use_case: UseCase, view: str, versions: Mapping[str, int], folder: str | None
) -> Chunk:
    """The rows of a view that became known in a span, put aside if there is a folder for them."""
    raw = scan_raw_tables(use_case, span[1], versions)
    rows = getattr(import_feature_module(use_case), view)(raw, *span).collect()
    return make_chunk(span, rows, folder)

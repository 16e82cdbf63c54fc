"""Incremental refresh of the feature tables.

A feature table is a function of the raw rows known at a time: rows known in a window are built
together and replace the window in one commit. The commit's note has the raw versions and the time
that the table is built to. So a killed refresh is simply run again, and a late or corrected raw row
rebuilds everything from its known time on.
"""

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
    """Refresh the feature tables up to `as_of`, late raw rows included; return their versions.

    A table that is built further than `as_of` is not cut. Commits nothing where nothing changed.
    Raises NoRows if a raw table has no data yet.
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


def rebuild_view(use_case: UseCase, view: str, as_of: datetime) -> None:
    """Build all rows of a feature table again from raw rows, in one commit.

    The table ends where it ended before, or at `as_of`.
    """
    lake = open_lake(use_case.name)
    versions = lake.versions([f"raw/{name}" for name in use_case.tables])
    sources = _Sources(
        use_case, lake, {name.removeprefix("raw/"): v for name, v in versions.items()}
    )
    _refresh_view(use_case, lake, view, sources, as_of, rebuild=True)


class _Sources:
    """The raw tables of one refresh at pinned versions, opened once for all views."""

    def __init__(self, use_case: UseCase, lake: Lake, versions: Mapping[str, int]) -> None:
        self.versions = dict(versions)
        self.split_window = cache(self._split_window)
        self._raw = partial(scan_raw_tables, use_case, versions=versions)
        self._times = {name: table.known_time for name, table in use_case.tables.items()}
        self._earliest_added = cache(lake.earliest_added)

    def find_dirty_start(self, built_versions: Mapping[str, int]) -> datetime | None:
        """Return the earliest known time of rows added since those versions; None if none was."""
        added = [
            self._earliest_added(f"raw/{name}", time, built_versions.get(name), self.versions[name])
            for name, time in self._times.items()
        ]
        return min((time for time in added if time is not None), default=None)

    def _split_window(self, start: datetime, end: datetime) -> list[TimeSpan]:
        """Split [start, end) into whole days of about MAINSPRING_PARTITION_ROWS raw rows each."""
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
    use_case: UseCase,
    lake: Lake,
    view: str,
    sources: _Sources,
    as_of: datetime,
    *,
    rebuild: bool = False,
) -> None:
    """Build the missing and outdated rows of one feature table, in one commit."""
    table = f"features/{view}"
    note = lake.note(table)
    built_to = datetime.fromisoformat(note["built_to"]) if note else None
    dirty_from = sources.find_dirty_start({} if rebuild else note.get("raw", {}))
    end = max(as_of, built_to or as_of)
    start = min((time for time in (built_to, dirty_from) if time is not None), default=end)
    if start < end:
        new_note = {"raw": sources.versions, "built_to": end.isoformat()}
        spans = sources.split_window(start, end)
        folder = f"{spill_folder(lake.root, (start, end))}/{view}" if spans[1:] else None
        common = {"view": view, "versions": sources.versions, "folder": folder}
        chunks = map_parallel(_build_chunk, spans, use_case=use_case, **common)
        filled = [chunk for chunk in chunks if chunk.height] or chunks[:1]
        lake.replace_window(table, filled, CREATED, (start, end), note=new_note)
        if folder:
            remove_spill(folder)


def _build_chunk(
    span: TimeSpan, use_case: UseCase, view: str, versions: Mapping[str, int], folder: str | None
) -> Chunk:
    """Build the rows of a view known in a span, spilled to `folder` if there is one."""
    raw = scan_raw_tables(use_case, span[1], versions)
    rows = getattr(import_feature_module(use_case), view)(raw, *span).collect()
    return make_chunk(span, rows, folder)

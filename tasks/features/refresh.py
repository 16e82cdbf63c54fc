"""Incremental refresh of the feature tables.

A feature table is a function of the raw rows known at a time: rows known in a window are built
together and replace the window in one commit. The commit's note has the raw versions, the time
that the table is built to and the digest of the view's definition. So a killed refresh is simply
run again, a late or corrected raw row rebuilds everything from its known time on, and a changed
view is rebuilt in history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.champion_columns import (
    ChampionColumns,
    FindChampionColumns,
    require_same_values,
)
from tasks.features.definitions import digest_view, is_outdated
from tasks.features.raw_tables import (
    CREATED,
    EARLIEST,
    LATEST,
    import_feature_module,
    scan_raw_tables,
)
from tasks.orchestration.parallel import map_parallel
from tasks.storage.chunks import Chunk, TimeSpan, make_chunk, remove_spill, spill_folder
from tasks.storage.lake import Lake, open_lake


def refresh_tables(
    use_case: UseCase, as_of: datetime, find_champion_columns: FindChampionColumns
) -> dict[str, int]:
    """Build what is missing or outdated in the feature tables; return their versions.

    Args:
        use_case: the use case of the tables.
        as_of: end of the knowledge; a table that is built further is not cut.
        find_champion_columns: called if a view changed; these columns must keep their values.

    Raises:
        NoRows: a raw table has no data yet.
        BadConfig: a view changed, and the champion would read other values.
    """
    lake = open_lake(use_case.name)
    sources = _open_sources(use_case, lake)
    for view in use_case.features.views:
        definition = digest_view(use_case, view)
        build = _plan_build(lake, f"features/{view}", sources, as_of, definition)
        if build.start < build.end:
            read = find_champion_columns(use_case).get(view) if build.is_redefined else None
            _commit_build(use_case, lake, view, sources, build, read)
    return lake.versions([f"features/{view}" for view in use_case.features.views])


def _open_sources(use_case: UseCase, lake: Lake) -> _Sources:
    """Pin the raw tables; raise NoRows if one has no data yet."""
    raw = {name: lake.version(f"raw/{name}") for name in use_case.tables}
    missing = [name for name, version in raw.items() if version is None]
    if missing:
        raise NoRows(f"{lake.uri('raw')}: nothing was ingested into {', '.join(missing)}")
    return _Sources(use_case, lake, {name: at for name, at in raw.items() if at is not None})


class _Sources:
    """The raw tables of one refresh at pinned versions, opened once for all views."""

    def __init__(self, use_case: UseCase, lake: Lake, versions: Mapping[str, int]) -> None:
        self.versions = dict(versions)
        self.split_window = cache(self._split_window)
        self._raw = partial(scan_raw_tables, use_case, versions=versions)
        self._times = {name: table.known_time for name, table in use_case.tables.items()}
        self._earliest_changed = cache(lake.earliest_changed)

    def find_dirty_start(self, built_versions: Mapping[str, int]) -> datetime | None:
        """Return the earliest known time of rows added or removed since; None if none was."""
        changed = [
            self._earliest_changed(
                f"raw/{name}", time, built_versions.get(name), self.versions[name]
            )
            for name, time in self._times.items()
        ]
        return min((time for time in changed if time is not None), default=None)

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


def rebuild_view(
    use_case: UseCase, view: str, as_of: datetime, request: Mapping[str, str] | None = None
) -> None:
    """Build all rows of a feature table again from raw rows, in one commit.

    The table ends where it ended before, or at `as_of`. The champion may read other values then.

    Args:
        use_case: the use case of the view.
        view: name of the view and its table.
        as_of: end of the knowledge, unless the table ends later.
        request: who asked for it and why, for the note of the commit.
    """
    lake = open_lake(use_case.name)
    sources = _open_sources(use_case, lake)
    build = _plan_build(lake, f"features/{view}", sources, as_of, digest_view(use_case, view))
    build = replace(build, start=EARLIEST, request=request or {})
    _commit_build(use_case, lake, view, sources, build, None)


@dataclass(frozen=True)
class _Build:
    """The window of a feature table to build, and the digest of the view that builds it.

    Rows known before `kept_until` change only if the definition did.
    """

    start: datetime
    end: datetime
    definition: str
    is_redefined: bool
    kept_until: datetime
    request: Mapping[str, str] = field(default_factory=dict)


def _plan_build(
    lake: Lake, table: str, sources: _Sources, as_of: datetime, definition: str
) -> _Build:
    """Return what is missing or outdated in a feature table."""
    note = lake.note(table)
    built_to = datetime.fromisoformat(note["built_to"]) if note else None
    dirty_from = sources.find_dirty_start(note.get("raw", {}))
    end = min(max(as_of, built_to or as_of), LATEST)
    kept_until = min((time for time in (built_to, dirty_from) if time is not None), default=end)
    is_redefined = is_outdated(note, definition)
    start = EARLIEST if is_redefined else max(kept_until, EARLIEST)
    return _Build(start, end, definition, is_redefined, kept_until)


def _commit_build(
    use_case: UseCase,
    lake: Lake,
    view: str,
    sources: _Sources,
    build: _Build,
    read: ChampionColumns | None,
) -> None:
    """Build the rows of a window and commit them.

    Args:
        use_case: the use case of the view.
        lake: its lake.
        view: the view to build.
        sources: the raw tables.
        build: the window and the definition.
        read: columns whose values must stay the same; None if any may change.
    """
    table, window = f"features/{view}", (build.start, build.end)
    note = {
        "raw": sources.versions,
        "built_to": build.end.isoformat(),
        "definition": build.definition,
        **build.request,
    }
    spans = sources.split_window(*window)
    folder = f"{spill_folder(lake.root, window)}/{view}" if spans[1:] else None
    common = {"view": view, "versions": sources.versions, "folder": folder}
    chunks = map_parallel(_build_chunk, spans, use_case=use_case, **common)
    if read is not None:
        _require_kept_values(use_case, lake, view, read, chunks, build.kept_until)
    filled = [chunk for chunk in chunks if chunk.height] or chunks[:1]
    lake.replace_window(table, filled, CREATED, window, note=note)
    if folder:
        remove_spill(folder)


def _require_kept_values(
    use_case: UseCase,
    lake: Lake,
    view: str,
    read: ChampionColumns,
    chunks: Sequence[Chunk],
    until: datetime,
) -> None:
    """Raise BadConfig if rows known before `until` change in a column that the champion reads."""
    for chunk in chunks:
        start, end = chunk.span
        known = (pl.col(CREATED) >= start) & (pl.col(CREATED) < min(end, until))
        old = lake.scan(f"features/{view}").filter(known).collect()
        require_same_values(use_case, view, read, old, chunk.read().filter(known))


def _build_chunk(
    span: TimeSpan, use_case: UseCase, view: str, versions: Mapping[str, int], folder: str | None
) -> Chunk:
    """Build the rows of a view known in a span, spilled to `folder` if there is one."""
    raw = scan_raw_tables(use_case, span[1], versions)
    if span[0] == EARLIEST:  # rows known before it count as known from it
        raw = {
            name: rows.with_columns(pl.col(use_case.tables[name].known_time).clip(EARLIEST))
            for name, rows in raw.items()
        }
    rows = getattr(import_feature_module(use_case), view)(raw, *span).collect()
    return make_chunk(span, rows, folder)

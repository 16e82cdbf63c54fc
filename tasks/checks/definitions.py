"""Check of changed views: what the champion reads must stay, and histories must be rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.checks.findings import Finding
from tasks.features.champion_columns import ChampionColumns, require_same_values
from tasks.features.definitions import digest_view, is_outdated
from tasks.features.raw_tables import CREATED, import_feature_module, scan_raw_tables
from tasks.ingestion.feature_refresh import find_champion_columns
from tasks.storage.lake import open_lake

_SAMPLE = timedelta(days=2)


def check_definitions(use_case: UseCase) -> Iterator[Finding]:
    """Check the champion's inputs, and each feature table that another definition has built."""
    lake = open_lake(use_case.name)
    notes = {view: lake.note(f"features/{view}") for view in use_case.features.views}
    if not any(notes.values()):
        yield Finding("definitions", "skipped", "no feature table was built yet")
        return
    read = find_champion_columns(use_case)
    changed = [v for v, note in notes.items() if is_outdated(note, digest_view(use_case, v))]
    for view in changed:
        yield _check_changed_view(use_case, view, notes[view], read.get(view))
    if not changed:
        yield Finding("definitions", "ok", f"{', '.join(notes)}: built as they are defined")


def _check_changed_view(
    use_case: UseCase, view: str, note: dict[str, Any], read: ChampionColumns | None
) -> Finding:
    """Compare the newest days of a feature table with what the changed view returns for them."""
    if read is not None:
        end = datetime.fromisoformat(note["built_to"])
        old = open_lake(use_case.name).scan(f"features/{view}")
        newest = old.select(pl.col(CREATED).max()).collect().item() or end
        start = newest - _SAMPLE
        raw = scan_raw_tables(use_case, end, note["raw"])
        new = getattr(import_feature_module(use_case), view)(raw, start, end).collect()
        rows = old.filter(pl.col(CREATED) >= start, pl.col(CREATED) < end).collect()
        try:
            require_same_values(use_case, view, read, rows, new)
        except BadConfig as refused:
            return Finding("definitions", "wrong", str(refused))
    detail = f"features/{view}: {view}() changed; the next refresh rebuilds its history"
    return Finding("definitions", "ok", detail)

"""Feature tables, kept up to date by the day, and point-in-time rows from them through Feast.

A feature table is a function of what was known: the rows known in a window are built at once and
replace the window in one commit, whose note says from which raw versions and up to when. So a
killed refresh is simply run again, and a raw row that comes late or corrects another rebuilds
what was known from its own known time on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import polars as pl
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.errors import NoRows
from configs.settings import settings
from configs.use_case import UseCase
from tasks import joined, store
from tasks.engine import each
from tasks.kinds import kind_of
from tasks.lake import Lake, lake_of
from tasks.parts import Part, Window, clear, folder_of, make_part
from tasks.retries import STEADY

if TYPE_CHECKING:
    from feast import FeatureView

CREATED = "created_timestamp"
EVENT = "event_timestamp"
_ROW = "row_asked_for"


def raw_tables(
    use_case: UseCase, as_of: datetime, versions: Mapping[str, int] | None = None
) -> dict[str, pl.LazyFrame]:
    """The raw tables, lazily: only rows known by `as_of`, at the given versions or the newest.

    NoRows if nothing was ever ingested into one of them.
    """
    lake, pinned = lake_of(use_case.name), versions or {}
    return {
        name: lake.scan(f"raw/{name}", pinned.get(name)).filter(pl.col(table.known_time) <= as_of)
        for name, table in use_case.tables.items()
    }


def refresh(use_case: UseCase, as_of: datetime) -> dict[str, int]:
    """Bring the feature tables up to `as_of`, and what late raw rows change; their versions.

    A table that reaches further than `as_of` keeps what it has. Commits nothing where there is
    nothing to do. NoRows if nothing was ever ingested into one of the raw tables.
    """
    lake = lake_of(use_case.name)
    raw = {name: lake.version(f"raw/{name}") for name in use_case.tables}
    missing = [name for name, version in raw.items() if version is None]
    if missing:
        raise NoRows(f"{lake.uri('raw')}: nothing was ingested into {', '.join(missing)}")
    versions = {name: version for name, version in raw.items() if version is not None}
    sources = _Sources(use_case, lake, versions)
    for view in use_case.features.views:
        _refresh_view(use_case, lake, view, sources, as_of)
    return lake.versions([f"features/{view}" for view in use_case.features.views])


def spine(use_case: UseCase, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
    """Who is predicted in [start, end), in order of prediction time: spine keys, entity keys, the
    prediction time and what is known with the request.
    """
    rows = _call(use_case, use_case.spine.function, start, end, as_of)
    return rows.sort(use_case.spine.time, *use_case.spine.key)


def labels(use_case: UseCase, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
    """The labels known by `as_of` of what is predicted in [start, end): spine keys, prediction
    time, label (as a number: of classes the code of the one that the module names) and the time it
    was known. BadConfig if the module names a class that is none.
    """
    rows = _call(use_case, use_case.label.function, start, end, as_of)
    rows = rows.filter(pl.col(use_case.label.known_time) <= as_of)
    rows = rows.with_columns(kind_of(use_case).coded(rows[use_case.label.column]))
    return rows.sort(use_case.spine.time, *use_case.spine.key)


def historical(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame:
    """The spine with the features known at each row's prediction time: its rows, in its order.

    Rows that were joined before (tasks/joined.py) are not joined again.
    """
    before = joined.find(use_case, spine)
    return spine.hstack(_join(use_case, spine)[1]) if before is None else before


def join_once(use_case: UseCase, spine: pl.DataFrame) -> None:
    """Join these rows, and keep them for every `historical` that asks for some of them."""
    keys, found = _join(use_case, spine)
    joined.keep(use_case, keys.rename({EVENT: use_case.spine.time}), found)


def _join(use_case: UseCase, spine: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entity keys and time (as Feast calls it) of the rows, and their features, through Feast.

    Feast's registry is brought up to date first, here and not with `refresh`: `import feast` takes
    seconds, and ingest does without.
    """
    served = store.served(use_case)
    asked = _asked(use_case, spine, served.views)
    numbered = asked.with_row_index(_ROW)  # not every store of Feast's keeps the order of the rows
    job = served.store.get_historical_features(
        numbered.to_pandas(use_pyarrow_extension_array=True),  # which copies no text
        served.service,
        filter_by_created_timestamp=True,
    )
    rows = pl.DataFrame(job.to_arrow())
    ordered = rows if rows[_ROW].is_sorted() else rows.sort(_ROW)
    return asked, ordered.drop(numbered.columns)


@dataclass(frozen=True)
class Source:
    """The row of a feature table that a value comes from: when that happened and was known, UTC;
    None where nothing was known, or it had expired.
    """

    view: str
    happened: datetime | None
    known: datetime | None


def sources(use_case: UseCase, row: pl.DataFrame) -> dict[str, Source]:
    """Where `historical` takes each feature of one row of the spine from, by the same join."""
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

    served = store.served(use_case)
    feast, views = served.store, served.views
    names = [view.projection.name_to_use() for view in views]
    refs = [f"{name}:{time}" for name in names for time in (EVENT, CREATED)]
    asked = _asked(use_case, row, views).to_pandas()
    job = get_offline_store_from_config(feast.config.offline_store).get_historical_features(
        config=feast.config, feature_views=views, feature_refs=refs, entity_df=asked,
        registry=feast.registry, project=feast.project, full_feature_names=True,
        filter_by_created_timestamp=True,
    )  # fmt: skip
    times = pl.DataFrame(job.to_arrow()).row(0, named=True)
    return {
        feature.name: Source(name, times[f"{name}__{EVENT}"], times[f"{name}__{CREATED}"])
        for name, view in zip(names, views, strict=True)
        for feature in view.projection.features
    }


def training_set(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """The labelled rows predicted in [start, end), in order of prediction time: the spine, its
    features, the label and the time it was known, of labels known by `as_of`. NoRows if none is.
    """
    known = labels(use_case, start, end, as_of)
    if known.is_empty():
        raise NoRows(f"{use_case.name}: no label in [{start}, {end}) is known by {as_of}")
    asked = spine(use_case, start, end, as_of)
    labelled = asked.join(known, on=use_case.spine.key, how="semi", maintain_order="left")
    answers = known.select(*use_case.spine.key, use_case.label.column, use_case.label.known_time)
    return historical(use_case, labelled).join(
        answers, on=use_case.spine.key, how="left", maintain_order="left"
    )


def table_versions(use_case: UseCase) -> dict[str, int]:
    """The newest version of every raw and feature table that exists."""
    raw = [f"raw/{name}" for name in use_case.tables]
    return lake_of(use_case.name).versions(
        [*raw, *(f"features/{view}" for view in use_case.features.views)]
    )


class _Sources:
    """The raw tables of one refresh at fixed versions, opened once for all views."""

    def __init__(self, use_case: UseCase, lake: Lake, versions: Mapping[str, int]) -> None:
        self.versions = dict(versions)
        self.cut = cache(self._cut)
        self._raw = partial(raw_tables, use_case, versions=versions)
        self._times = {name: table.known_time for name, table in use_case.tables.items()}
        self._earliest_added = cache(lake.earliest_added)

    def dirty_from(self, built_of: Mapping[str, int]) -> datetime | None:
        """The earliest known time of the rows added since those versions; None if none was."""
        added = [
            self._earliest_added(f"raw/{name}", time, built_of.get(name), self.versions[name])
            for name, time in self._times.items()
        ]
        return min((time for time in added if time is not None), default=None)

    def _cut(self, start: datetime, end: datetime) -> list[Window]:
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
        folder = f"{folder_of(lake.root, (start, end))}/{view}" if cut[1:] else None
        same = {"view": view, "versions": sources.versions, "folder": folder}
        parts = each(_build, cut, use_case=use_case, **same)
        some = [part for part in parts if part.height] or parts[:1]
        lake.replace_window(table, some, CREATED, (start, end), note=made_of)
        if folder:
            clear(folder)


def _build(
    span: Window, use_case: UseCase, view: str, versions: Mapping[str, int], folder: str | None
) -> Part:
    """The rows of a view that became known in a span, put aside if there is a folder for them."""
    raw = raw_tables(use_case, span[1], versions)
    rows = getattr(_module(use_case), view)(raw, *span).collect()
    return make_part(span, rows, folder)


def _call(
    use_case: UseCase, function: str, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    rows: pl.LazyFrame = getattr(_module(use_case), function)(
        raw_tables(use_case, as_of), start, end
    )
    return rows.collect()


def _module(use_case: UseCase) -> ModuleType:
    return import_module(use_case.features.module)


def _asked(use_case: UseCase, spine: pl.DataFrame, views: Sequence[FeatureView]) -> pl.DataFrame:
    """The entity rows: the keys of the views, and the prediction time as Feast calls it."""
    keys = sorted({key for view in views for key in view.join_keys})
    return spine.select(*keys, pl.col(use_case.spine.time).alias(EVENT))


@task(task_run_name="refresh features", **STEADY)
def refresh_features(use_case: UseCase, as_of: datetime) -> dict[str, int]:
    """As `refresh`, seen by Prefect."""
    versions = refresh(use_case, as_of)
    get_run_logger().info("feature tables known by %s: %s", as_of, versions)
    return versions


@task(task_run_name="training set", cache_policy=NO_CACHE)
def build_training_set(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """As `training_set`, seen by Prefect."""
    rows = training_set(use_case, start, end, as_of)
    get_run_logger().info("%s labelled rows predicted in [%s, %s)", rows.height, start, end)
    return rows


@task(task_run_name="materialize features", **STEADY)
def materialize_features(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    """As `store.materialize` and `store.staleness`, seen by Prefect."""
    store.materialize(use_case, as_of)
    ages = store.staleness(use_case, as_of)
    for row in ages.filter("stale").iter_rows(named=True):
        get_run_logger().warning("%s is stale online: newest is %s", row["view"], row["newest"])
    return ages

"""Feature tables, kept up to date by the day, and point-in-time rows from them through Feast.

A feature table is a function of what was known: the rows known in a window are built at once and
replace the window in one commit, whose note says from which raw versions and up to when. So a
killed refresh is simply run again, and a raw row that comes late or corrects another rebuilds
what was known from its own known time on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import feast_store, join_cache
from tasks.features.raw_tables import CREATED, EVENT, import_feature_module, scan_raw_tables

if TYPE_CHECKING:
    from feast import FeatureView


_ROW = "row_asked_for"


def build_spine(use_case: UseCase, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
    """Who is predicted in [start, end), in order of prediction time: spine keys, entity keys, the
    prediction time and what is known with the request.
    """
    rows = _call(use_case, use_case.spine.function, start, end, as_of)
    return rows.sort(use_case.spine.time, *use_case.spine.key)


def build_labels(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """The labels known by `as_of` of what is predicted in [start, end): spine keys, prediction
    time, label (as a number: of classes the code of the one that the module names) and the time it
    was known. BadConfig if the module names a class that is none.
    """
    rows = _call(use_case, use_case.label.function, start, end, as_of)
    rows = rows.filter(pl.col(use_case.label.known_time) <= as_of)
    rows = rows.with_columns(problem_type_of(use_case).encode_labels(rows[use_case.label.column]))
    return rows.sort(use_case.spine.time, *use_case.spine.key)


def join_features(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame:
    """The spine with the features known at each row's prediction time: its rows, in its order.

    Rows that were joined before (join_cache.py) are not joined again.
    """
    before = join_cache.find_joined(use_case, spine)
    return spine.hstack(_join(use_case, spine)[1]) if before is None else before


def cache_joined_features(use_case: UseCase, spine: pl.DataFrame) -> None:
    """Join these rows, and keep them for every `historical` that asks for some of them."""
    keys, found = _join(use_case, spine)
    join_cache.keep_joined(use_case, keys.rename({EVENT: use_case.spine.time}), found)


def _join(use_case: UseCase, spine: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entity keys and time (as Feast calls it) of the rows, and their features, through Feast.

    Feast's registry is brought up to date first, here and not with `refresh`: `import feast` takes
    seconds, and ingest does without.
    """
    served = feast_store.open_served_features(use_case)
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
class FeatureSource:
    """The row of a feature table that a value comes from: when that happened and was known, UTC;
    None where nothing was known, or it had expired.
    """

    view: str
    happened: datetime | None
    known: datetime | None


def trace_features(use_case: UseCase, row: pl.DataFrame) -> dict[str, FeatureSource]:
    """Where `historical` takes each feature of one row of the spine from, by the same join."""
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

    served = feast_store.open_served_features(use_case)
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
        feature.name: FeatureSource(name, times[f"{name}__{EVENT}"], times[f"{name}__{CREATED}"])
        for name, view in zip(names, views, strict=True)
        for feature in view.projection.features
    }


def build_training_set(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """The labelled rows predicted in [start, end), in order of prediction time: the spine, its
    features, the label and the time it was known, of labels known by `as_of`. NoRows if none is.
    """
    known = build_labels(use_case, start, end, as_of)
    if known.is_empty():
        raise NoRows(f"{use_case.name}: no label in [{start}, {end}) is known by {as_of}")
    asked = build_spine(use_case, start, end, as_of)
    labelled = asked.join(known, on=use_case.spine.key, how="semi", maintain_order="left")
    answers = known.select(*use_case.spine.key, use_case.label.column, use_case.label.known_time)
    return join_features(use_case, labelled).join(
        answers, on=use_case.spine.key, how="left", maintain_order="left"
    )


def _call(
    use_case: UseCase, function: str, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    rows: pl.LazyFrame = getattr(import_feature_module(use_case), function)(
        scan_raw_tables(use_case, as_of), start, end
    )
    return rows.collect()


def _asked(use_case: UseCase, spine: pl.DataFrame, views: Sequence[FeatureView]) -> pl.DataFrame:
    """The entity rows: the keys of the views, and the prediction time as Feast calls it."""
    keys = sorted({key for view in views for key in view.join_keys})
    return spine.select(*keys, pl.col(use_case.spine.time).alias(EVENT))

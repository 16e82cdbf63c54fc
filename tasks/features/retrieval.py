"""Point-in-time retrieval through Feast: spine, labels, joined features, training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.features import feast_store, join_cache
from tasks.features.definitions import require_current_definitions
from tasks.features.feedback import add_feedback_labels
from tasks.features.raw_tables import CREATED, EVENT, import_feature_module, scan_raw_tables

if TYPE_CHECKING:
    from feast import FeatureView


def build_spine(
    use_case: UseCase,
    start: datetime,
    end: datetime,
    as_of: datetime,
    raw: Mapping[str, pl.LazyFrame] | None = None,
) -> pl.DataFrame:
    """Return the rows to predict in [start, end), in order of prediction time.

    Columns: spine keys, entity keys, prediction time and the inputs known with the request.

    Args:
        use_case: the use case.
        start: first prediction time.
        end: end of the prediction times.
        as_of: end of the knowledge.
        raw: raw tables to read; by default those known by `as_of`.
    """
    rows = _call_module(use_case, use_case.spine.function, start, end, as_of, raw)
    return rows.sort(use_case.spine.time, *use_case.spine.key)


@dataclass(frozen=True)
class KnownLabels:
    """The labels known at a moment, and the values that are no label, with their rows."""

    rows: pl.DataFrame
    other_values: dict[str, int]


def read_known_labels(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> KnownLabels:
    """Read the labels known by `as_of` of the rows predicted in [start, end).

    Columns: spine keys, prediction time, label (a number, or the code of its class) and the time
    it was known. A null, and a value that the problem type does not know, is no label: its row is
    left out. Labels of feedback count where the feature module knows none.
    """
    kind, label = problem_type_of(use_case), use_case.label.column
    rows = _call_module(use_case, use_case.label.function, start, end, as_of)
    rows = rows.filter(pl.col(use_case.label.known_time) <= as_of)

    def read_spine() -> pl.DataFrame:
        return build_spine(use_case, start, end, as_of)

    rows = add_feedback_labels(use_case, rows, (start, end), as_of, read_spine)
    labels = rows.with_columns(kind.encode_labels(rows[label])).drop_nulls(label)
    return KnownLabels(
        labels.sort(use_case.spine.time, *use_case.spine.key), kind.count_other_values(rows[label])
    )


def build_labels(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """Return the rows of `read_known_labels`."""
    return read_known_labels(use_case, start, end, as_of).rows


def join_features(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame:
    """Return the spine, in its order, with the features known at each row's prediction time.

    Rows in the join cache are not joined again.
    """
    cached = join_cache.read_joined_rows(use_case, spine)
    return spine.hstack(_join(use_case, spine)[1]) if cached is None else cached


def cache_joined_features(use_case: UseCase, spine: pl.DataFrame) -> None:
    """Join these rows and write them to the join cache."""
    keys, features = _join(use_case, spine)
    join_cache.save_joined_rows(use_case, keys.rename({EVENT: use_case.spine.time}), features)


def _join(use_case: UseCase, spine: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the entity rows of the spine, and their features from Feast."""
    # The Feast registry is updated here, not in the refresh: `import feast` takes seconds, and the
    # ingest flow does not need it.
    served = feast_store.open_served_features(use_case)
    entities = _select_entity_rows(use_case, spine, served.views)
    number = "__row"  # not every offline store of Feast keeps the order of the rows
    numbered = entities.with_row_index(number)
    job = served.store.get_historical_features(
        numbered.to_pandas(use_pyarrow_extension_array=True),  # copies no text
        served.service,
        filter_by_created_timestamp=True,
    )
    rows = pl.DataFrame(job.to_arrow())
    ordered = rows if rows[number].is_sorted() else rows.sort(number)
    return entities, ordered.drop(numbered.columns)


@dataclass(frozen=True)
class FeatureSource:
    """The row of a feature table that a value comes from, with its event and known time (UTC).

    The times are None if no row was known, or it had expired.
    """

    view: str
    event_time: datetime | None
    known_time: datetime | None


def trace_features(use_case: UseCase, row: pl.DataFrame) -> dict[str, FeatureSource]:
    """Return the source of each feature of one spine row, by the join of `join_features`."""
    times = read_source_times(use_case, row).row(0, named=True)
    views = {name: view for view, names in list_view_features(use_case).items() for name in names}
    return {
        name: FeatureSource(view, times[f"{view}__{EVENT}"], times[f"{view}__{CREATED}"])
        for name, view in views.items()
    }


def list_view_features(use_case: UseCase) -> dict[str, list[str]]:
    """Return the features of each view of the use case's service."""
    views = feast_store.open_served_features(use_case).views
    return {
        view.projection.name_to_use(): [feature.name for feature in view.projection.features]
        for view in views
    }


def list_join_keys(use_case: UseCase) -> list[str]:
    """Return the keys by which the views of the use case's service are joined."""
    views = feast_store.open_served_features(use_case).views
    return sorted({key for view in views for key in view.join_keys})


def read_source_times(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the event and known time of the feature row that each spine row joins, by view.

    Columns `<view>__event_timestamp` and `<view>__created_timestamp`, in the order of the rows;
    null if no row was known.
    """
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

    served = feast_store.open_served_features(use_case)
    feast, views = served.store, served.views
    names = [view.projection.name_to_use() for view in views]
    refs = [f"{name}:{time}" for name in names for time in (EVENT, CREATED)]
    number = "__row"
    entities = _select_entity_rows(use_case, rows, views).with_row_index(number).to_pandas()
    job = get_offline_store_from_config(feast.config.offline_store).get_historical_features(
        config=feast.config, feature_views=views, feature_refs=refs, entity_df=entities,
        registry=feast.registry, project=feast.project, full_feature_names=True,
        filter_by_created_timestamp=True,
    )  # fmt: skip
    return pl.DataFrame(job.to_arrow()).sort(number).drop(number)


def build_training_set(
    use_case: UseCase, start: datetime, end: datetime, as_of: datetime
) -> pl.DataFrame:
    """Return the labelled rows predicted in [start, end), in order of prediction time.

    Columns: the spine, its features, the label and the time it was known. Raises NoRows if no
    label is known by `as_of`, and BadConfig if a feature table is older than its view's definition.
    """
    require_current_definitions(use_case)
    known = build_labels(use_case, start, end, as_of)
    if known.is_empty():
        raise NoRows(
            f"{use_case.name}: no label in [{start}, {end}) is known by {as_of}. Ingest more data"
        )
    spine = build_spine(use_case, start, end, as_of)
    labelled = spine.join(known, on=use_case.spine.key, how="semi", maintain_order="left")
    labels = known.select(*use_case.spine.key, use_case.label.column, use_case.label.known_time)
    return join_features(use_case, labelled).join(
        labels, on=use_case.spine.key, how="left", maintain_order="left"
    )


def _call_module(
    use_case: UseCase,
    function: str,
    start: datetime,
    end: datetime,
    as_of: datetime,
    raw: Mapping[str, pl.LazyFrame] | None = None,
) -> pl.DataFrame:
    tables = scan_raw_tables(use_case, as_of) if raw is None else raw
    rows: pl.LazyFrame = getattr(import_feature_module(use_case), function)(tables, start, end)
    return rows.collect()


def _select_entity_rows(
    use_case: UseCase, spine: pl.DataFrame, views: Sequence[FeatureView]
) -> pl.DataFrame:
    """Return Feast's entity rows: the join keys of the views, and the prediction time."""
    keys = sorted({key for view in views for key in view.join_keys})
    return spine.select(*keys, pl.col(use_case.spine.time).alias(EVENT))

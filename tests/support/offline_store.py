"""Another offline store of Feast's than ours: every pair of rows, from Parquet files, in any order.

It stands for what a team has already: named in feature_store.yaml, with sources of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
import polars as pl
from feast import FeatureView, FileSource
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.repo_config import FeastConfigBaseModel

from feature_repo.retrieval_job import AsofRetrievalJob

EVENT, CREATED = "event_timestamp", "created_timestamp"


class PairsOfflineStoreConfig(FeastConfigBaseModel):
    type: Literal["tests.support.offline_store.PairsOfflineStore"] = (
        "tests.support.offline_store.PairsOfflineStore"
    )


class PairsOfflineStore(OfflineStore):
    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        *,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool,
        **_others: Any,
    ) -> AsofRetrievalJob:
        assert filter_by_created_timestamp
        asked = pl.from_pandas(entity_df).with_columns(pl.col(EVENT).dt.cast_time_unit("us"))
        found = asked
        for view in feature_views:
            name = view.projection.name_to_use()
            wanted = [ref.split(":")[1] for ref in feature_refs if ref.split(":")[0] == name]
            prefix = f"{name}__" if full_feature_names else ""
            rows = _known(view, asked).select(
                "_place", *(pl.col(f"{each}_of" if each in (EVENT, CREATED) else each)
                            .alias(f"{prefix}{each}") for each in wanted)
            )  # fmt: skip
            found = found.with_row_index("_place").join(rows, on="_place", how="left")
            found = found.sort("_place").drop("_place")
        return AsofRetrievalJob(lambda: found.sample(fraction=1, shuffle=True, seed=3))


def _known(view: FeatureView, asked: pl.DataFrame) -> pl.DataFrame:
    """The newest row known at each asked time, by its place."""
    source = view.batch_source
    assert isinstance(source, FileSource)
    rows = pl.read_parquet(source.path).rename({EVENT: f"{EVENT}_of", CREATED: f"{CREATED}_of"})
    event, time = pl.col(f"{EVENT}_of"), pl.col(EVENT)
    alive = event >= time - view.ttl if view.ttl else pl.lit(value=True)
    return (
        asked.with_row_index("_place")
        .select("_place", EVENT, *view.join_keys)
        .join(rows, on=view.join_keys)
        .filter(event <= time, pl.col(f"{CREATED}_of") <= time)
        .sort(f"{EVENT}_of", f"{CREATED}_of")
        .unique("_place", keep="last")
        .filter(alive)
    )

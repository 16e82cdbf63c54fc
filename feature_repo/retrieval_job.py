"""Lazy result of Feast's offline retrieval: polars rows as Arrow, pandas or a saved dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from feast import OnDemandFeatureView, RepoConfig
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata

from feature_repo.delta_writes import SavedDatasetDeltaStorage, save_rows
from feature_repo.feast_types import to_feast_arrow


class AsofRetrievalJob(RetrievalJob):  # type: ignore[misc]
    """Lazy result of a retrieval; `to_arrow` and `to_df` read the tables."""

    def __init__(
        self,
        collect: Callable[[], pl.DataFrame],
        *,
        config: RepoConfig | None = None,
        full_feature_names: bool = False,
        on_demand: Sequence[OnDemandFeatureView] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._collect = collect
        self._config = config
        self._full_feature_names = full_feature_names
        self._on_demand = list(on_demand)
        self._metadata = metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        return to_feast_arrow(self._collect())

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(
        self,
        storage: Any,  # noqa: ANN401
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the result as a saved dataset, in one commit of the lake."""
        if not isinstance(storage, SavedDatasetDeltaStorage):
            raise TypeError(
                f"storage is {type(storage).__name__}; this store saves datasets in the lake only: "
                "use feature_repo.SavedDatasetDeltaStorage(table=…)"
            )
        rows = pl.DataFrame(self.to_arrow(timeout=timeout))
        save_rows(self._config, storage.table_in_lake, rows, overwrite=allow_overwrite)

    @property
    def full_feature_names(self) -> bool:
        """Return whether feature names include their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Return the views that Feast computes on the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Return the requested features and keys."""
        return self._metadata

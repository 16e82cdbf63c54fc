"""Feast's provider: a push goes online and to the lake, or to neither."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
from feast import PushSource
from feast.infra.passthrough_provider import PassthroughProvider

from feature_repo.delta import DeltaSource
from feature_repo.delta_writes import require_fit


class LakeProvider(PassthroughProvider):  # type: ignore[misc]
    """Checks pushed rows against the lake's table before they are published.

    Feast writes a push online first. A row that the lake then refuses would be online only.
    """

    def ingest_df(self, feature_view: Any, df: pd.DataFrame, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Publish rows online, if the lake would take those of a push source."""
        self._require_fit(feature_view, df)
        super().ingest_df(feature_view, df, *args, **kwargs)

    async def ingest_df_async(
        self,
        feature_view: Any,  # noqa: ANN401
        df: pd.DataFrame,
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Publish rows online, if the lake would take those of a push source."""
        self._require_fit(feature_view, df)
        await super().ingest_df_async(feature_view, df, *args, **kwargs)

    def _require_fit(self, feature_view: Any, df: pd.DataFrame) -> None:  # noqa: ANN401
        is_pushed = isinstance(getattr(feature_view, "stream_source", None), PushSource)
        source = getattr(feature_view, "batch_source", None)
        if is_pushed and isinstance(source, DeltaSource):
            require_fit(self.repo_config, source.table_in_lake, pl.from_pandas(df))

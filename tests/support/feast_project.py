"""A Feast project on the lake's offline store, with tables of the test's own."""

from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake
from feast import FeatureStore, RepoConfig

from feature_repo.delta import DeltaSource


class FeastProject:
    """A registry, an online store and a lake in one folder."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.store = FeatureStore(
            config=RepoConfig(
                project="own", provider="feature_repo.provider.LakeProvider",
                registry={"registry_type": "sql", "path": f"sqlite:///{folder}/registry.db"},
                online_store={"type": "sqlite", "path": str(folder / "online.db")},
                offline_store={
                    "type": "feature_repo.asof.AsofOfflineStore", "lake": str(self.lake),
                },
                entity_key_serialization_version=3, repo_path=folder,
            )
        )  # fmt: skip

    def source(self, table: str, rows: pl.DataFrame, **declared: Any) -> DeltaSource:
        """Write a table, and return it as a source."""
        write_deltalake(
            str(self.lake / "own" / table), rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        )
        return DeltaSource(name=table, table=table, **declared)

    def read(self, table: str) -> pl.DataFrame:
        """The rows of a table."""
        return pl.read_delta(str(self.lake / "own" / table))

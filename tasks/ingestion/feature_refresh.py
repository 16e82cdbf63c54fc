"""Refresh of the feature tables that keeps the values that the champion reads.

The tables are built by `features/refresh`; the columns come from the champion's card.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.features.champion_columns import ChampionColumns
from tasks.features.feast_store import collect_feature_objects
from tasks.features.raw_tables import LATEST, import_feature_module, scan_raw_tables
from tasks.features.refresh import refresh_tables
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import find_champion
from tasks.models.card import ModelCard
from tasks.models.registry import open_model


def refresh_features(use_case: UseCase, as_of: datetime) -> dict[str, int]:
    """Refresh the feature tables up to `as_of`, late raw rows included; return their versions.

    A table that is built further than `as_of` is not cut. Commits nothing where nothing changed.
    Raises NoRows if a raw table has no data yet, and BadConfig if a view changed and the champion
    would read other values.
    """
    return refresh_tables(use_case, as_of, find_champion_columns)


def find_champion_columns(use_case: UseCase) -> dict[str, ChampionColumns]:
    """Return what the champion reads of each feature table, by view; empty without a champion.

    Raises BadConfig if its feature service or an input of it is no longer defined.
    """
    champion = find_champion(open_ledger().entries(use_case.name))
    if champion is None or champion.version is None:
        return {}
    card = open_model(use_case.name, champion.version).card
    objects = collect_feature_objects(use_case)
    service = next((s for s in objects.feature_services if s.name == card.feature_service), None)
    parts = service.feature_view_projections if service else []
    inputs = card.inputs.inputs
    read = {part.name: [f.name for f in part.features if f.name in inputs] for part in parts}
    served = {name for names in read.values() for name in names}
    _require_inputs(use_case, card, champion.version, served if service else None)
    keys = {view.name: tuple(view.join_keys) for view in objects.feature_views}
    return {
        view: ChampionColumns(champion.version, keys[view], tuple(names))
        for view, names in read.items()
        if names
    }


def _require_inputs(
    use_case: UseCase, card: ModelCard, version: int, served: set[str] | None
) -> None:
    """Raise BadConfig unless service and spine have the champion's inputs.

    Args:
        use_case: the use case.
        card: the champion's card.
        version: the champion.
        served: features of its service; None if the service is not defined.
    """
    reader = f"{use_case.name}: champion version {version} reads"
    way_out = (
        "Restore the old definition, and give the new one a view and a feature service of its own, "
        "until another version is champion (docs/your-own.md, Change a view)"
    )
    if served is None:
        raise BadConfig(
            f"{reader} feature service {card.feature_service!r}, which the module `views` does not "
            f"define. {way_out}"
        )
    missing = [name for name in card.inputs.inputs if name not in served]
    if missing:
        spine = getattr(import_feature_module(use_case), use_case.spine.function)
        rows: pl.LazyFrame = spine(scan_raw_tables(use_case, LATEST), LATEST, LATEST)
        missing = [name for name in missing if name not in rows.collect_schema()]
    if missing:
        raise BadConfig(
            f"{reader} {', '.join(missing)}, which neither feature service "
            f"{card.feature_service!r} nor {use_case.spine.function}() has. {way_out}"
        )

"""Columns of the feature tables that the champion reads, and whether a rebuild keeps their values.

A changed view is rebuilt in history only if the champion cannot notice it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from polars import selectors as cs

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.features.feast_store import collect_feature_objects
from tasks.features.raw_tables import (
    CREATED,
    EVENT,
    LATEST,
    import_feature_module,
    scan_raw_tables,
)

if TYPE_CHECKING:
    from tasks.models.card import ModelCard


@dataclass(frozen=True)
class ChampionColumns:
    """The columns of one feature table that a champion reads, with the keys of the view."""

    version: int
    keys: tuple[str, ...]
    features: tuple[str, ...]


def find_champion_columns(use_case: UseCase) -> dict[str, ChampionColumns]:
    """Return what the champion reads of each feature table, by view; empty without a champion.

    Raises BadConfig if its feature service or an input of it is no longer defined.
    """
    from tasks.ledger.log import open_ledger
    from tasks.ledger.projections import find_champion
    from tasks.models.registry import open_model

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
    who = f"{use_case.name}: champion version {version} reads"
    way_out = (
        "Restore the old definition, and give the new one a view and a feature service of its own, "
        "until another version is champion (docs/your-own.md, Change a view)"
    )
    if served is None:
        raise BadConfig(
            f"{who} feature service {card.feature_service!r}, which the module `views` does not "
            f"define. {way_out}"
        )
    missing = [name for name in card.inputs.inputs if name not in served]
    if missing:
        spine = getattr(import_feature_module(use_case), use_case.spine.function)
        rows: pl.LazyFrame = spine(scan_raw_tables(use_case, LATEST), LATEST, LATEST)
        missing = [name for name in missing if name not in rows.collect_schema()]
    if missing:
        raise BadConfig(
            f"{who} {', '.join(missing)}, which neither feature service {card.feature_service!r} "
            f"nor {use_case.spine.function}() has. {way_out}"
        )


def require_same_values(
    use_case: UseCase, view: str, columns: ChampionColumns, old: pl.DataFrame, new: pl.DataFrame
) -> None:
    """Raise BadConfig if the champion would read other values from `new` rows than from `old`.

    Args:
        use_case: the use case of the view.
        view: the view whose definition changed.
        columns: what the champion reads of it.
        old: rows of the feature table.
        new: rows of the same span by the new definition.
    """
    lost = [name for name in columns.features if name not in new.columns]
    if lost:
        change = f"the new definition does not return {', '.join(lost)}"
    else:
        count = _count_changed(old, new, (*columns.keys, *columns.features, EVENT, CREATED))
        change = f"{count} of {old.height} rows would change" if count else ""
    if change:
        raise BadConfig(
            f"features/{view}: the definition of {view}() changed, and champion version "
            f"{columns.version} reads {', '.join(columns.features)} from it: {change}. Restore "
            f"{view}() and give the new definition a view and a feature service of its own, "
            "until another version is champion (docs/your-own.md, Change a view). Or let the "
            f"champion read the new values: mainspring rebuild {use_case.name} {view} --reason …"
        )


def _count_changed(old: pl.DataFrame, new: pl.DataFrame, names: Sequence[str]) -> int:
    """Count the rows that only one of two frames has.

    Numbers are rounded: sums in another order differ in their last digits.
    """
    numbers = cs.numeric().cast(pl.Float64).round(9).round_sig_figs(6)
    before, after = (
        rows.select(name for name in names if name in rows.columns).with_columns(numbers)
        for rows in (old, new)
    )
    if before.schema != after.schema:
        return max(before.height, after.height)
    lost = before.join(after, on=before.columns, how="anti", nulls_equal=True)
    added = after.join(before, on=before.columns, how="anti", nulls_equal=True)
    return max(lost.height, added.height)

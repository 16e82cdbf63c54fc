"""Preparation of a rehearsal: the champion's judged days, and the champion before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from configs.schema.use_case import UseCase
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import require_champion
from tasks.ledger.state import read_ledger_state
from tasks.models.registry import Model, open_model
from tasks.monitoring.limits.judged_rows import read_judged_rows
from tasks.monitoring.limits.renewal import find_rule_limits
from tasks.rehearsal.day_pool import DayPool, build_day_pool


@dataclass(frozen=True)
class PreparedRehearsal:
    """The days of a rehearsal, and the champion before, which was not fitted on them."""

    pool: DayPool
    earlier: Model | None


def prepare_rehearsal(use_case: UseCase, version: int | None, as_of: datetime) -> PreparedRehearsal:
    """Read and predict the judged days of a version, by default of the champion.

    The model has the limits that are in force.

    Raises:
        NoChampion: no version is given, and there is no champion.
        NoRows: there are too few judged days.
    """
    ledger = read_ledger_state(open_ledger(), use_case.name)
    past = ledger.at(as_of)
    if version is None:
        version = require_champion(past.entries, use_case.name).version
    assert version is not None
    model = open_model(use_case.name, version)
    limits = find_rule_limits(model, past.entries)
    model = replace(model, card=model.card.model_copy(update={"limits": limits}))
    pool = build_day_pool(read_judged_rows(use_case, past.entries, model, as_of))
    earlier = [e.version for e in past.standing_promotions if (e.version or 0) < version]
    before = open_model(use_case.name, earlier[-1]) if earlier and earlier[-1] else None
    return PreparedRehearsal(pool, before if _can_compare(model, before) else None)


def _can_compare(model: Model, before: Model | None) -> bool:
    """Return whether the champion before has the same inputs and saw none of the days."""
    if before is None:
        return False
    start = model.card.fitted_until or model.card.trained_until
    own, other = model.card.inputs, before.card.inputs
    has_equal_inputs = (own.numeric, own.categorical) == (other.numeric, other.categorical)
    return has_equal_inputs and before.card.trained_until <= start

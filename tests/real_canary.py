"""Real flights in the lake, version 1 as champion and version 2, of the same file, in a canary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from configs import s3
from configs.policy import Canary
from configs.settings import settings
from configs.use_case import Split, UseCase, load_use_case
from tasks import features, registry
from tasks.card import make_card
from tasks.export import export_fitted
from tasks.ledger import Entry, ledger
from tasks.rollout import begin
from tasks.training import fit_candidate, training_parts
from tests import real_lake

AS_OF = datetime(2013, 1, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def use_case() -> UseCase:
    """Flights with score windows of four hours, and a third of them for version 2."""
    case = load_use_case("flights")
    shares = Canary(shares=(0.3,), unit=("carrier", "flight", "origin"))
    split = Split(validation=4 * DAY, holdout=4 * DAY, min_rows=1000)
    often = case.schedules.model_copy(update={"score_window": DAY / 6})
    return case.model_copy(update={"split": split, "rollout": shares, "schedules": often})


def prepare(case: UseCase) -> None:
    """Fill the settings' lake up to two days after AS_OF, and register and promote."""
    real_lake.land(case, AS_OF - 23 * DAY, AS_OF + 2 * DAY)
    features.refresh(case, AS_OF + 2 * DAY)
    rows = features.training_set(case, AS_OF - 14 * DAY, AS_OF, AS_OF)
    parts = training_parts(case, rows, AS_OF)
    fitted = fit_candidate(case, "logistic", parts)
    exported = export_fitted(case, fitted, parts)
    card = make_card(case, parts, [fitted], exported, {})
    golden = registry.golden_rows(exported, parts)
    for version in (1, 2):
        registry.register(case.name, exported.onnx, card, golden, f"train:{version}")
    for what, version, evidence in (
        ("promoted", 1, {}),
        ("rollout_started", 2, begin(case, 1)),
    ):
        at = AS_OF - DAY / version
        ledger().record(Entry(case.name, what, f"{what}:{version}", at, "test", version, evidence))


def forget() -> None:
    """Read the variables again."""
    settings.cache_clear()
    ledger.cache_clear()
    s3.file_system.cache_clear()
    registry._open.cache_clear()

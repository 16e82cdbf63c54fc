"""Facts of a model for its pages: ledger, measurements, arrivals, cards and files of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.feedback import read_feedback
from tasks.ledger.log import open_ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.model_cards.page import card_address
from tasks.models.card import ModelCard
from tasks.monitoring.freshness import Arrivals, find_arrival
from tasks.monitoring.measurements import read_measurements
from tasks.storage import files
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import open_lake

ARRIVALS = ("landed", "labelled", "scored", "monitored")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The moment of facts where nothing is known, and no run asks."""
_USUAL_DEADLINE = timedelta(days=7)  # where none is configured: how far back to look first


@dataclass(frozen=True)
class ModelFacts:
    """What is known of one model.

    Attributes:
        use_case: the YAML.
        moment: the newest moment that anything is known of.
        ledger: the folded ledger.
        measured: all rows of the monitoring table.
        latest: the newest row, label, prediction and monitored window.
        cards: model cards by version; those that were never published are missing.
        landed: records of the landed files.
        reports: paths of the report files below the folder of the use case.
        feedback: what callers said of predictions, as `read_feedback` returns it.
    """

    use_case: UseCase
    moment: datetime
    ledger: LedgerState
    measured: pl.DataFrame
    latest: Arrivals
    cards: Mapping[int, ModelCard]
    landed: pl.DataFrame
    reports: Sequence[str]
    feedback: pl.DataFrame = field(default_factory=pl.DataFrame)


def read_model_facts(use_case: UseCase, as_of: datetime) -> ModelFacts:
    """Read everything that a model's pages show; nothing is written.

    Args:
        use_case: the use case.
        as_of: the earliest moment of the facts. They are as of the newest moment that is known.
    """
    ledger = read_ledger_state(open_ledger(), use_case.name)
    measured = read_measurements(open_lake(use_case.name), None)
    last = measured["as_of"].max()
    moments = [as_of, *(e.at for e in ledger.entries)]
    moment = max([*moments, last] if isinstance(last, datetime) else moments)
    return ModelFacts(
        use_case=use_case,
        moment=moment,
        ledger=ledger,
        measured=measured,
        latest=_find_arrivals(use_case, moment),
        cards=_read_cards(use_case, ledger),
        landed=read_file_records(use_case),
        reports=_list_reports(use_case),
        feedback=read_feedback(use_case, moment) if use_case.serving else pl.DataFrame(),
    )


def _find_arrivals(use_case: UseCase, moment: datetime) -> Arrivals:
    spans = use_case.deadlines.spans
    arrivals = {
        source: find_arrival(use_case, source, moment, spans.get(source, _USUAL_DEADLINE))
        for source in ARRIVALS
    }
    return {source: at for source, at in arrivals.items() if at is not None}


def _read_cards(use_case: UseCase, ledger: LedgerState) -> dict[int, ModelCard]:
    versions = {e.version for e in ledger.entries if e.version is not None}
    addresses = {version: card_address(use_case.name, version) for version in sorted(versions)}
    return {
        version: ModelCard.model_validate_json(files.read_file(address))
        for version, address in addresses.items()
        if files.file_exists(address)
    }


def _list_reports(use_case: UseCase) -> list[str]:
    """Return the paths of the model's pages and pictures; Data Docs have one page to link to."""
    folder = f"{settings().reports}/{use_case.name}"
    return sorted(
        f"{part}/{file.path}"
        for part in ("models", "monitor", "validation")
        for file in files.list_files(f"{folder}/{part}")
    )

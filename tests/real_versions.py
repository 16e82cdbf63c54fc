"""Versions of models of real flights, and what the flows do with them, by the tasks' functions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.use_case import UseCase
from tasks import features, registry
from tasks.card import make_card
from tasks.export import export_fitted
from tasks.lake import lake_of
from tasks.ledger import Entry, What, ledger
from tasks.predictions import PREDICTIONS, SHADOWS, Window, write
from tasks.promotion import Decision, gate_table
from tasks.scoring import Scored, casts_in, score
from tasks.training import Parts, fit_candidate, training_parts
from tests import real_lake
from tests.state import forget

NAME = "flights"


def trained_on(
    use_case: UseCase, as_of: datetime, until: datetime, landed: timedelta, trained: timedelta
) -> Parts:
    """The rows of `trained` before a moment, in parts; the lake holds what landed, until later."""
    real_lake.land(use_case, as_of - landed, until)
    features.refresh(use_case, until)
    rows = features.training_set(use_case, as_of - trained, as_of, as_of)
    return training_parts(use_case, rows, as_of)


def register(
    use_case: UseCase, name: str, parts: Parts, origins: Sequence[object],
    tables: dict[str, int] | None = None,
) -> None:  # fmt: skip
    """Fit a candidate and register it, a version an origin."""
    fitted = fit_candidate(use_case, name, parts)
    exported = export_fitted(use_case, fitted, parts)
    card = make_card(use_case, parts, [fitted], exported, tables or {})
    golden = registry.golden_rows(exported, parts)
    for origin in origins:
        registry.register(use_case.name, exported.onnx, card, golden, f"train:{origin}")


def begin_anew(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A ledger of the test's own, and nothing scored yet."""
    monkeypatch.setenv("MAINSPRING_LEDGER_URL", f"sqlite:///{folder}/ledger.db")
    forget()
    for table in (PREDICTIONS, SHADOWS, "monitoring"):
        shutil.rmtree(lake_of(NAME).uri(table), ignore_errors=True)


def tell(what: What, at: datetime, version: int, **evidence: Any) -> None:
    ledger().record(Entry(NAME, what, f"{what}:{version}", at, "test", version, evidence))


def answered(use_case: UseCase, window: Window, run: str = "run 1") -> list[Scored]:
    return [score(use_case, cast, window[1], run) for cast in casts_in(use_case, window)]


def saved(use_case: UseCase, window: Window, run: str = "run 1") -> list[Scored]:
    """Score a window as the flow does."""
    found = answered(use_case, window, run)
    write(use_case, SHADOWS, pl.concat(each.shadows for each in found), window)
    write(use_case, PREDICTIONS, pl.concat(each.used for each in found), window)
    return found


def held(table: str, *order: str) -> pl.DataFrame:
    """What a table of answers holds, in order of prediction time."""
    return lake_of(NAME).scan(table).collect().sort("prediction_time", *order)


def verdicts(decision: Decision) -> dict[str, str]:
    return {line["gate"]: line["verdict"] for line in gate_table(decision.evidence)}

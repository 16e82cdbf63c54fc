"""Finished policies of a replay: predictions of real flights, as sharp as asked for."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl

from configs.schema.loading import load_use_case
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.replay.run import Replay
from tasks.storage.lake import Lake
from tests.support.flights import january

START = datetime(2013, 1, 1, tzinfo=UTC)
CASE = load_use_case("flights")
CASE = CASE.model_copy(update={"gate": CASE.gate.model_copy(update={"resamples": 1000})})
SHARPNESS = {"sharp": 0.35, "twin": 0.35, "blunt": 0.1, "mute": None}


def finish_policy(finished_replay: Replay, name: str, sharpness: float | None) -> None:
    place = finished_replay.place_of(name)
    (place / "state").mkdir(parents=True)
    (place / "progress.json").write_text(json.dumps({"done": 1, "seconds": {"score": 36.0}}))
    book = Ledger(f"sqlite:///{place / 'state' / 'ledger.db'}")
    events: tuple[EntryKind, ...] = ("candidate_registered", "promoted", "candidate_registered")
    for number, what in enumerate(events):
        evidence = {"reason": "as told"}
        book.record(Entry("flights", what, f"{what}{number}", START, "test", number, evidence))
    if sharpness is None:
        return
    noise = np.random.default_rng(1).uniform(0, 0.5, january().height)
    rows = (
        january()
        .select(*CASE.spine.key, "prediction_time")
        .with_columns(probability=pl.Series(noise) + sharpness * january()["late"], model_version=1)
    )
    rows = rows.with_columns(decision=pl.col("probability") >= 0.4)
    Lake(str(place / "state" / "lake" / "flights")).append_once("predictions", {"all": rows})

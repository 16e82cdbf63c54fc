"""Requests that a bundle logged elsewhere land as JSON lines, and are predictions like others."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from configs.schema.request_table import name_request_case
from configs.settings import settings
from tasks.models.artifact import read_golden_inputs
from tasks.models.registry import open_model
from tasks.rollout.prediction_log import REQUEST_ID
from tasks.storage.logged_requests import scan_requests
from tests.support.bundles import load_handler, write_bundle
from tests.support.parcel_rows import APRIL, HOUR, parcel_rows
from tests.support.served_case import NOW, served_case
from tests.support.served_requests import ingest_requests

pytestmark = pytest.mark.system
ASKED = (NOW - HOUR).isoformat(timespec="microseconds")


def test_requests_of_a_bundle_are_ingested_once(tmp_path: Path) -> None:
    with served_case(tmp_path / "case", log={}) as parcels:
        model = open_model(parcels.name, 1)
        folder = write_bundle(tmp_path / "bundle", parcels.use_case, model)
        inputs = (
            read_golden_inputs(model.golden).select(model.card.inputs.inputs).row(0, named=True)
        )
        names = parcel_rows(APRIL)["parcel"].to_list()[:5]
        opened = load_handler(folder).Bundle(folder, tmp_path / "log")
        rows = [inputs | {"parcel": name} for name in names]
        answers = opened.predict(rows, request_id="elsewhere")
        opened.close()
        landing = Path(settings().landing) / name_request_case(parcels.name) / "requests"
        landing.mkdir(parents=True)
        for path in (tmp_path / "log").iterdir():  # logged years later than the parcels were sent
            lines = [json.loads(line) | {"moment": ASKED} for line in path.read_text().splitlines()]
            (landing / path.name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        for _ in range(2):
            ingest_requests(parcels.use_case, NOW)
        logged = scan_requests(parcels.use_case).collect().sort("row")
        assert logged["row"].to_list() == [0, 1, 2, 3, 4]
        assert [json.loads(keys)["parcel"] for keys in logged["keys"]] == names
        used = parcels.predictions().filter(pl.col(REQUEST_ID) == "elsewhere")
        predicted = dict(used.select("parcel", "probability").iter_rows())
        assert [predicted[name] for name in names] == [a["probability"] for a in answers]

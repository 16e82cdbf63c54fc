"""Versions in a real MLflow, on SQLite and PostgreSQL: once per origin, ONNX and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from configs.errors import BadModel
from tasks.model_cards.registration import register_candidate
from tasks.model_cards.text import render_card, render_card_summary
from tasks.models import registry
from tasks.models.artifact import ModelArtifact
from tasks.models.card import ModelCard
from tasks.models.matrix import build_matrix
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.mlflow.versions import find_equal_version, find_version
from tasks.models.registry import (
    open_model,
    predict,
    read_alias,
    set_alias,
)
from tasks.training.fit import fit_candidate, split_training_rows
from tasks.training.onnx_export import export_candidate
from tasks.training.pipeline import FittedModel, build_artifact
from tests.support.flights import END, january, quick_use_case
from tests.support.model_files import version_files_of
from tests.support.postgres import Postgres
from tests.support.state import state as lies_in

USE_CASE = quick_use_case()


@dataclass
class TrainedCandidate:
    """A candidate that is ready to be registered."""

    model: FittedModel
    artifact: ModelArtifact

    @property
    def card(self) -> ModelCard:
        return self.artifact.card

    def register(self, origin: str) -> int:
        return register_candidate(self.artifact, origin)


@pytest.fixture(scope="module", autouse=True, params=["sqlite", "postgresql"])
def state(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """One MLflow for this module and kind of database: making one takes seconds."""
    folder, variables = tmp_path_factory.mktemp("state"), {}
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        variables = {"MAINSPRING_MLFLOW_URI": server.database("mlflow")}
    with lies_in(folder, variables):
        yield folder


@pytest.fixture(scope="module")
def trained() -> TrainedCandidate:
    parts = split_training_rows(USE_CASE, january(), END)
    fitted = fit_candidate(USE_CASE, "logistic", parts)
    model = FittedModel(parts, [fitted], export_candidate(USE_CASE, fitted, parts))
    tables = {"raw/schedules": 3, "features/tail": 7}
    return TrainedCandidate(model, build_artifact(USE_CASE, model, tables))


@pytest.fixture(autouse=True)
def forget() -> None:
    """Opened models are kept for a process; each test opens the files anew."""
    registry._open.cache_clear()


def test_a_version_opens_and_answers_as_it_was_exported(trained):
    version = trained.register("train:2013-01-21")
    model = open_model(USE_CASE.name, version)
    assert model.card == trained.card
    assert model.version == version
    matrix = build_matrix(trained.model.parts.holdout, model.card.inputs)
    theirs = trained.model.exported.fitted.predict(matrix)
    np.testing.assert_allclose(
        predict(model, trained.model.parts.holdout), theirs, rtol=0, atol=1e-6
    )


def test_a_version_brings_what_proves_it_again(trained):
    model = open_model(USE_CASE.name, trained.register("train:2013-01-21"))
    assert sha256(model.onnx).hexdigest() == model.card.digest
    theirs = trained.model.exported.fitted.predict(build_matrix(model.golden, model.card.inputs))
    np.testing.assert_array_equal(model.golden["fitted"], theirs)


def test_what_mlflow_shows(trained):
    client = connect_mlflow()
    found = client.get_model_version(USE_CASE.name, str(trained.register("train:shown")))
    assert found.tags["digest"] == trained.card.digest
    assert found.tags["trained_until"] == trained.card.trained_until.isoformat()
    assert trained.card.title in found.description
    run = client.get_run(found.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["holdout_roc_auc"] == pytest.approx(trained.card.holdout["roc_auc"])
    assert run.data.params["C"] == "0.1"
    inputs = {d.dataset.name: d.dataset.digest for d in run.inputs.dataset_inputs}
    assert inputs == {"raw/schedules": "v3", "features/tail": "v7"}


def test_an_origin_is_registered_once(trained):
    first = trained.register("alert:episode:drift:2013-02-01")
    assert trained.register("alert:episode:drift:2013-02-01") == first
    assert find_version(USE_CASE.name, "alert:episode:drift:2013-02-01") == first
    assert trained.register("train:another") > first


def test_the_same_training_for_another_origin_is_the_same_version(trained):
    version = trained.register("train:2013-01-21")
    assert find_version(USE_CASE.name, "alert:the-same") is None
    assert find_equal_version(trained.card, "alert:the-same") == version
    assert find_version(USE_CASE.name, "alert:the-same") == version
    later = trained.card.trained_until + timedelta(days=1)
    other = trained.card.model_copy(update={"trained_until": later})
    assert find_equal_version(other, "alert:later") is None
    assert find_version(USE_CASE.name, "alert:later") is None


def test_nothing_stored_is_a_pickle(trained):
    version = trained.register("train:2013-01-21")
    stored = [
        path for path in version_files_of(USE_CASE.name, version).rglob("*") if path.is_file()
    ]
    assert {p.name for p in stored} >= {"model.onnx", "card.json", "card.md", "golden.parquet"}
    assert not [p for p in stored if p.suffix in (".pkl", ".pickle", ".joblib", ".npy")]
    assert not [p for p in stored if p.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")]


def test_a_changed_file_is_refused(trained):
    version = trained.register("train:tampered")
    path = version_files_of(USE_CASE.name, version) / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BadModel, match=rf"version {version}: sha256 of model\.onnx"):
        open_model(USE_CASE.name, version)


def test_a_file_and_card_swapped_together_still_break_the_tag(trained):
    version = trained.register("train:swapped")
    card = version_files_of(USE_CASE.name, version) / "extra_files" / "card.json"
    other = trained.artifact.onnx + b"\n"
    (version_files_of(USE_CASE.name, version) / "model.onnx").write_bytes(other)
    card.write_text(card.read_text().replace(trained.card.digest, sha256(other).hexdigest()))
    with pytest.raises(BadModel, match="MLflow's tag has"):
        open_model(USE_CASE.name, version)


def test_a_model_that_answers_differently_is_refused(trained):
    version = trained.register("train:golden")
    path = version_files_of(USE_CASE.name, version) / "extra_files" / "golden.parquet"
    golden = pl.read_parquet(path)
    golden.with_columns(pl.col("answer") + 1e-3).write_parquet(path)
    with pytest.raises(BadModel, match=r"sha256 of golden\.parquet"):
        open_model(USE_CASE.name, version)
    name, number = USE_CASE.name, str(version)
    connect_mlflow().delete_model_version_tag(name, number, "golden_digest")  # as older ones
    with pytest.raises(BadModel, match="golden rows differently"):
        open_model(USE_CASE.name, version)


def test_missing_files_and_versions_are_named(trained):
    version = trained.register("train:missing")
    (version_files_of(USE_CASE.name, version) / "model.onnx").unlink()
    with pytest.raises(BadModel, match=r"model\.onnx not found"):
        open_model(USE_CASE.name, version)
    with pytest.raises(BadModel, match="version 999 not found"):
        open_model(USE_CASE.name, 999)


def test_the_alias_follows(trained):
    first, second = trained.register("train:2013-01-21"), trained.register("train:another")
    assert read_alias("nobody") is None
    for version in (first, second):
        set_alias(USE_CASE.name, "champion", version)
        assert read_alias(USE_CASE.name) == version


def test_the_card_reads_well(trained):
    text = render_card(trained.card)
    assert trained.card.title in text
    assert "| raw/schedules | 3 |" in text
    assert trained.card.digest in text
    assert len(render_card_summary(trained.card)) < 5000
    again = ModelCard.model_validate_json(trained.card.model_dump_json())
    assert again == trained.card


def test_a_card_keeps_what_could_not_be_measured(trained):
    holdout = {**trained.card.holdout, "roc_auc": float("nan")}
    card = trained.card.model_copy(update={"holdout": holdout})
    assert np.isnan(ModelCard.model_validate_json(card.model_dump_json()).holdout["roc_auc"])

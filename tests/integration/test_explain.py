"""Explanations of predicted rows, and versions made again from their cards."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from configs.errors import BadModel
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import ROOT, settings
from flows.cli.app import app
from tasks.features import feast_store, raw_tables, retrieval
from tasks.ingestion import feature_refresh
from tasks.ledger.log import Entry, open_ledger
from tasks.models.artifact import ModelArtifact
from tasks.models.registry import open_model, register_version
from tasks.rollout.prediction_log import PREDICTIONS, SHADOWS
from tasks.rollout.routing import Route
from tasks.scoring.batch import score_route
from tasks.scoring.explain import Explanation, explain_prediction
from tasks.scoring.prediction_keys import format_key
from tasks.scoring.predictions import write_prediction_table
from tasks.storage.lake import open_lake
from tasks.training import reproduce
from tasks.training.fit import split_training_rows
from tasks.training.reproduce_worker import retrain_from_card
from tests.support import lake_rows
from tests.support.artifacts import fit_artifact
from tests.support.state import state

pytestmark = pytest.mark.system  # seconds each; CI runs them with the system tests

AS_OF = datetime(2013, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HELD_BACK = (AS_OF - 6 * DAY, AS_OF - 5 * DAY)
FIRST, LAST = (AS_OF - 5 * DAY, AS_OF - 4 * DAY), (AS_OF - DAY, AS_OF)


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UseCase]:
    """Eleven days of flights; one day of arrivals lands late, after the model was trained."""
    folder = tmp_path_factory.mktemp("state")
    flights = load_use_case("flights").model_dump(mode="json", by_alias=True)
    flights["split"] = {"validation": "2d", "holdout": "2d", "min_rows": 1000}
    forest = {"n_estimators": 10, "max_depth": 6, "max_features": 4, "n_jobs": 1}
    flights["candidates"] = {
        "forest": {"estimator": "sklearn.ensemble.ExtraTreesClassifier", "params": forest,
                   "encoding": "one_hot"}
    }  # fmt: skip
    (folder / "flights.yaml").write_text(yaml.safe_dump(flights))
    with state(folder, {"MAINSPRING_USE_CASES": str(folder)}):
        yield load_use_case("flights")


def register(artifact: ModelArtifact, origin: str, **changes: object) -> int:
    card = artifact.card.model_copy(update=changes)
    return register_version(replace(artifact, card=card), origin)


@pytest.fixture(scope="module")
def trained(use_case: UseCase) -> ModelArtifact:
    """Version 1 and the same file as version 2; the first day is scored before a day of arrivals
    comes late, the last one, in which version 2 rolls out, after it.
    """
    late = lake_rows.read_known_rows(use_case, "arrivals", *HELD_BACK)
    for table in use_case.tables:
        rows = lake_rows.read_known_rows(use_case, table, AS_OF - 40 * DAY, AS_OF)
        if table == "arrivals":
            rows = rows.join(late, on=use_case.tables[table].key, how="anti")
        lake_rows.append_rows(use_case, table, "first", rows)
    feast_store.register_features(use_case)
    feature_refresh.refresh_features(use_case, AS_OF)
    versions = raw_tables.read_table_versions(use_case)
    frame = retrieval.build_training_set(use_case, AS_OF - use_case.retrain.window, AS_OF, AS_OF)
    parts = split_training_rows(use_case, frame, AS_OF)
    made = fit_artifact(use_case, "forest", parts, versions)
    for version in (1, 2):
        assert register(made, f"train:{version}", threshold=version / 5) == version
    score_and_write(use_case, Route(*FIRST, champion=1))
    lake_rows.append_rows(use_case, "arrivals", "late", late)
    lake_rows.land_rows(use_case, AS_OF, AS_OF + DAY)
    feature_refresh.refresh_features(use_case, AS_OF + DAY)
    score_and_write(
        use_case, Route(*LAST, champion=1, challenger=2, share=0.5, unit=("carrier", "flight"))
    )
    return made


def score_and_write(use_case: UseCase, cast: Route) -> None:
    scored = score_route(use_case, cast, AS_OF, "a run")
    for table, rows in ((SHADOWS, scored.shadows), (PREDICTIONS, scored.predictions)):
        write_prediction_table(use_case, table, rows, (cast.start, cast.end))


def explain_row(use_case: UseCase, row: dict[str, Any]) -> Explanation:
    return explain_prediction(
        use_case, format_key([row[name] for name in use_case.spine.key]), AS_OF + DAY
    )


def predicted(use_case: UseCase, window: tuple[datetime, datetime]) -> pl.DataFrame:
    time = pl.col("prediction_time")
    rows = open_lake(use_case.name).scan(PREDICTIONS).filter(time >= window[0], time < window[1])
    return rows.collect().sort("prediction_time", "carrier", "flight")


def test_every_input_has_the_times_of_the_row_it_was_read_from(use_case, trained):
    row = predicted(use_case, LAST).row(500, named=True)
    found = explain_row(use_case, row)
    assert {each.name for each in found.inputs} == set(use_case.features.inputs)
    for each in found.inputs:
        if each.value is not None:
            assert each.event_time <= each.known_time <= row["prediction_time"]
    lake, origin = open_lake(use_case.name), pl.col("origin") == row["origin"]
    known = pl.col("created_timestamp") <= row["prediction_time"]
    weather = lake.scan("features/weather").filter(origin, known).collect()
    newest = weather.sort("event_timestamp").row(-1, named=True)
    temperature = next(each for each in found.inputs if each.name == "temperature")
    assert (temperature.value, temperature.source) == (newest["temperature"], "weather")
    assert temperature.event_time == newest["event_timestamp"]
    assert temperature.known_time == newest["created_timestamp"]
    assert next(e for e in found.inputs if e.name == "distance").source == "request"


def test_explain_prediction_adds_up_and_shows_other_versions(use_case, trained):
    rows = predicted(use_case, LAST)
    row = rows.filter(pl.col("arm") == "challenger").row(0, named=True)
    found = explain_row(use_case, row)
    total = found.base + sum(each.contribution for each in found.inputs)
    assert total == pytest.approx(row["probability"], abs=1e-9)
    sizes = [abs(each.contribution) for each in found.inputs]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.001
    prediction = found.prediction
    assert (prediction.version, prediction.arm, prediction.threshold) == (2, "challenger", 0.4)
    assert [(o.version, o.arm, o.recorded) for o in found.others] == [(1, "champion", True)]
    assert found.notes == ()
    assert found.label in (0, 1)
    assert found.labelled > row["prediction_time"]


def test_a_row_that_would_be_answered_otherwise_now_says_so(use_case, trained):
    book, rows = open_ledger(), predicted(use_case, FIRST)
    for version, days in ((2, 9), (1, 8)):
        at = AS_OF - days * DAY
        book.record(Entry("flights", "promoted", f"decision:{version}", at, "test", version))
    notes = []
    for row in rows[::200].iter_rows(named=True):
        found = explain_row(use_case, row)
        notes += found.notes
        assert [(o.version, o.arm, o.recorded) for o in found.others] == [(2, "previous", False)]
    assert "rows landed late" in notes[0]


def test_the_command_shows_it_and_names_the_key_that_it_wants(use_case, trained):
    row = predicted(use_case, LAST).row(0, named=True)
    key = f"{row['carrier']}/{row['flight']}/{row['origin']}/{row['flight_date']:%Y-%m-%d}"
    named = f"flight={row['flight']}, carrier={row['carrier']}, origin={row['origin']}"
    shown = CliRunner().invoke(app, ["explain", "flights", key, "--all"])
    assert shown.exit_code == 0, shown.output
    for said in ("known (age)", "from", "airport_ops", "request", key):
        assert said in shown.output
    day = f"{named},flight_date={row['flight_date']:%Y-%m-%d}"
    as_json = CliRunner().invoke(app, ["explain", "flights", day, "--json"])
    assert json.loads(as_json.output)["prediction"]["value"] == row["probability"]
    for wrong, said in (
        ("UA/1545", "it has 2 values for 4 columns"),
        ("carrier=UA,flight=1", "unknown or missing columns: flight_date, origin"),
        ("UA/x/EWR/2013-01-11", "flight must be a whole number, not 'x'"),
        ("XX/1/EWR/2013-01-11", "no prediction found for XX/1/EWR/2013-01-11"),
    ):
        result = CliRunner().invoke(app, ["explain", "flights", wrong])
        assert result.exit_code == 1
        output = " ".join(result.output.split())
        assert said in output
        assert "a key is carrier/flight/origin/flight_date, for example " in output


def state_of(use_case: UseCase) -> dict[str, int]:
    """The version of every table, and the bytes of everything else that there is."""
    lake = Path(open_lake(use_case.name).root)
    files = {str(p): p.stat().st_size for p in settings().state.rglob("*") if p.is_file()}
    return files | {str(p): 0 for p in lake.rglob("*")}


def test_the_lake_has_moved_on_and_the_answers_are_the_same(use_case, trained):
    card, version = trained.card, register(trained, "train:again")
    before, steps = state_of(use_case), []
    found = reproduce.reproduce_version(use_case, version, steps.append)
    assert found.equal
    assert found.same_file
    assert (found.difference, found.flipped, found.golden) == (0.0, 0, 64)
    assert found.rows[1] == card.rows
    assert any(f"fit forest on {card.rows['train']:,} rows" in step for step in steps)
    assert state_of(use_case) == before


def test_another_seed_gives_other_answers(use_case, trained, tmp_path, monkeypatch):
    model = open_model(use_case.name, 1)
    configuration = {**trained.card.configuration, "seed": 1}
    card = trained.card.model_copy(update={"configuration": configuration})
    for name, value in reproduce._worker_environment(card, tmp_path, ROOT).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    exported, result = retrain_from_card(card)
    settings.cache_clear()
    found = reproduce.compare_reproduction(model, exported.onnx, result, "here", ())
    assert not found.equal
    assert not found.same_file
    assert found.difference > 0.001
    assert found.rows[0] == found.rows[1]


@pytest.mark.slow
def test_another_table_version_gives_other_rows_and_says_so(use_case, trained):
    newest, other = (
        raw_tables.read_table_versions(use_case),
        {**trained.card.environment, "onnx": "0.1"},
    )
    version = register(trained, "train:other-table", table_versions=newest, environment=other)
    result = CliRunner().invoke(app, ["reproduce", "flights", str(version)])
    assert result.exit_code == 1
    assert "different predictions on 64 golden rows" in result.output
    assert "onnx was 0.1 and is" in result.output
    assert f"train {trained.card.rows['train']:,}" in result.output


def test_what_cannot_be_trained_any_more_says_why(use_case, trained):
    version = register(trained, "train:gone", configuration={"name": "flights"})
    said = (
        rf"version {version} cannot be trained again(.|\n)*"
        r"is invalid for the current code(.|\n)*features: Field required"
    )
    with pytest.raises(BadModel, match=said):
        reproduce.reproduce_version(use_case, version, print)


def test_reproduce_names_a_table_version_that_is_no_longer_there(use_case, trained):
    tables = {**trained.card.table_versions, "raw/weather": 99}
    version = register(trained, "train:vacuumed", table_versions=tables)
    with pytest.raises(BadModel, match="version 99 of raw/weather is no longer there"):
        reproduce.reproduce_version(use_case, version, print)
    held = list(Path(open_lake(use_case.name).uri("raw/weather")).glob("*.parquet"))
    for path in held:
        path.rename(path.with_suffix(".vacuumed"))
    with pytest.raises(BadModel, match="of raw/weather is no longer there"):
        reproduce.reproduce_version(use_case, 1, print)
    for path in held:
        path.with_suffix(".vacuumed").rename(path)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small git repository in place of the project's, with two commits."""
    folder = tmp_path / "repository"
    (folder / "tasks").mkdir(parents=True)
    monkeypatch.setattr(reproduce, "ROOT", folder)
    git(folder, "init", "--quiet")
    for content in ("first", "second"):
        (folder / "tasks" / "retrace.py").write_text(content)
        git(folder, "add", ".")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", content)
    return folder


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_code_of_another_revision_comes_out_of_git(trained, repository, tmp_path):
    first = git(repository, "rev-parse", "HEAD~1")
    card = trained.card.model_copy(update={"revision": first})
    code, notes = reproduce.find_code_at_revision(card, tmp_path / "code")
    assert (code / "tasks" / "retrace.py").read_text() == "first"
    assert notes == []
    assert git(repository, "status", "--porcelain") == ""
    dirty = card.model_copy(update={"revision": f"{first}-dirty"})
    code, notes = reproduce.find_code_at_revision(dirty, tmp_path / "dirty")
    assert (code / "tasks" / "retrace.py").read_text() == "first"
    assert "uncommitted changes" in notes[0]


def test_code_that_nobody_has_any_more_is_told_of(trained, repository, tmp_path):
    card = trained.card.model_copy(update={"revision": "0" * 40})
    code, notes = reproduce.find_code_at_revision(card, tmp_path / "code")
    assert code == repository
    assert "is not in git here" in notes[0]

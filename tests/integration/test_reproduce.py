"""A version is made again from what its card recorded, whatever the lake has become since."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from configs.errors import BadModel
from configs.settings import settings
from configs.use_case import UseCase, load_use_case
from flows.cli import app
from tasks import features, reproduce, store
from tasks.card import Card, make_card
from tasks.export import export_fitted
from tasks.lake import lake_of
from tasks.ledger import ledger
from tasks.registry import golden_rows, register
from tasks.training import fit_candidate, training_parts
from tests import real_lake

AS_OF = datetime(2013, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HELD_BACK = (AS_OF - 6 * DAY, AS_OF - 5 * DAY)


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAINSPRING_STATE", str(folder))
        patch.setenv("MAINSPRING_USE_CASES", str(folder))
        settings.cache_clear()
        ledger.cache_clear()
        yield load_use_case("flights")
    settings.cache_clear()
    ledger.cache_clear()


@pytest.fixture(scope="module")
def trained(use_case: UseCase) -> tuple[Card, bytes, pl.DataFrame]:
    late = real_lake.known(use_case, "arrivals", *HELD_BACK)
    for table in use_case.tables:
        rows = real_lake.known(use_case, table, AS_OF - 40 * DAY, AS_OF)
        if table == "arrivals":
            rows = rows.join(late, on=use_case.tables[table].key, how="anti")
        real_lake.append(use_case, table, "first", rows)
    store.apply(use_case)
    features.refresh(use_case, AS_OF)
    versions = features.table_versions(use_case)
    frame = features.training_set(use_case, AS_OF - use_case.retrain.window, AS_OF, AS_OF)
    parts = training_parts(use_case, frame, AS_OF)
    exported = export_fitted(use_case, fit_candidate(use_case, "forest", parts), parts)
    card = make_card(use_case, parts, [exported.fitted], exported, versions)
    real_lake.append(use_case, "arrivals", "late", late)
    real_lake.land(use_case, AS_OF, AS_OF + DAY)
    features.refresh(use_case, AS_OF + DAY)
    return card, exported.onnx, golden_rows(exported, parts)


def state_of(use_case: UseCase) -> dict[str, int]:
    """The version of every table, and the bytes of everything else that there is."""
    lake = Path(lake_of(use_case.name).root)
    files = {str(p): p.stat().st_size for p in settings().state.rglob("*") if p.is_file()}
    return files | {str(p): 0 for p in lake.rglob("*")}


def test_the_lake_has_moved_on_and_the_answers_are_the_same(use_case, trained):
    card, onnx, golden = trained
    version = register(use_case.name, onnx, card, golden, "train:1")
    before, steps = state_of(use_case), []
    found = reproduce.reproduce(use_case, version, steps.append)
    assert found.equal
    assert found.same_file
    assert (found.difference, found.flipped, found.golden) == (0.0, 0, 64)
    assert found.rows[1] == card.rows
    assert any(f"fit forest on {card.rows['train']:,} rows" in step for step in steps)
    assert state_of(use_case) == before


def test_another_seed_gives_other_answers_and_exit_code_1(use_case, trained):
    card, onnx, golden = trained
    wrong = card.model_copy(update={"configuration": {**card.configuration, "seed": 1}})
    version = register(use_case.name, onnx, wrong, golden, "train:other-seed")
    result = CliRunner().invoke(app, ["reproduce", "flights", str(version), "--json"])
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert not said["equal"]
    assert not said["same_file"]
    assert said["difference"] > 0.001
    assert said["rows"][0] == said["rows"][1]


def test_another_table_version_gives_other_rows_and_says_so(use_case, trained):
    card, onnx, golden = trained
    newest = features.table_versions(use_case)
    wrong = card.model_copy(
        update={"table_versions": newest, "environment": {**card.environment, "onnx": "0.1"}}
    )
    version = register(use_case.name, onnx, wrong, golden, "train:other-table")
    result = CliRunner().invoke(app, ["reproduce", "flights", str(version)], env={"COLUMNS": "160"})
    assert result.exit_code == 1
    assert "other answers on 64 golden rows" in result.output
    assert "onnx was 0.1 and is" in result.output
    assert f"train {card.rows['train']:,}" in result.output


def test_what_cannot_be_trained_any_more_says_why(use_case, trained):
    card, onnx, golden = trained
    gone = card.model_copy(update={"table_versions": {**card.table_versions, "raw/weather": 99}})
    version = register(use_case.name, onnx, gone, golden, "train:gone")
    with pytest.raises(BadModel, match=r"version \d+ cannot be trained again(.|\n)*99"):
        reproduce.reproduce(use_case, version, print)


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
    card = trained[0].model_copy(update={"revision": first})
    code, notes = reproduce.code_of(card, tmp_path / "code")
    assert (code / "tasks" / "retrace.py").read_text() == "first"
    assert notes == []
    assert git(repository, "status", "--porcelain") == ""
    dirty = card.model_copy(update={"revision": f"{first}-dirty"})
    code, notes = reproduce.code_of(dirty, tmp_path / "dirty")
    assert (code / "tasks" / "retrace.py").read_text() == "first"
    assert "never committed" in notes[0]


def test_code_that_nobody_has_any_more_is_told_of(trained, repository, tmp_path):
    card = trained[0].model_copy(update={"revision": "0" * 40})
    code, notes = reproduce.code_of(card, tmp_path / "code")
    assert code == repository
    assert "is not in git here" in notes[0]

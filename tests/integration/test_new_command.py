"""`mainspring new` on four tables of several shapes, in a copy of the project: what it writes is
clean, and its own test passes at once.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.settings import ROOT
from feature_repo.flights import source
from tests.support.punctuality import punctuality
from tests.support.sample_shapes import SHAPES, make_parcels

pytestmark = pytest.mark.system

PARTS = ("configs", "tasks", "flows", "feature_repo", "expectations", "infra", "tests")
END = datetime(2013, 1, 4, tzinfo=UTC)
NEW = shlex.split("""new delays --no-trial --predict schedules --label arrivals.late
    --table schedules=samples/schedules.parquet --table arrivals=samples/arr*.parquet
    --table weather=samples/weather.csv --table planes=samples/planes.csv
    --keys schedules=carrier,flight,origin,flight_date
    --keys arrivals=carrier,flight,origin,flight_date
    --event-time schedules=departure_time --known-time schedules=published
    --event-time arrivals=landed --known-time arrivals=reported
    --keys weather=origin,observed --event-time weather=observed --known-time weather=reported
    --known-from planes=2012-12-30""")

CLASSES = shlex.split("""new punctuality --no-trial --predict schedules --label how.arrived
    --table schedules=samples/schedules.parquet --table how=samples/how.csv
    --keys schedules=carrier,flight,origin,flight_date --keys how=carrier,flight,origin,flight_date
    --event-time schedules=departure_time --known-time schedules=published
    --event-time how=landed --known-time how=reported""")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without its state, and samples: a composite key and a boolean label in a table of
    its own (Parquet), hourly rows (CSV), and planes without times but with a date.
    """
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "prefect.yaml"):
        shutil.copy(ROOT / file, root / file)
    tables, samples = source._tables(), root / "samples"
    samples.mkdir()
    landed = tables["arrivals"].filter(pl.col("reported") < END)
    landed.select(pl.all().exclude("delay"), late=pl.col("delay") > 15).write_parquet(
        samples / "arrivals.parquet"
    )
    tables["schedules"].filter(pl.col("published") < END).write_parquet(
        samples / "schedules.parquet"
    )
    weather = tables["weather"].filter(pl.col("reported") < END)
    weather.write_csv(samples / "weather.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    built = pl.date(pl.col("year").cast(pl.Int32), 1, 1)
    planes = tables["planes"].drop("published").with_columns(first_flight=built)
    planes.write_csv(samples / "planes.csv")
    how = punctuality(pl.col("delay")).alias("arrived")
    landed.drop_nulls("delay").select(pl.all().exclude("delay"), how).write_csv(
        samples / "how.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ"
    )
    return root


def visitor_counts(sites: tuple[str, ...]) -> pl.DataFrame:
    """Counts of twelve weeks by local clock, each known an hour later; without sites one series."""
    hours = pl.datetime_range(
        datetime(2024, 5, 1, tzinfo=UTC),
        datetime(2024, 7, 24, tzinfo=UTC),
        "1h",
        closed="left",
        eager=True,
    )
    at, clock = pl.int_range(len(hours), eager=True), hours.dt.hour().cast(pl.Float64)
    frames = [
        pl.DataFrame({"hour": hours, "visits": (at * 7919 % 11) + 30 + clock * (number + 1)})
        .with_columns(known=pl.col("hour") + pl.duration(hours=1))
        .with_columns([pl.lit(site).alias("site")] if site else [])
        for number, site in enumerate(sites or ("",))
    ]
    return pl.concat(frames)


def run_in_project(project: Path, *words: str) -> tuple[int, str]:
    env = {**os.environ, "PYTHONPATH": str(project), "MAINSPRING_STATE": str(project / "state")}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=project, env=env, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_what_is_written_is_clean_and_its_own_test_passes(project):
    code, said = run_in_project(project, "flows.cli.app", *NEW)
    assert code == 0, said
    made = ("feature_repo/delays", "expectations/delays.py", "tests/use_cases")
    assert run_in_project(project, "ruff", "check", *made) == (0, "All checks passed!\n")
    code, said = run_in_project(project, "ruff", "format", "--check", *made)
    assert code == 0, said
    code, said = run_in_project(
        project, "pytest", "-p", "no:cacheprovider", "tests/use_cases/test_delays.py"
    )
    assert code == 0, said
    assert "score.py:score" in (project / "prefect.yaml").read_text().partition("delays")[2]
    code, said = run_in_project(project, "flows.cli.app", *NEW)
    assert code == 1
    assert "never overwritten" in said


def test_a_label_of_some_texts_is_one_of_several_classes(project):
    code, said = run_in_project(project, "flows.cli.app", *CLASSES)
    assert code == 0, said
    written = yaml.safe_load((project / "configs" / "punctuality.yaml").read_text())
    assert written["label"]["classes"] == ["early", "late", "on_time"]
    made = ("feature_repo/punctuality", "expectations/punctuality.py", "tests/use_cases")
    assert run_in_project(project, "ruff", "check", *made) == (0, "All checks passed!\n")
    test = "tests/use_cases/test_punctuality.py"
    code, said = run_in_project(project, "pytest", "-p", "no:cacheprovider", test)
    assert code == 0, said


@pytest.mark.parametrize("sites", [("north", "south"), ()])
def test_a_forecast_is_tried_up_to_a_model(project, sites):
    name = f"visitors_{len(sites)}"
    path = project / "samples" / f"{name}.csv"
    visitor_counts(sites).write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    keys = "site,hour" if sites else "hour"
    words = ("--table", f"counts={path}", "--keys", f"counts={keys}", "--event-time", "counts=hour")
    words = (*words, "--label", "counts.visits", "--ahead", "2h", "--zone", "Europe/Amsterdam")
    code, said = run_in_project(project, "flows.cli.app", "new", name, *words)
    assert code == 0, said
    assert "the sample trains a model" in said
    made = (f"feature_repo/{name}", f"expectations/{name}.py", "tests/use_cases")
    assert run_in_project(project, "ruff", "check", *made) == (0, "All checks passed!\n")
    code, said = run_in_project(project, "ruff", "format", "--check", *made)
    assert code == 0, said
    test = f"tests/use_cases/test_{name}.py"
    code, said = run_in_project(project, "pytest", "-p", "no:cacheprovider", test)
    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if not shape.error])
def test_a_sample_of_any_shape_is_tried_up_to_a_model(project, name):
    folder = project / "samples" / name.replace(" ", "-")
    folder.mkdir()
    SHAPES[name].write(make_parcels(), folder)
    files = SHAPES[name].flags.get("tables", "[Pp]arcels.*")
    label = str(SHAPES[name].flags.get("label", "parcels.damaged"))
    own = "shape_" + hashlib.sha256(name.encode()).hexdigest()[:8]
    table = f"parcels={folder}/{files}"
    code, said = run_in_project(
        project, "flows.cli.app", "new", own, "--table", table, "--label", label, "--after", "3d"
    )
    assert code == 0, said
    assert "the sample trains a model" in said


@pytest.mark.slow
def test_what_fails_in_the_trial_is_taken_back(project):
    folder = project / "samples"
    rows = make_parcels().with_columns(parcel=pl.lit("P1"), sent=pl.col("sent").first())
    rows.write_csv(folder / "same.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    before = {path for path in project.rglob("*") if "state" not in path.parts}
    words = ("--keys", "same=parcel", "--label", "same.damaged", "--after", "3d")
    code, said = run_in_project(
        project, "flows.cli.app", "new", "same", "--table", f"same={folder}/same.csv", *words
    )
    assert code == 1
    assert "does not pass its own sample" in said
    assert "parcel 'P1'" in said
    left = {path for path in project.rglob("*") if "state" not in path.parts} - before
    assert not [path for path in left if "__pycache__" not in str(path)]

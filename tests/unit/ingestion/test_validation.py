from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from feature_repo.flights.source import write_landing
from tasks.ingestion import validation
from tasks.ingestion.parsing.file_schema import parse_file
from tasks.ingestion.validation import FILE_COLUMN, FileValidator, load_suite
from tests.support.landing import land_files

AS_OF = datetime(2013, 1, 5, tzinfo=UTC)


def parse_landed(flights: UseCase, table: str) -> pl.DataFrame:
    """The rows of 2 January as one file brings them."""
    (path,) = land_files(table)
    rows = parse_file(path.read_bytes(), path.name, flights.tables[table])
    return rows.with_columns(pl.lit("print").alias(FILE_COLUMN))


def examination(flights: UseCase) -> FileValidator:
    return FileValidator(flights, AS_OF, "run")


def test_load_suite_counts_rows_and_adds_rules_of_the_yaml(flights: UseCase) -> None:
    for name, table in flights.tables.items():
        suite = load_suite(flights, name, AS_OF)
        assert "RowCount" in type(suite.blocking[0]).__name__
        there = {rule.column for rule in suite.by_row if "NotBeNull" in type(rule).__name__}
        assert {*table.key, table.event_time, table.known_time} <= there


@pytest.mark.parametrize("table", ["schedules", "departures", "arrivals", "weather"])
def test_a_real_day_breaks_no_rule(flights: UseCase, table: str) -> None:
    rows, examined = parse_landed(flights, table), examination(flights)
    assert examined.find_refusal(table, rows, "a file") is None
    assert examined.find_row_errors(table, rows).is_empty()


def test_the_only_wrong_row_of_a_quarter_is_a_wind_of_1048_mph(
    flights: UseCase, tmp_path: Path
) -> None:
    write_landing(tmp_path, date(2013, 2, 11), date(2013, 2, 14))
    days = sorted((tmp_path / "weather").iterdir())
    rows = pl.concat(parse_file(p.read_bytes(), p.name, flights.tables["weather"]) for p in days)
    rows = rows.with_columns(pl.lit("print").alias(FILE_COLUMN))
    found = examination(flights).find_row_errors("weather", rows)
    assert found["_reasons"].to_list() == [["values_to_be_between(wind_speed)"]]
    assert rows[found["__position"].item()]["wind_speed"].item() == pytest.approx(1048.36, abs=0.01)


def test_a_row_is_told_every_rule_it_breaks(flights: UseCase) -> None:
    rows = parse_landed(flights, "schedules")
    third = pl.int_range(pl.len()) == 3
    rows = rows.with_columns(
        pl.when(third).then(pl.lit("BOS")).otherwise("origin").alias("origin"),
        pl.when(third).then(9).otherwise("weekday").alias("weekday"),
        pl.when(third).then(None).otherwise("dest").alias("dest"),
        pl.when(third).then("published").otherwise("departure_time").alias("departure_time"),
    )
    found = examination(flights).find_row_errors("schedules", rows)
    assert found["__position"].to_list() == [3]
    assert sorted(found["_reasons"].item()) == [
        "pair_values_a_to_be_greater_than_b(departure_time, published)",
        "values_to_be_between(weekday)",
        "values_to_be_in_set(origin)",
        "values_to_not_be_null(dest)",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pl.DataFrame.clear, "row_count_to_be_between() found 0, allowed: at least 1 and"),
        (lambda rows: pl.concat([rows] * 25), "found 23075, allowed: at least 1 and at most 20000"),
        (
            lambda rows: rows.with_columns(pl.col("reported") + pl.duration(days=9)),
            "max_to_be_between(reported) found 2013-01-11",
        ),
    ],
)
def test_a_file_is_refused_whole(flights: UseCase, change: Any, reason: str) -> None:
    rows = parse_landed(flights, "departures")
    told = examination(flights).find_refusal("departures", change(rows), "departures/a.parquet")
    assert told is not None
    assert reason in told.reason


def test_validation_goes_on_after_a_refused_file(flights: UseCase) -> None:
    rows, examined = parse_landed(flights, "departures"), examination(flights)
    assert examined.find_refusal("departures", rows.clear(), "departures/a.parquet") is not None
    assert examined.find_refusal("departures", rows, "departures/b.parquet") is None
    assert examined.find_refusal("departures", rows.clear(), "departures/c.parquet") is not None
    assert examined.find_row_errors("departures", rows).is_empty()


def test_every_run_has_its_own_docs_which_are_pages_alone(flights: UseCase) -> None:
    rows, home = parse_landed(flights, "weather"), Path(str(land_files("weather")[0])).parents[3]
    for run in ("first", "second"):
        examined = FileValidator(flights, AS_OF, run)
        examined.find_row_errors("weather", rows)
        examined.find_refusal("weather", rows.clear(), "weather/a.csv")
        assert Path(examined.write_docs()).exists()
    docs = home / "reports" / "flights" / "data_docs"
    assert sorted(path.name for path in docs.iterdir()) == ["first", "second"]
    assert len(list((docs / "first").rglob("landing-weather.html"))) == 2
    assert {path.suffix for path in docs.rglob("*") if path.is_file()} == {".html"}


def use_suite(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    module: Any = SimpleNamespace(**functions)

    def imported(_name: str) -> ModuleType:
        return module

    monkeypatch.setattr(validation, "import_module", imported)


def test_a_missing_suite_and_an_unknown_column_are_named(
    flights: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.expectations import ExpectColumnMaxToBeBetween

    use_suite(monkeypatch)
    with pytest.raises(BadConfig, match=r"expectations.flights has no weather\(\)"):
        load_suite(flights, "weather", AS_OF)
    use_suite(monkeypatch, weather=lambda _: [ExpectColumnMaxToBeBetween(column="wind")])
    with pytest.raises(BadConfig, match="weather names wind, but the columns of weather are: ori"):
        load_suite(flights, "weather", AS_OF)


def test_a_rule_that_cannot_be_asked_is_no_broken_row(
    flights: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.expectations import ExpectColumnValuesToBeBetween

    rows = parse_landed(flights, "weather")
    wrong = ExpectColumnValuesToBeBetween(column="origin", min_value=1, max_value=2)
    use_suite(monkeypatch, **dict.fromkeys(flights.tables, lambda _: []))
    monkeypatch.setattr(validation, "_load_rules", lambda *_: [wrong])
    only_weather = flights.model_copy(update={"tables": {"weather": flights.tables["weather"]}})
    with pytest.raises(BadConfig, match=r"values_to_be_between\(origin\) cannot be evaluated"):
        examination(only_weather).find_row_errors("weather", rows)

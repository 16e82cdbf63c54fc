"""The RAND Health Insurance Experiment as one CSV file: one row for each person and study year.

    python -m feature_repo.visits.source .mainspring/samples/enrolments.csv

The data (public domain) is in the package statsmodels: 20,190 rows, with each person's number of
outpatient visits to a physician in that year. The file has the columns that were known when the
year began. Results of the year itself (spending, admissions, other visits) would be the future.

The source has the study year, but no day. So the first years begin on the days of 1975, by the
person's number, and each next year begins 364 days later. The order of a person's years is real,
the days are not.
"""

from __future__ import annotations

import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl

_KNOWN = {
    "coins": "coinsurance", "mdeoff": "deductible", "pioff": "incentive", "income": "income",
    "xage": "age", "female": "female", "educdec": "education", "num": "family_size",
    "child": "child", "disea": "chronic", "physlm": "limited", "mhi": "mental_health",
    "ghindx": "health_index",
}  # fmt: skip
_HEALTH = {"hlthg": "good", "hlthf": "fair", "hlthp": "poor"}


def enrolments() -> pl.DataFrame:
    """Return one row for each person and study year, sorted by its first day."""
    rows = pl.read_csv(_data(), infer_schema_length=None)
    day = pl.duration(days=pl.col("zper") % 364 + 364 * (pl.col("year") - 1))
    health = pl.coalesce(
        pl.when(pl.col(column) == 1).then(pl.lit(word)) for column, word in _HEALTH.items()
    )
    return rows.select(
        (pl.lit(datetime(1975, 1, 1)) + day).dt.date().alias("begins"),  # noqa: DTZ001 - a date
        pl.col("zper").alias("person"),
        pl.format("site {}", "site").alias("site"),
        pl.format("plan {}", "plan").alias("plan"),
        *(pl.col(source).alias(name) for source, name in _KNOWN.items()),
        health.fill_null("excellent").alias("health"),
        pl.col("mdvis").alias("visits"),
    ).sort("begins", "person")


def write_csv(path: Path) -> None:
    """Write the file and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    enrolments().write_csv(path)


def _data() -> Path:
    """Return the package's file without an import, which takes seconds."""
    package = find_spec("statsmodels")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("statsmodels is not installed: it has the data of this use case")
    root = Path(package.submodule_search_locations[0])
    return root / "datasets" / "randhie" / "src" / "randhie.csv"


if __name__ == "__main__":
    write_csv(Path(sys.argv[1]))

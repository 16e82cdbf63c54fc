"""The lake has the types of the YAML, or it stops: every change of a type, from file to score."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from configs.errors import SchemaChanged
from tasks.checks.use_case import check_use_case
from tasks.ingestion.schema_migration import apply_migration, plan_migration
from tasks.ledger.evidence import SchemaMigrated, read_evidence
from tasks.ledger.log import open_ledger
from tasks.storage.lake import open_lake
from tests.support.parcel_rows import APRIL, DAY, MARCH, PARCELS, parcel_rows
from tests.support.small_case import SmallCase
from tests.support.small_case_files import SmallTable


def declare(**kinds: str | None) -> dict[str, SmallTable]:
    """Parcels with columns of other types, new ones, or (None) without one."""
    columns = {**PARCELS.columns, **kinds}
    kept = {name: kind for name, kind in columns.items() if kind is not None}
    return {"parcels": SmallTable(columns=kept, keys=PARCELS.keys)}


def migrate(case: SmallCase) -> list[str]:
    """Apply the plan; return the tables and columns that changed."""
    plan = plan_migration(case.use_case)
    apply_migration(open_ledger(), case.use_case, plan, APRIL + DAY, "ada")
    return [f"{change.table}.{change.column}" for change in plan]


def test_integer_to_number_keeps_history_and_takes_fractions(make_case: Callable) -> None:
    parcels = make_case()
    parcels.land("one", parcel_rows(MARCH, days=2))
    parcels.ingest(APRIL)
    before = parcels.raw().sort("parcel")
    parcels.rewrite(tables=declare(items="number"))
    parcels.land("two", parcel_rows(APRIL).with_columns(items=pl.lit(7.5)), at=APRIL)
    with pytest.raises(
        SchemaChanged,
        match=r"raw/parcels: column items is integer in the lake, "
        r"but number in the YAML.*mainspring migrate parcels",
    ):
        parcels.ingest(APRIL + DAY)
    found = {each.subject: each for each in check_use_case("parcels")}
    assert found["lake"].verdict == "wrong"
    assert "column items is integer" in found["lake"].detail
    assert migrate(parcels) == ["raw/parcels.items"]
    assert migrate(parcels) == []
    held = parcels.raw().sort("parcel")
    assert held.equals(before.with_columns(pl.col("items").cast(pl.Float64)))
    parcels.ingest(APRIL + DAY)
    lake = open_lake("parcels")
    assert set(lake.scan("raw/parcels").filter(pl.col("sent") >= APRIL).collect()["items"]) == {7.5}
    assert lake.scan("raw/parcels", version=0).collect().equals(before, null_equal=True)
    features = lake.scan("features/parcels").collect()
    assert features.schema["items"] == pl.Float64
    assert features.height == held.height + 32
    parcels.assert_rows_add_up()
    entry = next(e for e in parcels.ledger() if e.what == "schema_migrated")
    assert (entry.actor, read_evidence(entry, SchemaMigrated).columns) == (
        "ada", {"items": ("integer", "number")},
    )  # fmt: skip


def test_a_key_that_gets_letters_goes_on_to_predictions(make_case: Callable) -> None:
    def numbered(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(parcel=pl.col("parcel").str.slice(1).cast(pl.Int64))

    parcels = make_case(tables=declare(parcel="integer"))
    parcels.land("spring", numbered(parcel_rows(MARCH, days=40)))
    parcels.ingest(APRIL)
    parcels.train(APRIL)
    parcels.promote()
    parcels.land("day", numbered(parcel_rows(APRIL)), at=APRIL)
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    before = parcels.predictions().sort("parcel")
    parcels.rewrite(tables=declare())
    assert migrate(parcels) == ["raw/parcels.parcel", "predictions.parcel"]
    after = parcels.predictions().sort("parcel")
    assert after.equals(before.with_columns(pl.col("parcel").cast(pl.String)))
    parcels.score(APRIL + DAY)
    assert (
        parcels.predictions()
        .sort("parcel")
        .drop("run_id", "scored_as_of")
        .equals(after.drop("run_id", "scored_as_of"))
    )
    parcels.land("letters", parcel_rows(APRIL + DAY), at=APRIL + DAY)
    parcels.ingest(APRIL + 2 * DAY)
    parcels.score(APRIL + 2 * DAY)
    parcels.assert_rows_answered(APRIL + 2 * DAY)
    parcels.assert_rows_add_up()


def test_a_column_goes_and_another_comes_without_a_migration(make_case: Callable) -> None:
    parcels = make_case()
    parcels.land("one", parcel_rows(MARCH, days=2))
    parcels.ingest(APRIL)
    parcels.rewrite(tables=declare(items=None, height="number"))
    rows = parcel_rows(APRIL).drop("items").with_columns(height=pl.lit(2.5))
    parcels.land("two", rows, at=APRIL)
    parcels.ingest(APRIL + DAY)
    assert plan_migration(parcels.use_case) == []
    old = pl.col("sent") < APRIL
    assert parcels.raw().filter(old).select("items", "height").null_count().row(0) == (0, 64)
    assert parcels.raw().filter(~old).select("items", "height").null_count().row(0) == (32, 0)
    parcels.assert_rows_add_up()


@pytest.mark.parametrize(
    ("held", "declared", "value", "example"),
    [
        ("text", "integer", "A104", "'A104'"),
        ("text", "integer", "0103", "'0103'"),
        ("text", "number", "heavy", "'heavy'"),
        ("text", "time", "soon", "'soon'"),
        ("number", "integer", 2.5, "2.5"),
        ("integer", "number", 2**53 + 1, str(2**53 + 1)),
        ("integer", "boolean", 7, "7"),
        ("number", "boolean", 0.5, "0.5"),
        ("boolean", "text", True, "True"),
    ],
)
def test_a_change_that_loses_a_value_is_refused_with_it(
    make_case: Callable, held: str, declared: str, value: object, example: str
) -> None:
    parcels = make_case(tables=declare(note=held), inputs=("weight", "items"))
    parcels.land("one", parcel_rows(MARCH).with_columns(note=pl.lit(value)))
    parcels.ingest(APRIL)
    parcels.rewrite(tables=declare(note=declared))
    expected = f"column note is {held} in the lake, but {declared} in the YAML.*{example}"
    with pytest.raises(SchemaChanged, match=expected):
        migrate(parcels)
    assert open_lake("parcels").version("raw/parcels") == 0
    assert not [entry for entry in parcels.ledger() if entry.what == "schema_migrated"]


@pytest.mark.parametrize(
    ("held", "declared", "value", "stored"),
    [
        ("text", "integer", "103", 103),
        ("number", "integer", 7.0, 7),
        ("integer", "text", 7, "7"),
    ],
)
def test_a_change_that_keeps_every_value_is_made(
    make_case: Callable, held: str, declared: str, value: object, stored: object
) -> None:
    parcels = make_case(tables=declare(note=held), inputs=("weight", "items"))
    parcels.land("one", parcel_rows(MARCH).with_columns(note=pl.lit(value)))
    parcels.ingest(APRIL)
    parcels.rewrite(tables=declare(note=declared))
    assert migrate(parcels) == ["raw/parcels.note"]
    assert set(parcels.raw()["note"]) == {stored}


def test_a_migration_that_was_killed_goes_on_to_the_same_end(make_case: Callable) -> None:
    suite = {"rules": ('between("weight", 0, 5)',)}
    narrow = declare(items="integer")["parcels"]
    parcels = make_case(tables={"parcels": SmallTable(narrow.columns, narrow.keys, **suite)})
    parcels.land("one", parcel_rows(MARCH, days=2))
    parcels.ingest(APRIL)
    wide = declare(items="number")["parcels"]
    parcels.rewrite(tables={"parcels": SmallTable(wide.columns, wide.keys, **suite)})
    plan = plan_migration(parcels.use_case)
    assert [change.table for change in plan] == ["raw/parcels", "quarantine/parcels"]
    apply_migration(open_ledger(), parcels.use_case, plan[:1], APRIL, "ada")  # and then a kill
    assert migrate(parcels) == ["quarantine/parcels.items"]
    assert open_lake("parcels").holds("raw/parcels", parcels.file_records()["fingerprint"][0])
    assert parcels.ingest(APRIL + timedelta(hours=1)) == []
    assert parcels.raw().schema["items"] == parcels.quarantined().schema["items"] == pl.Float64
    assert [e.actor for e in parcels.ledger() if e.what == "schema_migrated"] == ["ada", "ada"]
    parcels.assert_rows_add_up()


def test_a_table_that_waits_for_its_migration_stops_no_other(make_case: Callable) -> None:
    depots = SmallTable({"depot": "text", "docks": "integer", "sent": "time"}, ("depot",))
    tables = {**declare(), "depots": depots}
    parcels = make_case(tables=tables)
    docks = pl.DataFrame({"depot": ["north"], "docks": [3], "sent": [MARCH]})
    parcels.land("one", parcel_rows(MARCH))
    parcels.land("one", docks, table="depots")
    parcels.ingest(APRIL)
    parcels.rewrite(tables={**declare(items="number"), "depots": depots})
    parcels.land("two", parcel_rows(APRIL))
    parcels.land("two", docks.with_columns(sent=APRIL), table="depots")
    with pytest.raises(SchemaChanged, match="column items is integer"):
        parcels.ingest(APRIL + DAY)
    assert (parcels.raw().height, parcels.raw("depots").height) == (32, 2)
    migrate(parcels)
    parcels.ingest(APRIL + DAY)
    assert parcels.raw().height == 64
    parcels.assert_rows_add_up()

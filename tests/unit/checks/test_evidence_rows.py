"""What `check` says of the rows that would judge a model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tasks.checks.evidence_rows import check_evidence_rows, join_labelled_rows
from tests.support.parcel_rows import APRIL, MARCH, PARCELS, parcel_rows
from tests.support.small_case import SmallCase, small_case

SEALED = {**PARCELS.columns, "seal": "text"}


@pytest.fixture
def parcels(tmp_path):
    columns = replace(PARCELS, columns=SEALED)
    with small_case(tmp_path, tables={"parcels": columns}) as case:
        yield case


def check_parcels(case: SmallCase, seal: pl.Expr) -> dict[str, tuple[str, str]]:
    case.land("one", parcel_rows(MARCH, days=30).with_columns(seal=seal), at=APRIL)
    case.ingest(APRIL + timedelta(days=1))
    return {
        each.subject: (each.verdict, each.detail) for each in check_evidence_rows(case.use_case)
    }


def test_honest_inputs_are_fine(parcels):
    found = check_parcels(parcels, pl.lit("red"))
    assert found["too good"][0] == "ok"
    assert "gate" not in found
    rows, _ = join_labelled_rows(parcels.use_case)
    assert set(parcels.use_case.features.inputs) <= set(rows.columns)
    assert rows["damaged"].null_count() == 0


def test_a_status_that_is_the_label_is_named(parcels):
    broken = pl.when(pl.col("damaged") == 1).then(pl.lit("broken")).otherwise(pl.lit("whole"))
    verdict, detail = check_parcels(parcels, broken)["too good"]
    assert verdict == "wrong"
    assert "seal alone explains 100.0000% of the label" in detail


def test_thin_slices_and_too_few_rows_are_named(parcels):
    rare = pl.when(pl.int_range(pl.len()) % 90 == 0).then(pl.lit("gold")).otherwise(pl.lit("red"))
    parcels.rewrite({"evaluation": {"slices": ["seal"]}, "gate": {"min_rows": 5000}})
    found = check_parcels(parcels, rare)
    assert "seal=gold" in found["slices"][1]
    assert "seal=red" not in found["slices"][1]
    assert "gate.min_rows is 5000; the holdout has" in found["gate"][1]


def test_slices_that_are_never_compared_are_named_with_the_reason(parcels):
    """Of a share, few rows are enough: 5% of the holdout, but 30. One label alone is no slice."""
    parcels.rewrite({"evaluation": {"slices": ["seal"], "slice_min_rows": "5%"}})
    whole = pl.when(pl.col("damaged") == 0, pl.int_range(pl.len()) % 2 == 0)
    found = check_parcels(parcels, whole.then(pl.lit("blue")).otherwise(pl.lit("red")))
    assert "seal=blue" in found["slices"][1]
    assert "labels that cannot be compared" in found["slices"][1]


def test_without_rows_nothing_is_checked(parcels):
    assert [each.verdict for each in check_evidence_rows(parcels.use_case)] == ["skipped"]

"""Label coverage, and from which coverage on rows are mature."""

import polars as pl

from tasks.evaluation.maturity import is_mature, label_coverage


def test_label_coverage_is_a_share_and_0_without_rows():
    assert label_coverage(3, 4) == 0.75
    assert label_coverage(0, 0) == 0


def test_is_mature_from_the_minimum_on_for_numbers_and_columns():
    assert is_mature(0.9, 0.9)
    assert not is_mature(0.89, 0.9)
    rows = pl.DataFrame({"coverage": [0.5, 0.9]})
    assert rows.select(is_mature(pl.col("coverage"), 0.9)).to_series().to_list() == [False, True]

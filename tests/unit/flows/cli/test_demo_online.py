"""The planted version of the online demo, and its copy of the YAML."""

from __future__ import annotations

import numpy as np

from configs.schema.loading import load_use_case
from flows.cli.demo_online.plant import find_value_gap
from flows.cli.demo_online.servers import use_online_use_cases, write_online_use_case


def test_the_gap_has_the_most_rows_and_no_golden_value():
    golden = np.array([[1, 10], [2, 20], [3, np.nan]], np.float32)
    rows = np.array([[1, 11], [2, 12], [2, 13], [2.5, 20], [9, np.nan]], np.float32)
    gap = find_value_gap(golden, rows, most=1.0)
    assert (gap.column, gap.low, gap.high, gap.rows) == (1, 10, 20, 3)


def test_a_gap_of_more_rows_than_allowed_is_cut():
    golden, rows = np.zeros((1, 2), np.float32), np.array([[9, at] for at in range(1, 11)])
    gap = find_value_gap(golden, rows.astype(np.float32), most=0.3)
    assert (gap.column, gap.low, gap.high, gap.rows) == (1, 0, 4, 3)


def test_rows_that_golden_rows_cover_leave_no_gap():
    same = np.array([[1, 10], [2, 20]], np.float32)
    assert find_value_gap(same, same).rows == 0


def test_the_copy_of_the_yaml_serves_and_judges_often(tmp_path):
    write_online_use_case("flights", tmp_path)
    with use_online_use_cases(tmp_path):
        serving = load_use_case("flights").serving
    assert serving is not None
    assert serving.log is not None
    assert serving.technical is not None
    assert serving.technical.every_seconds == 2
    assert load_use_case("flights").serving is None

"""Expectation suites written for a new use case."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.scaffold.plan import GivenAnswers
from tasks.scaffold.render import render_files
from tasks.scaffold.resolution.resolve import make_plan
from tests.support.order_samples import plan_orders

START = datetime(2024, 1, 1, tzinfo=UTC)


def test_suites_are_far_wider_than_the_sample(order_samples):
    text = render_files(plan_orders(order_samples))["expectations/payment.py"].decode()
    assert 'between("amount", -110, 110)' in text
    assert "not_null" not in text
    assert "some_rows(1_000_000)" in text


def test_a_sample_that_ends_in_may_keeps_no_later_month_back(tmp_path):
    """By what later months bring: other months, years, running numbers, and missing values."""
    days = [START + timedelta(days=n) for n in range(150)]
    rows = pl.DataFrame(
        {
            "order": [f"O{n}" for n in range(150)],
            "ordered": days,
            "month": [day.month for day in days],
            "hour": [n % 9 + 8 for n in range(150)],
            "day_of_year": [day.timetuple().tm_yday for day in days],
            "number": list(range(1000, 1150)),
            "degrees": [n % 20 for n in range(150)],
            "late": [n % 2 for n in range(150)],
        }
    )
    rows.write_parquet(tmp_path / "orders.parquet")
    answers = GivenAnswers(
        "orders", {"orders": f"{tmp_path}/orders.parquet"}, label="orders.late", after="1d"
    )
    text = render_files(make_plan(answers, lambda *words: words[2]))
    suite = text["expectations/orders.py"].decode()
    for rule in ('"month", 1, 12', '"hour", 0, 24', '"late", 0, 1'):
        assert f"between({rule})" in suite
    assert '"number"' not in suite
    assert '"day_of_year", 0, 366' in suite or '"day_of_year"' not in suite


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_nan_and_null_are_alike(tmp_path, missing):
    rows = pl.DataFrame(
        {
            "order": [f"O{n}" for n in range(40)],
            "ordered": [START + timedelta(hours=n) for n in range(40)],
            "weight": [missing if n % 4 == 0 else float(n % 7) for n in range(40)],
            "late": [n % 2 for n in range(40)],
        }
    )
    rows.write_parquet(tmp_path / "orders.parquet")
    answers = GivenAnswers(
        "orders", {"orders": f"{tmp_path}/orders.parquet"}, label="orders.late", after="1d"
    )
    plan = make_plan(answers, lambda *words: words[2])
    assert plan.subject.sample.rows["weight"].null_count() == 10
    assert "not_null" not in render_files(plan)["expectations/orders.py"].decode()

"""Expectation suites written for a new use case."""

from tasks.scaffold.render import render_files
from tests.support.order_samples import plan_orders


def test_suites_are_as_wide_again_as_the_sample(order_samples):
    text = render_files(plan_orders(order_samples))["expectations/payment.py"].decode()
    assert 'between("amount", 0, 14)' in text
    assert 'not_null("gift")' in text
    assert 'not_null("note")' not in text
    assert "some_rows(20)" in text

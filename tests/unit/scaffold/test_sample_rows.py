"""Sample rows beside the test of a new use case."""

from tasks.scaffold.sample_rows import encode_sample_rows
from tests.support.order_samples import plan_orders


def test_the_test_keeps_what_its_predictions_look_up(order_samples):
    kept = encode_sample_rows(plan_orders(order_samples))
    assert set(kept) == {"orders.csv", "customers.csv"}
    assert kept["customers.csv"].decode().splitlines()[0] == "customer,since,region,score"

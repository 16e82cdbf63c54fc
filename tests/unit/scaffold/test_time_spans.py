"""Time spans of a new use case, chosen from its samples."""

from datetime import UTC, datetime

from tasks.scaffold.time_spans import choose_time_spans
from tests.support.order_samples import plan_orders


def test_choose_time_spans_fits_a_small_sample(order_samples):
    spans = choose_time_spans(plan_orders(order_samples, positive="yes", after="2d"))
    assert spans.label_lag == 2
    assert (spans.validation, spans.holdout, spans.window) == (1, 3, 365)
    assert (spans.train_rows, spans.gate_rows) == (50, 30)
    assert spans.start <= datetime(2024, 1, 1, tzinfo=UTC) < spans.end

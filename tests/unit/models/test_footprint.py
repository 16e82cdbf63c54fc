"""The footprint of an exported model."""

from tasks.models.footprint import measure_footprint
from tasks.models.matrix import build_matrix
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tests.support.flights import quick_use_case

USE_CASE = quick_use_case()


def test_the_footprint_is_measured(fitted_flights, january_split):
    onnx = convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs))
    found = measure_footprint(onnx, build_matrix(january_split.holdout, fitted_flights.schema))
    assert found.bytes == len(onnx)
    assert 0 < found.latency_p50_us <= found.latency_p99_us
    assert found.rows_per_second > 1000
    assert 20 < found.peak_memory_mib < 1000

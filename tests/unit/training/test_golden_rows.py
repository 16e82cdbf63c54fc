"""Golden rows of a version."""

import numpy as np

from tasks.models.artifact import GOLDEN_ESTIMATOR, GOLDEN_ONNX
from tasks.training.golden_rows import GOLDEN_ROW_COUNT, choose_golden_rows


def test_choose_golden_rows_holds_both_predictions(holdout_model, holdout_split):
    golden = choose_golden_rows(holdout_model, holdout_split)
    inputs = holdout_model.fitted.schema.inputs
    assert golden.columns == [*inputs, GOLDEN_ONNX, GOLDEN_ESTIMATOR]
    assert golden.height == GOLDEN_ROW_COUNT
    np.testing.assert_allclose(golden[GOLDEN_ONNX], golden[GOLDEN_ESTIMATOR], rtol=0, atol=1e-6)

"""Conversion of a fitted estimator of any library to an ONNX file."""

from __future__ import annotations

import copy
from typing import Any

from configs.errors import BadModel
from tasks.training.learners.libraries import find_library


def convert_to_onnx(estimator: Any, inputs: int) -> bytes:  # noqa: ANN401
    """Return the ONNX file of a fitted estimator.

    Its input is float32 `inputs` (rows, inputs). A classifier returns label and `probabilities`
    (rows, classes), a regressor `variable` (rows, 1).

    Raises:
        BadModel: there is no converter for the estimator.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
    from sklearn.base import is_classifier

    library = find_library(type(_last(estimator)).__module__)
    library.register()
    estimator = copy.deepcopy(estimator)
    library.prepare(_last(estimator))
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        model = convert_sklearn(
            estimator,
            type(estimator).__name__,  # without a name it is random, and so is the file's digest
            initial_types=[("inputs", FloatTensorType([None, inputs]))],
            options=options,
            target_opset=library.opsets,
        )
    except (MissingConverter, MissingShapeCalculator) as missing:
        raise BadModel(
            f"{type(_last(estimator)).__name__} has no converter to ONNX. Name another estimator"
        ) from missing
    # the converter fills a set, whose order varies; sorted, the digest of the file is stable
    opsets = sorted(model.opset_import, key=lambda opset: str(opset.domain))
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString())


def _last(estimator: Any) -> Any:  # noqa: ANN401
    """Return the last step of a pipeline, or the estimator itself."""
    return getattr(estimator, "steps", [("", estimator)])[-1][1]

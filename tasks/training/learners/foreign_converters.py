"""Converters of LightGBM, XGBoost and CatBoost for sklearn-onnx, also as the end of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_CLASSIFIER_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"]}


def register_lightgbm() -> None:
    """Register onnxmltools' converter of LightGBM."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _register(LGBMClassifier, convert_lightgbm, _CLASSIFIER_OPTIONS)
    _register(LGBMRegressor, convert_lightgbm, {"split": None})


def register_xgboost() -> None:
    """Register onnxmltools' converter of XGBoost."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from xgboost import XGBClassifier, XGBRegressor

    _register(XGBClassifier, convert_xgboost, _CLASSIFIER_OPTIONS)
    _register(XGBRegressor, convert_xgboost, {})


def register_catboost() -> None:
    """Register CatBoost's own export; onnxmltools' converter fails for it."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    _register(CatBoostClassifier, _convert_catboost, _CLASSIFIER_OPTIONS, _declare_outputs)
    _register(CatBoostRegressor, _convert_catboost, {})


def _register(
    estimator: type,
    convert: Callable[..., Any],
    options: dict[str, Any],
    parser: Callable[..., Any] | None = None,
) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes
    from sklearn.base import is_classifier

    classifies = is_classifier(estimator())
    shape = (
        shapes.calculate_linear_classifier_output_shapes
        if classifies
        else shapes.calculate_linear_regressor_output_shapes
    )
    update_registered_converter(
        estimator, _name(estimator), shape, convert, parser=parser, options=options or None
    )


def _name(estimator: type) -> str:
    """Return the converter's name of an estimator; sklearn-onnx has names of its own."""
    return f"{estimator.__module__.partition('.')[0]}{estimator.__name__}"


def _declare_outputs(scope: Any, model: Any, inputs: Any, **_options: object) -> Any:  # noqa: ANN401
    """Declare label and probabilities: sklearn-onnx does not see that CatBoost classifies."""
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = scope.declare_local_operator(_name(type(model)), model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", FloatTensorType()))
    return operator.outputs


def _convert_catboost(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401
    """Add the tree node of CatBoost's own ONNX file to a graph of sklearn-onnx."""
    from onnx import helper, load

    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        operator.raw_operator.save_model(str(path), format="onnx")
        nodes = load(path).graph.node  # the trees, and for a classifier a ZipMap
    trees = next(node for node in nodes if node.op_type.startswith("TreeEnsemble"))
    attributes = {each.name: helper.get_attribute_value(each) for each in trees.attribute}
    container.add_node(
        trees.op_type,
        operator.input_full_names,
        operator.output_full_names,
        op_domain="ai.onnx.ml",
        name=scope.get_unique_operator_name(trees.op_type),
        **attributes,
    )

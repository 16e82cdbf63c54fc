"""Exports of a version: compared with it before they leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from configs.errors import BadModel
from tasks.models.artifact import read_golden_inputs
from tasks.models.one_file.export import export_one_file, predict_one_file
from tasks.models.one_file.inputs import LAYOUTS
from tasks.models.registry import Model, predict
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import quick_use_case


@pytest.fixture(scope="module")
def model() -> Model:
    return open_artifact(fit_artifact(quick_use_case(), "boosting"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_export_is_the_version_on_its_golden_rows(model, layout):
    exported = export_one_file(model, layout)
    assert (exported.rows, exported.max_difference) == (model.golden.height, 0.0)
    rows = read_golden_inputs(model.golden)
    values, decisions = predict_one_file(exported.onnx, model.card, rows, layout)
    np.testing.assert_array_equal(values[:, 0], predict(model, rows))
    np.testing.assert_array_equal(decisions, values[:, 0] >= model.card.threshold)


def test_export_of_another_graph_is_refused(model):
    other = open_artifact(fit_artifact(quick_use_case(), "logistic"))
    with pytest.raises(BadModel, match="flights version 1: its one-file model predicts"):
        export_one_file(replace(model, onnx=other.onnx))

"""ONNX graphs: what training exports is allowed, everything else is refused in a sentence."""

from contextlib import suppress

import pytest

from configs.errors import BadModel
from tasks.models.onnx_graph import require_safe_graph
from tasks.models.onnx_session import open_onnx_session
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tests.support.hostile_models import REFUSED_GRAPHS, break_bytes, identity


def test_require_safe_graph_takes_what_training_exports(fitted_flights):
    require_safe_graph(convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs)))
    require_safe_graph(identity().SerializeToString())


@pytest.mark.parametrize("name", REFUSED_GRAPHS)
def test_open_onnx_session_refuses_a_graph_before_a_session(name, monkeypatch):
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    with pytest.raises(BadModel):
        open_onnx_session(REFUSED_GRAPHS[name]().SerializeToString())


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"\xff" * 1000, b"PK\x03\x04"])
def test_open_onnx_session_refuses_bytes_that_are_no_model(content):
    with pytest.raises(BadModel):
        open_onnx_session(content)


def test_require_safe_graph_ends_with_broken_files(fitted_flights):
    """A flipped bit leaves a model or a BadModel, never another error."""
    onnx = convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs))
    for seed in range(200):
        with suppress(BadModel):
            require_safe_graph(break_bytes(onnx, seed))

"""Configuration of Triton, read by the protobuf of its client, against the ONNX file.

Triton's server has no package that pip installs, so it is not run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tasks.targets.bundle import _build_target_files
from tests.support.environments import make_locked_environment

pytestmark = pytest.mark.slow
PARSE = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
config = text_format.Parse(open(sys.argv[1]).read(), ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""
TYPES = {"TYPE_FP32": 1, "TYPE_STRING": 8, "TYPE_BOOL": 9}


def parse_config(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["python", "-c", PARSE, path], env=make_locked_environment("triton"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def describe(tensors: list[dict[str, Any]]) -> dict[str, tuple[int, list[int]]]:
    return {t["name"]: (TYPES[t["data_type"]], [int(size) for size in t["dims"]]) for t in tensors}


def describe_graph(values: Any) -> dict[str, tuple[int, list[int]]]:
    """Types and dimensions, without the first one, which is the batch."""
    kinds = {value.name: value.type.tensor_type for value in values}
    return {
        name: (kind.elem_type, [size.dim_value for size in kind.shape.dim[1:]])
        for name, kind in kinds.items()
    }


def test_the_configuration_is_that_of_the_file(make_bundle: Callable[[str], Path]) -> None:
    folder = make_bundle("triton")
    config, graph = parse_config(folder / "config.pbtxt"), onnx.load(folder / "model.onnx").graph
    assert describe(config["input"]) == describe_graph(graph.input)
    assert describe(config["output"]) == describe_graph(graph.output)
    assert (config["name"], config["platform"]) == ("flights", "onnxruntime_onnx")
    assert config["parameters"]["intra_op_thread_count"] == {"string_value": "1"}
    assert config["version_policy"]["specific"]["versions"] == ["7"]


@pytest.mark.parametrize(
    ("card", "inputs", "outputs"),
    [
        (
            {"kind": "multiclass", "classes": ["a", "b", "c"], "outputs": ["probabilities", "x\"y"],
             "inputs": {"numeric": [], "categorical": ["c"]}},
            {"categorical": (8, [1])},
            {"probabilities": (1, [3]), "x\"y": (8, [1])},
        ),
        (
            {"kind": "regression", "classes": [], "outputs": ["prediction"],
             "inputs": {"numeric": ["a", "b"], "categorical": []}},
            {"numeric": (1, [2])},
            {"prediction": (1, [1])},
        ),
    ],
)  # fmt: skip
def test_other_kinds_of_models(tmp_path, card, inputs, outputs):
    made = _build_target_files("triton", card | {"name": "parcels", "version": 3})
    (tmp_path / "config.pbtxt").write_bytes(made["config.pbtxt"])
    config = parse_config(tmp_path / "config.pbtxt")
    assert (describe(config["input"]), describe(config["output"])) == (inputs, outputs)

"""V2's binary tensors: the same predictions as in JSON, and typed errors of random bodies."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.support.served_case import NOW, served_case
from tests.support.served_requests import serving

pytestmark = pytest.mark.system
V1, V2 = "/v1/models/parcels:predict", "/v2/models/parcels/infer"
HEADER = "Inference-Header-Content-Length"
ROWS = [
    {"parcel": "P1", "depot": "nörth", "weight": 8.5, "items": 3, "fragile": True},
    {"parcel": "P2", "depot": "", "weight": None, "items": -1, "fragile": False},
]
TYPES = {"parcel": "BYTES", "depot": "BYTES", "weight": "FP64", "items": "INT64", "fragile": "BOOL"}
NUMPY = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT32": "<i4", "BOOL": "?"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with (
        served_case(tmp_path_factory.mktemp("binary")) as parcels,
        serving(parcels.use_case, lambda: NOW) as client,
    ):
        yield client


def encode(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(
        [np.nan if value is None else value for value in values], NUMPY[datatype]
    ).tobytes()


def build_body(types: dict[str, str] | None = None, **request: Any) -> tuple[bytes, int]:
    """A request with all tensors in binary, and the length of its JSON."""
    inputs, parts = [], []
    for name, datatype in (TYPES | (types or {})).items():
        values = encode(datatype, [row[name] for row in ROWS])
        parts.append(values)
        size = {"binary_data_size": len(values)}
        inputs.append({"name": name, "shape": [2], "datatype": datatype, "parameters": size})
    head = json.dumps({"inputs": inputs, **request}).encode()
    return head + b"".join(parts), len(head)


def post(client: TestClient, body: bytes, length: object) -> Any:
    return client.post(V2, content=body, headers={HEADER: str(length)})


def read_outputs(answer: Any) -> dict[str, list[Any]]:
    """The outputs of a response, in JSON or binary."""
    end = int(answer.headers.get(HEADER, len(answer.content)))
    content, place, found = json.loads(answer.content[:end]), end, {}
    for output in content["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = output["data"]
        elif output["datatype"] == "BYTES":
            found[output["name"]] = [answer.content[place : place + size]]
        else:
            values = np.frombuffer(answer.content[place : place + size], NUMPY[output["datatype"]])
            found[output["name"]] = values.tolist()
        place += size or 0
    assert place == len(answer.content)
    return found


@pytest.mark.parametrize("types", [{}, {"weight": "FP32", "items": "INT32"}])
@pytest.mark.parametrize("binary_out", [False, True])
def test_binary_tensors_predict_as_json(client, types, binary_out):
    expected = client.post(V1, json={"instances": ROWS}).json()["predictions"]
    body, length = build_body(types, parameters={"binary_data_output": binary_out})
    answer = post(client, body, length)
    assert answer.status_code == 200, answer.text
    assert (HEADER.lower() in answer.headers) == binary_out
    found = read_outputs(answer)
    assert found["probability"] == pytest.approx([each["probability"] for each in expected])
    assert found["decision"] == [each["decision"] for each in expected]
    assert found["model_version"] == [1, 1]


def test_single_outputs_may_be_binary(client):
    outputs = [
        {"name": "probability", "parameters": {"binary_data": True}}, {"name": "decision"},
    ]  # fmt: skip
    answer = post(client, *build_body(outputs=outputs))
    content = json.loads(answer.content[: int(answer.headers[HEADER])])
    assert ["data" in output for output in content["outputs"]] == [False, True]
    assert len(read_outputs(answer)["probability"]) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda body, _: (body, "x"), "$"),
        (lambda body, _: (body, len(body) + 1), "$"),
        (lambda body, length: (body, length - 1), None),
        (lambda body, length: (body + b"\0", length), "$"),
        (lambda body, length: (body[:-1], length), "$.inputs[4].parameters.binary_data_size"),
        (lambda body, length: (body[:-1] + b"\2", length), "$.inputs[4].data"),
        (lambda body, length: (body.replace(b"FP64", b"FP99"), length), "$.inputs[2].datatype"),
        (lambda body, length: (body.replace(b"FP64", b"INT8"), length), "$.inputs[2].data"),
        (lambda body, length: (body.replace(b"n\xc3\xb6rth", b"n\xff\xffrth"), length),
         "$.inputs[1].data"),
        (lambda body, length: (body.replace(struct.pack("<d", 8.5), struct.pack("<d", np.inf)),
                               length), "$.inputs[2].data[0]"),
    ],
)  # fmt: skip
def test_invalid_binary_bodies_are_refused_with_their_field(client, change, field):
    refused = post(client, *change(*build_body()))
    assert refused.status_code == 400, refused.text
    assert refused.json().get("field") == field


def test_other_protocols_take_no_binary(client):
    refused = client.post(V1, json={"instances": ROWS}, headers={HEADER: "3"})
    assert refused.status_code == 415


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    cut=st.integers(0, 900), noise=st.binary(max_size=12), place=st.integers(0, 900),
    length=st.none() | st.integers(0, 2000) | st.text(max_size=4),
)  # fmt: skip
def test_no_binary_body_makes_the_server_fail(client, cut, noise, place, length):
    body, own = build_body()
    spoiled = (body[:place] + noise + body[place:])[: len(body) - cut % 50]
    text = str(own if length is None else length)
    answer = post(client, spoiled, text if text.isascii() and text.isprintable() else "x")
    assert answer.status_code in (200, 400), answer.text

"""Clients of KServe and Triton in environments of their own, against `mainspring serve`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from configs.schema.serving import KServeTarget
from tasks.targets.kserve_driver import _describe_service
from tasks.targets.wanted_versions import WantedVersion
from tests.support.environments import FOLDER, make_locked_environment
from tests.support.programs import free_port
from tests.support.served_case import served_case
from tests.support.served_process import running_server

pytestmark = pytest.mark.slow
ROWS = [
    {"parcel": "P1", "depot": "nörth", "weight": 8.5, "items": 3, "fragile": True},
    {"parcel": "P2", "depot": "", "weight": 0.5, "items": 1, "fragile": False},
]
TRITON = """
import json, sys
import numpy as np
kind, address, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if kind == "grpc":
    import tritonclient.grpc as triton
else:
    import tritonclient.http as triton
client = triton.InferenceServerClient(address)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("parcels")
metadata = client.get_model_metadata("parcels")
types = {"parcel": "BYTES", "depot": "BYTES", "weight": "FP64", "items": "INT64", "fragile": "BOOL"}
numpy = {"BYTES": object, "FP64": np.float64, "INT64": np.int64, "BOOL": bool}
inputs = []
for name, datatype in types.items():
    values = [row[name].encode() if datatype == "BYTES" else row[name] for row in rows]
    tensor = triton.InferInput(name, [len(rows)], datatype)
    tensor.set_data_from_numpy(np.array(values, numpy[datatype]))
    inputs.append(tensor)
result = client.infer("parcels", inputs)
try:
    client.infer("other", inputs)
except triton.InferenceServerException as error:
    refused = str(error)
print(json.dumps({
    "probability": result.as_numpy("probability").tolist(),
    "decision": result.as_numpy("decision").tolist(),
    "arm": [arm.decode() for arm in result.as_numpy("arm").tolist()],
    "refused": refused,
}))
"""
KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig
address, rows = sys.argv[1], json.loads(sys.argv[2])
types = {"parcel": "BYTES", "depot": "BYTES", "weight": "FP64", "items": "INT64", "fragile": "BOOL"}
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(address) and await client.is_server_ready(address)
    assert await client.is_model_ready(address, "parcels")
    inputs = [InferInput(name, [len(rows)], kind, data=[row[name] for row in rows])
              for name, kind in types.items()]
    result = await client.infer(address, InferRequest("parcels", inputs), model_name="parcels")
    found = {output.name: output.data for output in result.outputs}
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    plain = await v1.infer(address, {"instances": rows}, model_name="parcels")
    print(json.dumps({"probability": list(found["probability"]), "decision": found["decision"],
                      "v1": [row["probability"] for row in plain["predictions"]]}))
asyncio.run(main())
"""

MANIFEST = """
import json, sys
import kserve
from kubernetes.client import ApiClient, models
for name in dir(kserve.models):
    if name.startswith("V1beta1"):
        setattr(models, name, getattr(kserve.models, name))
client = ApiClient()
read = client._ApiClient__deserialize(json.loads(sys.argv[1]), kserve.V1beta1InferenceService)
print(json.dumps(client.sanitize_for_serialization(read)))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A server with gRPC, and what it predicts over V1."""
    make_locked_environment("grpc")  # the optional package of --grpc-port
    [packages] = (FOLDER / "grpc" / "lib").glob("*/site-packages")
    with served_case(tmp_path_factory.mktemp("clients")) as parcels:
        (parcels.folder / "sitecustomize.py").write_text(
            f"import site; site.addsitedir({str(packages)!r})"
        )
        port = free_port()
        with running_server("parcels", parcels.folder, "--grpc-port", str(port)) as (_, url):
            body = {"instances": ROWS}
            answer = httpx.post(f"{url}/v1/models/parcels:predict", json=body).json()
            yield {"http": url, "grpc": f"127.0.0.1:{port}", "expected": answer["predictions"]}


def run_client(environment: str, code: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        ["python", "-c", code, *words],
        env=make_locked_environment(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_the_client_of_triton(served, kind):
    address = served[kind].removeprefix("http://")
    found = run_client("triton", TRITON, kind, address, json.dumps(ROWS))
    assert found["probability"] == [row["probability"] for row in served["expected"]]
    assert found["decision"] == [row["decision"] for row in served["expected"]]
    assert found["arm"] == ["champion"] * 2
    assert "model 'other' not found" in found["refused"]


def test_the_client_of_kserve(served):
    found = run_client("kserve", KSERVE, served["http"], json.dumps(ROWS))
    expected = [row["probability"] for row in served["expected"]]
    assert found["probability"] == found["v1"] == expected
    assert found["decision"] == [row["decision"] for row in served["expected"]]


def test_kserve_has_every_field_of_the_manifest():
    """Fields that KServe's own model does not know are lost when it reads and writes them."""
    target = KServeTarget(
        kind="kserve", url="https://k8s:6443", service="flights", bundles="s3://bucket/kserve",
        image="registry.example.com/server:v1",
    )  # fmt: skip
    champion = WantedVersion(1, "champion", 0.9, "a" * 64)
    challenger = WantedVersion(2, "challenger", 0.1, "b" * 64)
    manifest = _describe_service(target, "s3://bucket/kserve/2", champion, challenger)
    assert run_client("kserve", MANIFEST, json.dumps(manifest)) == manifest

"""The prediction server: protocols, limits, typed errors, and random bodies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from configs.schema.use_case import UseCase
from tasks.serving.app import create_prediction_app
from tests.support.parcel_rows import APRIL, parcel_rows
from tests.support.served_case import NOW, served_case, with_serving
from tests.support.small_case import SmallCase
from tests.support.state import forget

pytestmark = pytest.mark.system
V1, V2, INVOCATIONS = "/v1/models/parcels:predict", "/v2/models/parcels/infer", "/invocations"
EXPLAIN, WRITTEN = "/v1/models/parcels:explain", ("/feedback", "/tables/parcels")
ROW = {"parcel": "P1", "depot": "north", "weight": 8.5, "items": 3, "fragile": True}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    with served_case(tmp_path_factory.mktemp("served")) as parcels:
        yield parcels


@contextmanager
def serve(use_case: UseCase) -> Iterator[TestClient]:
    app = create_prediction_app(use_case, lambda: NOW)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def client(case: SmallCase) -> Iterator[TestClient]:
    written = {"log": {}, "feedback": {}, "tables": {"names": ["parcels"]}}
    with serve(with_serving(case.use_case, max_rows=50, max_body_mb=1, **written)) as client:
        yield client


def as_tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    types = {"parcel": "BYTES", "depot": "BYTES", "weight": "FP64", "items": "INT64"}
    return {
        "id": "mine",
        "inputs": [
            {
                "name": name, "shape": [len(rows), 1], "datatype": types.get(name, "BOOL"),
                "data": [row[name] for row in rows],
            }
            for name in rows[0]
        ],
    }  # fmt: skip


def test_every_protocol_predicts_the_same(client):
    rows = [{**ROW, "parcel": f"P{n}", "weight": w} for n, w in enumerate([0.5, 8.5, None])]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    values = [[row[name] for name in columns] for row in rows]
    answers = [
        client.post(V1, json={"instances": rows}),
        client.post(INVOCATIONS, json={"instances": rows}),
        client.post(INVOCATIONS, json={"dataframe_records": rows}),
        client.post(INVOCATIONS, json={"inputs": columns}),
        client.post(
            INVOCATIONS, json={"dataframe_split": {"columns": list(columns), "data": values}}
        ),
    ]
    assert [a.status_code for a in answers] == [200] * 5
    first = answers[0].json()["predictions"]
    assert all(a.json()["predictions"] == first for a in answers)
    assert [len(first), {p["model_version"] for p in first}] == [3, {1}]
    v2 = client.post(V2, json=as_tensors(rows)).json()
    outputs = {output["name"]: output for output in v2["outputs"]}
    assert outputs["probability"]["data"] == [p["probability"] for p in first]
    assert outputs["decision"]["data"] == [p["decision"] for p in first]
    assert (v2["id"], v2["model_version"], outputs["arm"]["shape"]) == ("mine", "1", [3])


def test_features_that_are_not_given_are_read_online(client):
    parcel = parcel_rows(APRIL).row(0, named=True)["parcel"]
    rows = [{"parcel": parcel}, {"parcel": "unknown"}]
    found = client.post(V1, json={"instances": rows}).json()["predictions"]
    assert found[0]["missing_features"] == 0
    assert found[1]["missing_features"] == 4
    assert found[0]["probability"] != found[1]["probability"]


def test_a_request_is_explained_by_its_inputs(client):
    rows = [ROW, {**ROW, "weight": None, "fragile": None}]
    found = client.post(EXPLAIN, json={"instances": rows}).json()
    plain = client.post(V1, json={"instances": rows}).json()["predictions"]
    bases = []
    for explained, predicted in zip(found["predictions"], plain, strict=True):
        contributions = explained.pop("contributions")
        total = sum(each["contribution"] for each in contributions)
        bases.append(predicted["probability"] - total)
        assert explained == predicted
        assert {each["input"] for each in contributions} == {*ROW} - {"parcel"}
        sizes = [abs(each["contribution"]) for each in contributions]
        assert sizes == sorted(sizes, reverse=True)
    assert bases[0] == pytest.approx(bases[1], abs=1e-6)
    many = client.post(EXPLAIN, json={"instances": [ROW] * 101})
    assert many.status_code == 413


def test_missing_features_may_be_refused(case):
    with serve(with_serving(case.use_case, on_missing_features="refuse")) as client:
        assert client.post(V1, json={"instances": [ROW]}).status_code == 200
        refused = client.post(V1, json={"instances": [{"parcel": "unknown"}]})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (V1, b"{", 400, None),
        (V1, b"", 400, None),
        (V1, b"\xff\xfe", 400, None),
        (V1, b"[" * 100_000, 400, "$"),
        (V1, b'{"instances": NaN}', 400, None),
        (V1, b'{"instances": [{"parcel": "a", "weight": Infinity}]}', 400, None),
        (V1, b'{"instances": [{"parcel": "a", "weight": 1e999}]}', 400, "$.instances[0].weight"),
        (V1, {"instances": [{**ROW, "weight": "8"}]}, 400, "$.instances[0].weight"),
        (V1, {"instances": [ROW, {**ROW, "parcel": 7}]}, 400, "$.instances[1].parcel"),
        (V1, {"instances": [{**ROW, "../x": 7}]}, 400, "$.instances[0]"),
        (V1, {"instances": [{"weight": 1}]}, 400, "$.instances[0]"),
        (V1, {"instances": {}}, 400, "$.instances"),
        (V1, {"rows": []}, 400, "$"),
        (V1, {"instances": [{**ROW, "prediction_time": "0001-01-01T00:00:00+14:00"}]}, 400,
         "$[0].prediction_time"),
        (V1, {"instances": [ROW] * 51}, 413, "$"),
        (V1, b" " * (2**20 + 1), 413, "$"),
        ("/v1/models/../../etc:predict", {"instances": []}, 404, None),
        ("/v1/models/%2e%2e%2fflights:predict", {"instances": []}, 404, None),
        ("/v1/models/other:predict", {"instances": []}, 404, None),
        ("/v2/models/parcels/versions/9/infer", {}, 404, None),
        ("/nothing", {}, 404, None),
        ("/metrics", {}, 405, None),
        (V2, {"inputs": []}, 400, "$.inputs"),
        (V2, {"inputs": [{"name": "parcel", "shape": [2], "datatype": "BYTES", "data": ["a"]}]},
         400, "$.inputs[0].data"),
        (V2, {"inputs": [{"name": "parcel", "shape": [-1], "datatype": "BYTES", "data": []}]}, 400,
         "$.inputs[0].shape"),
        (V2, {"inputs": [{"name": "parcel", "shape": [1], "datatype": "X", "data": ["a"]}]}, 400,
         "$.inputs[0].datatype"),
        (V2, {"inputs": [{"name": "parcel", "shape": [1], "datatype": "INT64", "data": [1]}]}, 400,
         "$.inputs[0].data[0]"),
        (V2, as_tensors([ROW]) | {"outputs": [{"name": "x"}]}, 400, "$.outputs[0].name"),
        (INVOCATIONS, {"inputs": {"parcel": ["a", "b"], "weight": [1]}}, 400, "$.inputs"),
        (INVOCATIONS, {"dataframe_split": {"columns": ["parcel"], "data": [["a", 1]]}}, 400,
         "$.dataframe_split.data[0]"),
        (INVOCATIONS, {"dataframe_records": [{"parcel": 1}]}, 400, "$.dataframe_records[0].parcel"),
        (INVOCATIONS, {}, 400, "$"),
        (INVOCATIONS, b"parcel,weight\nP1,2\n", 400, None),
    ],
)  # fmt: skip
def test_invalid_requests_are_refused_with_the_path_of_the_field(client, path, body, status, field):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    refused = client.post(path, content=content)
    assert refused.status_code == status, refused.text
    assert refused.json()["error"]
    assert refused.json().get("field") == field


SENT = "2024-04-10T00:00:00Z"
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*ROW, "instances", "inputs", "data", "x"]), inner)
    ),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | ANY_JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from([*ROW, "prediction_time", "x"]), ANY_JSON).map(
        lambda changes: json.dumps({"instances": [{**ROW, **changes}]}).encode()
    )
    | st.dictionaries(
        st.sampled_from(["by", "key", "label", "flag", "row", "request_id"]), ANY_JSON
    ).map(lambda changes: json.dumps({"by": "a", "key": {"parcel": "P"}, **changes}).encode())
    | st.dictionaries(st.sampled_from([*ROW, "sent", "damaged"]), ANY_JSON).map(
        lambda changes: json.dumps({"rows": [{**ROW, "sent": SENT, **changes}]}).encode()
    )
    | st.tuples(
        st.sampled_from(["name", "shape", "datatype", "data", "x"]), st.integers(0, 4), ANY_JSON
    ).map(lambda change: json.dumps(_change_tensor(*change)).encode())
)


def _change_tensor(field: str, place: int, value: Any) -> dict[str, Any]:
    body = as_tensors([ROW])
    body["inputs"][place][field] = value
    return body


@settings(max_examples=600, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from([V1, V2, INVOCATIONS, *WRITTEN]), body=BODIES)
def test_no_body_makes_the_server_fail(client, path, body):
    answer = client.post(path, content=body)  # an error of the server is raised here
    assert answer.status_code in (200, 202, 400), answer.text
    assert answer.json()


def test_openapi_has_examples_that_work(client):
    for path, operation in client.get("/openapi.json").json()["paths"].items():
        example = operation["post"]["requestBody"]["content"]["application/json"]["example"]
        assert client.post(path, json=example).status_code == 200, path


def test_pages_of_health_and_metadata(client):
    for path in ("/live", "/ready", "/ping", "/v2/health/live", "/v2/health/ready", "/v2"):
        assert client.get(path).status_code == 200, path
    assert client.get("/health").json() == {
        "status": "ready", "model": "parcels", "problems": [],
        "route": {
            "champion": 1, "challenger": None, "share": 0.0, "previous": None, "versions": [1],
        },
    }  # fmt: skip
    status = client.get("/v1/models/parcels").json()
    assert (status["ready"], status["model_version_status"][0]["state"]) == (True, "AVAILABLE")
    assert client.get("/v2/models/parcels/ready").json()["ready"]
    metadata = client.get("/v2/models/parcels").json()
    assert {"name": "weight", "datatype": "FP64", "shape": [-1]} in metadata["inputs"]
    client.post(V1, json={"instances": [ROW, ROW]})
    metrics = client.get("/metrics").text
    assert 'mainspring_requests_total{protocol="v1",status="200"}' in metrics
    assert 'mainspring_predictions_total{arm="champion",version="1"}' in metrics
    assert "mainspring_champion_version 1.0" in metrics


def test_too_many_requests_at_a_time_are_told_to_come_again(case):
    with serve(with_serving(case.use_case, max_concurrency=1)) as client:
        service = client.app.state.service
        with service.hold_place():
            refused = client.post(V1, json={"instances": [ROW]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert client.post(V1, json={"instances": [ROW]}).status_code == 200


def test_without_ledger_mlflow_and_store_it_goes_on(case, monkeypatch):
    with serve(with_serving(case.use_case)) as client:
        with monkeypatch.context() as patch:
            for name in ("LEDGER_URL", "MLFLOW_URI", "FEAST_REGISTRY"):
                patch.setenv(f"MAINSPRING_{name}", "postgresql://nobody@127.0.0.1:1/none")
            patch.setenv("MAINSPRING_FEAST_ONLINE", "redis://127.0.0.1:1")
            forget()
            client.app.state.service.refresh()
            given_all = client.post(V1, json={"instances": [ROW]})
            read = client.post(V1, json={"instances": [{"parcel": "P1"}]})
            health = client.get("/health").json()
        forget()
    assert (given_all.status_code, read.status_code) == (200, 200)
    assert read.json()["predictions"][0]["missing_features"] == 4
    assert health["status"] == "problems"
    assert health["route"]["champion"] == 1


def test_before_the_first_champion_it_is_not_ready(case, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MAINSPRING_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
        forget()
        with serve(with_serving(case.use_case)) as client:
            assert client.get("/v2/health/ready").status_code == 503
            refused = client.post(V1, json={"instances": [ROW]})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert client.get("/health").json()["status"] == "starting"
    forget()


def test_a_slow_store_is_given_up(case):
    with serve(with_serving(case.use_case, timeout_seconds=0.2)) as client:
        reader = client.app.state.service._reader
        reader.read = lambda *_: time.sleep(1)
        late = client.post(V1, json={"instances": [{"parcel": "unknown"}]})
    assert (late.status_code, late.headers["retry-after"]) == (503, "1")

"""Rows that are pushed over HTTP: on disk before the response, and through ingest's one door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from configs.settings import settings
from tasks.features.online_store import publish_features
from tasks.serving.received.pushed_rows import land_pushed_rows
from tests.support.parcel_rows import APRIL, DAY, HOUR
from tests.support.served_case import NOW, served_case
from tests.support.served_requests import serving
from tests.support.small_case import SmallCase

pytestmark = pytest.mark.system
TABLE, V1 = "/tables/parcels", "/v1/models/parcels:predict"
PUSHED = NOW + HOUR


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    folder, tables = tmp_path_factory.mktemp("pushed"), {"names": ["parcels"], "views": ["parcels"]}
    with served_case(folder, tables=tables, max_rows=50) as parcels:
        yield parcels


@pytest.fixture
def client(case: SmallCase) -> Iterator[TestClient]:
    with serving(case.use_case, lambda: PUSHED) as client:
        yield client


def sent_parcel(name: str, **changes: Any) -> dict[str, Any]:
    sent = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    row = {"parcel": name, "depot": "north", "weight": 9.5, "items": 2, "fragile": True}
    return row | {"sent": sent, "damaged": 0} | changes


def push(case: SmallCase, *bodies: dict[str, Any], key: str = "") -> None:
    """Push bodies, each by a server of its own, as different workers would."""
    for body in bodies:
        with serving(case.use_case, lambda: PUSHED) as client:
            headers = {"Idempotency-Key": key} if key else {}
            answer = client.post(TABLE, json=body, headers=headers)
        assert answer.status_code == 202, answer.text


def test_an_event_changes_the_features_of_the_next_request(case):
    with serving(case.use_case, lambda: PUSHED) as client:
        before = client.post(V1, json={"instances": [{"parcel": "pushed"}]}).json()
        assert client.post(TABLE, json={"rows": [sent_parcel("pushed")]}).json() == {"rows": 1}
    case.ingest(PUSHED)
    publish_features(case.use_case, PUSHED, ["parcels"])
    with serving(case.use_case, lambda: PUSHED) as client:
        after = client.post(V1, json={"instances": [{"parcel": "pushed"}]}).json()
    missing = [each["predictions"][0]["missing_features"] for each in (before, after)]
    assert missing == [4, 0]


def test_the_same_id_is_taken_once_by_any_worker(case):
    body = {"id": "batch 1", "rows": [sent_parcel("once")]}
    late = {"id": "batch 1", "rows": [sent_parcel("once", weight=1.0, sent="2024-04-10T12:00:00Z")]}
    push(case, body, body, late)
    bodies = [{"rows": [sent_parcel(name)]} for name in ("header", "not taken")]
    push(case, *bodies, key="batch 2")
    case.ingest(PUSHED)
    names = case.raw()["parcel"].to_list()
    assert [names.count(each) for each in ("once", "header", "not taken")] == [1, 1, 0]
    case.assert_rows_add_up()


def test_a_spool_file_that_is_landed_again_after_a_kill_is_the_same_file(case, tmp_path):
    line = {"id": "k", "moment": "2024-04-11T01:00:00Z", "rows": [sent_parcel("killed")]}
    for _ in range(2):
        path = tmp_path / "abc.jsonl"
        path.write_text(json.dumps(line) + '\n{"id":"half')
        land_pushed_rows(case.use_case, "parcels", path)
        case.ingest(PUSHED)
    assert case.raw().filter(parcel="killed").height == 1


def test_suites_and_quarantine_judge_pushed_rows(case):
    differing = [sent_parcel("twice"), sent_parcel("twice", weight=0.0)]
    push(case, {"rows": [sent_parcel("good"), *differing]})
    case.ingest(PUSHED)
    assert case.raw().filter(parcel="good").height == 1
    assert case.quarantined().filter(parcel="twice").height == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (TABLE, b"{", 400, None),
        (TABLE, b"[]", 400, "$"),
        (TABLE, {"rows": []}, 400, "$.rows"),
        (TABLE, {"rows": [{"parcel": "a"}]}, 400, "$.rows[0]"),
        (TABLE, {"rows": [sent_parcel("a", weight="9")]}, 400, "$.rows[0].weight"),
        (TABLE, {"rows": [sent_parcel("a", items=2**63)]}, 400, "$.rows[0].items"),
        (TABLE, {"rows": [sent_parcel("a", sent="yesterday")]}, 400, "$.rows[0].sent"),
        (TABLE, {"rows": [sent_parcel("a", sent="2024-04-10T00:00:00")]}, 400, "$.rows[0].sent"),
        (TABLE, {"rows": [sent_parcel("a", sent=None)]}, 400, "$.rows[0].sent"),
        (TABLE, {"rows": [sent_parcel("a", x=1)]}, 400, "$.rows[0]"),
        (TABLE, {"rows": [sent_parcel("a")] * 51}, 413, "$.rows"),
        (TABLE, {"rows": [sent_parcel("a")], "id": "x" * 201}, 400, "$.id"),
        ("/tables/other", {"rows": [sent_parcel("a")]}, 404, None),
        ("/tables/..%2Fparcels", {"rows": [sent_parcel("a")]}, 404, None),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_their_field(client, path, body, status, field):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    refused = client.post(path, **content)
    assert refused.status_code == status, refused.text
    assert refused.json().get("field") == field


def test_rows_are_in_the_spool_before_the_response(client):
    assert client.post(TABLE, json={"rows": [sent_parcel("spooled")]}).status_code == 202
    folder = Path(settings().state) / "serving" / "parcels" / "rows" / "parcels"
    assert any(b'"spooled"' in path.read_bytes() for path in folder.glob("*.jsonl"))


def test_every_type_of_column_lands_as_it_was_sent(case):
    row = sent_parcel(
        "typed", weight=None, items=-7, fragile=False, sent="2024-04-10T13:00:00.25+02:00"
    )
    push(case, {"rows": [row]})
    case.ingest(PUSHED)
    taken = case.raw().filter(parcel="typed").row(0, named=True)
    assert (taken["weight"], taken["items"], taken["fragile"]) == (None, -7, False)
    assert f"{taken['sent']:%H:%M:%S.%f}" == "11:00:00.250000"
    assert case.raw().filter(pl.col("sent") < APRIL - 400 * DAY).is_empty()

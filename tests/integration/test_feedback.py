"""Feedback on predictions: what is taken, whose label it is, and what flags are counted as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.schema.request_table import name_request_case
from configs.settings import settings
from tasks.features.feedback import read_feedback
from tasks.features.retrieval import build_labels
from tasks.model_cards.page import describe_version_history
from tasks.overview.facts import read_model_facts
from tasks.overview.online import build_online_facts
from tests.support.parcel_rows import APRIL, DAY, HOUR, parcel_rows
from tests.support.served_case import NOW, served_case, with_serving
from tests.support.served_requests import ingest_requests, serving
from tests.support.small_case import SmallCase

pytestmark = pytest.mark.system
V1 = "/v1/models/parcels:predict"
TOLD = NOW + HOUR
PARCELS = parcel_rows(APRIL)["parcel"].to_list()
WINDOW = (APRIL, NOW + DAY)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    """Twenty parcels are predicted by request, the others by batch; callers say what they think."""
    folder = tmp_path_factory.mktemp("told")
    flagged = {"share": 0.1, "count": 2}
    with served_case(folder, log={}, feedback={"flagged": flagged}) as parcels:
        rows = [{"parcel": name} for name in [*PARCELS[:20], "unseen"]]
        with serving(parcels.use_case, lambda: NOW - HOUR) as client:
            request = client.post(V1, json={"instances": rows}).json()["request_id"]
        ingest_requests(parcels.use_case, NOW)
        parcels.score(NOW)
        feedback = [
            {"request_id": request, "row": 0, "label": 1, "by": "ann"},
            {"request_id": request, "row": 1, "flag": True, "comment": "<b>no</b>", "by": "ann"},
            {"key": {"parcel": PARCELS[25]}, "label": False, "by": "bob"},
            {"key": {"parcel": "unseen"}, "label": 1, "flag": True, "by": "bob", "id": "b1"},
            {"key": {"parcel": "nowhere"}, "flag": True, "by": "eve"},
        ]
        with serving(parcels.use_case, lambda: TOLD) as client:
            taken = client.post("/feedback", json=feedback)
            again = client.post("/feedback", json=feedback[3])
        assert (taken.status_code, again.status_code) == (202, 202)
        assert again.json() == {"ids": ["b1"]}
        ingest_requests(parcels.use_case, TOLD + HOUR)
        yield parcels


def test_it_is_joined_with_its_prediction_once_an_id(case):
    told = read_feedback(case.use_case, TOLD + HOUR)
    versions = dict(told.select("parcel", "model_version").iter_rows())
    expected = dict.fromkeys([PARCELS[0], PARCELS[1], PARCELS[25], "unseen"], 1)
    assert versions == {**expected, "nowhere": None}
    assert told.height == 5
    assert read_feedback(case.use_case, TOLD - HOUR).is_empty()


def test_a_label_counts_from_its_own_moment_and_a_flag_never(case):
    before = build_labels(case.use_case, *WINDOW, TOLD - HOUR / 2)
    told = build_labels(case.use_case, *WINDOW, TOLD)
    assert before.is_empty()
    labels = dict(told.select("parcel", "damaged").iter_rows())
    assert labels == {PARCELS[0]: 1, PARCELS[25]: 0, "unseen": 1}
    assert told["label_known_time"].unique().to_list() == [TOLD]


def test_the_label_of_the_tables_takes_the_place_of_feedback(case):
    known = build_labels(case.use_case, *WINDOW, NOW + 4 * DAY)
    truth = dict(parcel_rows(APRIL).select("parcel", "damaged").iter_rows())
    labels = dict(known.select("parcel", "damaged").iter_rows())
    assert labels == {**truth, "unseen": 1}


def test_labels_of_feedback_may_be_left_out(case):
    use_case = with_serving(case.use_case, log={}, feedback={"labels": False})
    assert build_labels(use_case, *WINDOW, TOLD).is_empty()


def test_a_file_of_feedback_takes_the_same_door(case):
    folder = Path(settings().landing) / name_request_case("parcels") / "feedback"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "feedback_id,moment,request_id,row,keys,label,flag,comment,by\n"
    lines += f'f1,{TOLD:%Y-%m-%dT%H:%M:%SZ},,,"{{""parcel"": ""{PARCELS[30]}""}}",1.0,,,carl\n'
    (folder / "week.csv").write_text(lines)
    ingest_requests(case.use_case, TOLD + HOUR)
    labels = build_labels(case.use_case, *WINDOW, TOLD)
    assert labels.filter(parcel=PARCELS[30])["damaged"].to_list() == [1]


def test_flags_are_measured_and_shown_by_version(case):
    measured = case.monitor(NOW + 2 * HOUR).filter(subject="flagged:predictions").row(0, named=True)
    assert (measured["value"], measured["rows"]) == (pytest.approx(2 / 33), 33)
    assert measured["verdict"] == "ok"
    online = build_online_facts(read_model_facts(case.use_case, NOW + 2 * HOUR))
    assert online is not None
    assert online.feedback is not None
    assert online.feedback.records()[0]["flags"] == "2"
    assert online.examples is not None
    assert "<b>no</b>" in {row["comment"] for row in online.examples.records()}
    told = read_feedback(case.use_case, TOLD)
    story = describe_version_history(case.ledger(), 1, told).story
    assert "## Feedback" in story
    assert "<b>no</b>" not in story


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[]", "$"),
        (b'{"by": "a", "label": NaN}', None),
        ({"request_id": "x", "label": 1}, "$"),
        ({"by": "a", "label": 1}, "$[0]"),
        ({"by": "a", "request_id": "x", "key": {"parcel": "P"}, "flag": True}, "$[0]"),
        ({"by": "a", "request_id": "x"}, "$[0]"),
        ({"by": "a", "request_id": "x", "row": -1, "flag": True}, "$.row"),
        ({"by": "a", "request_id": "x", "label": 2}, "$[0].label"),
        ({"by": "a", "request_id": "x", "label": "yes"}, "$[0].label"),
        ({"by": "a", "key": {"other": 1}, "flag": True}, "$[0].key"),
        ({"by": "a", "key": {"parcel": 1}, "flag": True}, "$[0].key.parcel"),
        ([{"by": "a", "request_id": "x", "flag": True}, {"by": "b", "x": 1}], "$[1]"),
        ({"by": "", "request_id": "x", "flag": True}, "$.by"),
    ],
)
def test_feedback_that_says_nothing_is_refused_with_its_field(case, body, field):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    with serving(case.use_case, lambda: TOLD) as client:
        refused = client.post("/feedback", **content)
    assert refused.status_code == 400, refused.text
    assert refused.json().get("field") == field


def test_without_the_section_it_is_not_taken(case):
    with serving(with_serving(case.use_case), lambda: TOLD) as client:
        assert client.post("/feedback", json={}).status_code == 404
        assert client.post("/tables/parcels", json={}).status_code == 404

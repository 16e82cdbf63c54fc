"""Names of MLflow runs, and addresses of its pages."""

import pytest

from tasks.models.mlflow.links import build_model_url, build_run_url, build_version_url
from tasks.models.mlflow.runs import describe_origin


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("train:2013-07-15", "training"),
        ("alert:episode:performance:calibration_gap_5w:2013-07-15:2013-07-15",
         "calibration gap 5w"),
        ("alert:episode:drift:carrier:2013-07-15:2013-07-22", "carrier"),
        ("alert:odd", "alert:odd"),
        ("benchmark", "benchmark"),
        ("", ""),
    ],
)  # fmt: skip
def test_origin_of_a_version_in_words(origin, words):
    assert describe_origin(origin) == words


def test_addresses_of_mlflow_lead_to_its_pages(home):
    assert build_model_url("parcels").endswith("/#/models/parcels")
    assert build_version_url("parcels", 3).endswith("/#/models/parcels/versions/3")
    assert build_run_url("7", "abc").endswith("/#/experiments/7/runs/abc")

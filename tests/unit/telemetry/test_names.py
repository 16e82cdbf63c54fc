"""The registry of metrics: what servers, rules and dashboards use is in it, and nothing else."""

from __future__ import annotations

import json
import re

import pytest

from configs.settings import ROOT
from tasks.serving.metrics import ServingMetrics
from tasks.telemetry.names import SERVING_METRICS, find_exported_metric, list_exported_metrics

OBSERVABILITY = ROOT / "infra" / "observability"
FILES = sorted([*OBSERVABILITY.rglob("*.yml"), *OBSERVABILITY.rglob("*.json")])
SERIES = re.compile(r"\bmainspring_(?!token)[a-z_]+")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_rules_and_dashboards_use_registered_names(file) -> None:
    known = {series for each in list_exported_metrics() for series in each.series}
    assert set(SERIES.findall(file.read_text())) <= known


def test_every_metric_of_the_models_is_on_a_dashboard_or_in_a_rule() -> None:
    used = {name for file in FILES for name in SERIES.findall(file.read_text())}
    unused = {each.name for each in list_exported_metrics() if not used & set(each.series)}
    assert unused == {"mainspring_summary_timestamp_seconds"}


def test_labels_of_rules_and_dashboards_are_those_of_the_metrics() -> None:
    """`{{label}}` of a legend or annotation, and `by (…)`, name labels that some metric has."""
    text = "\n".join(file.read_text() for file in FILES)
    used = {*re.findall(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}", text)}
    used |= {label for part in re.findall(r"(?:by|on) \(([a-z_, ]+)\)", text)
             for label in re.split(r"[ ,]+", part)}  # fmt: skip
    known = {label for each in list_exported_metrics() for label in each.labels}
    assert used - known <= {"le", "job", "instance"}


def test_a_prediction_server_exports_exactly_its_metrics() -> None:
    metrics = ServingMetrics()
    metrics.count_request("v1", 200, 0.1)
    text = metrics.render().decode()
    exported = set(re.findall(r"# TYPE (mainspring_\w+) (\w+)", text))
    assert exported - {each for each in exported if each[0].endswith("_created")} == {
        (each.series[0] if each.kind == "counter" else each.name, each.kind)
        for each in SERVING_METRICS
    }


def test_names_are_unique_and_well_formed() -> None:
    names = [series for each in list_exported_metrics() for series in each.series]
    assert len(names) == len(set(names))
    for each in list_exported_metrics():
        assert re.fullmatch(r"mainspring_[a-z][a-z0-9_]*[a-z0-9]", each.name)
        assert not each.name.endswith("_total")  # the client adds it
        assert each.text
    with pytest.raises(KeyError):
        find_exported_metric("unknown")


def test_dashboards_are_json_with_panels_that_do_not_overlap() -> None:
    for file in OBSERVABILITY.rglob("*.json"):
        panels = json.loads(file.read_text())["panels"]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
        assert len(set(places)) == len(places) > 4

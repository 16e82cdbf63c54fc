"""Grafana dashboards, generated: `python -m infra.observability.dashboards` writes their JSON.

A dashboard is plain JSON, and this module uses the few fields of it that a panel needs. So there is
no dependency on an SDK, whose versions follow Grafana's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.storage.atomic import write_atomically

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
_DATA_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
PanelKind = Literal["timeseries", "stat", "table"]


@dataclass(frozen=True)
class Panel:
    """One panel: its title, its queries by legend, and how it is drawn.

    Attributes:
        title: text above it.
        queries: expressions of Prometheus by their legend.
        kind: lines, last numbers, or a table of the last numbers.
        unit: Grafana's name of the unit.
        text: help that the panel shows.
    """

    title: str
    queries: dict[str, str]
    kind: PanelKind = "timeseries"
    unit: str = "short"
    text: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard: the name of its file, its title, and its panels, two in a row."""

    name: str
    title: str
    panels: Sequence[Panel]
    variables: dict[str, str] = field(default_factory=dict)


_OF_MODEL = '{use_case=~"$use_case"}'
MODELS = Dashboard(
    "models",
    "Mainspring: models",
    (
        Panel("State", {"{{use_case}}: {{state}}": f"mainspring_model_state{_OF_MODEL}"}, "stat"),
        Panel(
            "Champion", {"{{use_case}}": f"mainspring_model_champion_version{_OF_MODEL}"}, "stat"
        ),
        Panel(
            "Age of the champion",
            {"{{use_case}}": f"time() - mainspring_model_champion_timestamp_seconds{_OF_MODEL}"},
            unit="s",
        ),
        Panel(
            "Time since the newest row, label, prediction and window",
            {
                "{{use_case}} {{source}}": "time() - "
                f"mainspring_model_arrival_timestamp_seconds{_OF_MODEL}",
                "deadline of {{use_case}} {{source}}": "mainspring_model_deadline_seconds"
                f"{_OF_MODEL}",
            },
            unit="s",
        ),
        Panel(
            "Metrics of the last window",
            {"{{use_case}} {{metric}}": f"mainspring_model_performance{_OF_MODEL}"},
        ),
        Panel(
            "Metrics as a share of their limits",
            {
                "{{use_case}} {{metric}}": f"mainspring_model_performance{_OF_MODEL} / on "
                f"(use_case, metric) mainspring_model_performance_limit{_OF_MODEL}"
            },
            unit="percentunit",
            text="Which side of 100% is bad depends on the metric: see the label `bad`.",
        ),
        Panel(
            "Drift as a share of its limit, ten largest",
            {
                "{{use_case}} {{input}}": f"topk(10, mainspring_model_drift{_OF_MODEL} / on "
                f"(use_case, input) mainspring_model_drift_limit{_OF_MODEL})"
            },
            unit="percentunit",
        ),
        Panel(
            "KPIs of the last window", {"{{use_case}} {{kpi}}": f"mainspring_model_kpi{_OF_MODEL}"}
        ),
        Panel(
            "Open episodes",
            {"{{use_case}} {{kind}} {{severity}}": f"mainspring_model_open_episodes{_OF_MODEL}"},
        ),
        Panel(
            "Labelled share of the last window",
            {"{{use_case}}": f"mainspring_model_coverage_ratio{_OF_MODEL}"},
            unit="percentunit",
        ),
        Panel(
            "Due rows without a prediction",
            {"{{use_case}}": f"mainspring_model_missing_predictions{_OF_MODEL}"},
        ),
        Panel(
            "Unanswered requests",
            {"{{use_case}} {{request}}": f"mainspring_model_unanswered_requests{_OF_MODEL}"},
        ),
        Panel(
            "Runs that failed within a day",
            {"{{use_case}} {{flow}}": f"mainspring_failed_runs{_OF_MODEL}"},
        ),
    ),
    {"use_case": "mainspring_model_state"},
)
SERVING = Dashboard(
    "serving",
    "Mainspring: prediction servers",
    (
        Panel(
            "Requests a second by status",
            {
                "{{use_case}} {{protocol}} {{status}}": "sum by (use_case, protocol, status) "
                f"(rate(mainspring_requests_total{_OF_MODEL}[5m]))"
            },
            unit="reqps",
        ),
        Panel(
            "Time of a request",
            {
                f"{{{{use_case}}}} p{share}": f"histogram_quantile(0.{share}, sum by "
                f"(use_case, le) (rate(mainspring_request_seconds_bucket{_OF_MODEL}[5m])))"
                for share in (50, 99)
            },
            unit="s",
        ),
        Panel(
            "Predictions a second by version and arm",
            {
                "{{use_case}} v{{version}} {{arm}}": "sum by (use_case, version, arm) "
                f"(rate(mainspring_predictions_total{_OF_MODEL}[5m]))"
            },
        ),
        Panel(
            "Missing and stale features a second",
            {
                "{{use_case}} missing": "sum by (use_case) "
                f"(rate(mainspring_missing_features_total{_OF_MODEL}[5m]))",
                "{{use_case}} stale": "sum by (use_case) "
                f"(rate(mainspring_stale_features_total{_OF_MODEL}[5m]))",
            },
        ),
        Panel(
            "Errors a second",
            {
                "{{use_case}} online store": "sum by (use_case) "
                f"(rate(mainspring_online_store_errors_total{_OF_MODEL}[5m]))",
                "{{use_case}} request log": "sum by (use_case) "
                f"(rate(mainspring_request_log_errors_total{_OF_MODEL}[5m]))",
                "{{use_case}} shadow": "sum by (use_case) "
                f"(rate(mainspring_failed_shadows_total{_OF_MODEL}[5m]))",
            },
        ),
        Panel(
            "Events of the stream a second by outcome",
            {
                "{{use_case}} {{outcome}}": "sum by (use_case, outcome) "
                f"(rate(mainspring_stream_events_total{_OF_MODEL}[5m]))"
            },
        ),
        Panel(
            "Time from event to answer, 99%",
            {
                "{{use_case}}": "histogram_quantile(0.99, sum by (use_case, le) "
                f"(rate(mainspring_stream_seconds_bucket{_OF_MODEL}[5m])))"
            },
            unit="s",
        ),
        Panel(
            "Events that wait",
            {
                "{{use_case}} new": f"sum by (use_case) (mainspring_stream_waiting{_OF_MODEL})",
                "{{use_case}} read": f"sum by (use_case) (mainspring_stream_pending{_OF_MODEL})",
            },
        ),
        Panel(
            "Failures to reach the broker",
            {
                "{{use_case}}": "sum by (use_case) "
                f"(increase(mainspring_broker_errors_total{_OF_MODEL}[5m]))"
            },
        ),
        Panel(
            "Version that predicts",
            {"{{use_case}}": f"max by (use_case) (mainspring_champion_version{_OF_MODEL})"},
            "stat",
        ),
    ),
    {"use_case": "mainspring_champion_version"},
)
DASHBOARDS = (MODELS, SERVING)


def render_dashboard(dashboard: Dashboard) -> str:
    """Return the JSON of a dashboard, byte for byte as it is on disk."""
    content = {
        "uid": f"mainspring-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["mainspring"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-90d", "to": "now"},
        "templating": {"list": [_build_variable(*each) for each in dashboard.variables.items()]},
        "panels": [_build_panel(place, panel) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1) + "\n"


def write_dashboards() -> None:
    """Write the files of all dashboards."""
    for dashboard in DASHBOARDS:
        write_atomically(FOLDER / f"{dashboard.name}.json", render_dashboard(dashboard))


def _build_variable(label: str, metric: str) -> dict[str, Any]:
    """Return the variable of the values that a label has; at first all are chosen."""
    return {
        "name": label,
        "label": label.replace("_", " "),
        "type": "query",
        "datasource": _DATA_SOURCE,
        "query": f"label_values({metric}, {label})",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _build_panel(place: int, panel: Panel) -> dict[str, Any]:
    x, y = place * _WIDTH % _COLUMNS, place * _WIDTH // _COLUMNS * _HEIGHT
    return {
        "id": place + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _DATA_SOURCE,
        "gridPos": {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _DATA_SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind != "timeseries",
            }
            for number, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    write_dashboards()

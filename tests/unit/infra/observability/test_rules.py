"""Rules and configuration, by Prometheus' and Alertmanager's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from configs.settings import ROOT
from tests.support.programs import find

FOLDER = ROOT / "infra" / "observability"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
DRIFT = 'mainspring_model_drift{use_case="a", input="%s"}'
LIMIT = 'mainspring_model_drift_limit{use_case="a", input="%s", severity="%s"}'
METRIC = 'mainspring_model_performance{use_case="a", metric="%s"}'
BOUND = 'mainspring_model_performance_limit{use_case="a", metric="%s", severity="page", bad="%s"}'
ARRIVED = 'mainspring_model_arrival_timestamp_seconds{use_case="a", source="scored"}'
DEADLINE = 'mainspring_model_deadline_seconds{use_case="a", source="scored"}'
SILENCE = 'mainspring_model_open_episodes{use_case="a", kind="%s", severity="page"}'


def run_tool(tool: str, *arguments: str | Path) -> None:
    command = [find(tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_is_valid() -> None:
    run_tool("promtool", "check", "rules", *RULES)
    run_tool("promtool", "check", "config", "--syntax-only", FOLDER / "prometheus.yml")
    run_tool("amtool", "check-config", FOLDER / "alertmanager.yml")


CASES = [
    # (series by value for an hour, alerts that fire at its end)
    ({DRIFT % "x": 0.3, LIMIT % ("x", "page"): 0.2}, ["MainspringDriftBeyondLimit"]),
    ({DRIFT % "x": 0.1, LIMIT % ("x", "page"): 0.2}, []),
    ({DRIFT % "x": 0.3}, []),  # without a limit
    ({DRIFT % "x": 0.3, LIMIT % ("y", "page"): 0.2}, []),  # of another input
    ({DRIFT % "x": "0.3x9 0.1x60", LIMIT % ("x", "inform"): 0.2}, []),  # it is over
    ({METRIC % "cost_5w": -0.3, BOUND % ("cost_5w", "above"): -0.4},
     ["MainspringPerformanceBeyondLimit"]),
    ({METRIC % "cost_5w": -0.5, BOUND % ("cost_5w", "above"): -0.4}, []),
    ({METRIC % "roc_auc_5w": 0.6, BOUND % ("roc_auc_5w", "below"): 0.7},
     ["MainspringPerformanceBeyondLimit"]),
    ({METRIC % "calibration_gap_5w": -0.1, BOUND % ("calibration_gap_5w", "beyond"): 0.05},
     ["MainspringPerformanceBeyondLimit"]),
    ({METRIC % "calibration_gap_5w": -0.01, BOUND % ("calibration_gap_5w", "beyond"): 0.05}, []),
    ({'mainspring_model_missing_predictions{use_case="a"}': 2}, ["MainspringMissingPredictions"]),
    ({ARRIVED: 0, DEADLINE: 600}, ["MainspringOverdue"]),
    ({ARRIVED: 0, DEADLINE: 600, SILENCE % "silence": 1}, ["MainspringOpenEpisode"]),
    ({ARRIVED: 0, DEADLINE: 6000}, []),
    ({SILENCE % "prometheus": 1}, []),  # it is an alert already
    ({'mainspring_model_state{use_case="a", state="broken"}': 1}, ["MainspringModelUnreadable"]),
    ({'mainspring_model_state{use_case="a", state="alert"}': 1}, []),
    ({'mainspring_failed_runs{use_case="a", flow="score"}': 1}, ["MainspringRunsFailed"]),
    ({'mainspring_prefect_reachable': 0}, ["MainspringPrefectUnreachable"]),
    ({'up{job="reports", instance="r"}': 0}, ["MainspringServerDown"]),
    ({'up{job="other", instance="r"}': 0}, []),
    ({'mainspring_requests_total{use_case="a", status="500"}': "0+1x70",
      'mainspring_requests_total{use_case="a", status="200"}': "0+50x70"},
     ["MainspringServingErrors"]),
    ({'mainspring_requests_total{use_case="a", status="400"}': "0+50x70",
      'mainspring_requests_total{use_case="a", status="200"}': "0+50x70"}, []),
    ({'mainspring_request_seconds_bucket{use_case="a", le="0.1"}': "0+10x70",
      'mainspring_request_seconds_bucket{use_case="a", le="0.5"}': "0+20x70",
      'mainspring_request_seconds_bucket{use_case="a", le="+Inf"}': "0+20x70"},
     ["MainspringServingSlow"]),
    ({'mainspring_serving_problems{use_case="a"}': 1}, ["MainspringServingStale"]),
    ({'mainspring_online_store_errors_total{use_case="a"}': "0+1x70"},
     ["MainspringOnlineStoreDown"]),
    ({'mainspring_alerts_received_total{outcome="refused"}': "0x30 0+1x40"},
     ["MainspringAlertsRefused"]),
]  # fmt: skip


def test_each_rule_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    names = [rule["alert"] for file in RULES for group in yaml.safe_load(file.read_text())["groups"]
             for rule in group["rules"]]  # fmt: skip
    tests = []
    for place, (series, firing) in enumerate(CASES):
        inputs = [
            {"series": name, "values": value if isinstance(value, str) else f"{value}x70"}
            for name, value in series.items()
        ]
        queries = [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                "eval_time": "60m",
                "exp_samples": [{"labels": "{}", "value": int(name in firing)}],
            }
            for name in names
        ]
        tests.append(
            {"name": f"case {place}", "interval": "1m", "input_series": inputs,
             "promql_expr_test": queries}
        )  # fmt: skip
    content = {"rule_files": list(map(str, RULES)), "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(content))
    run_tool("promtool", "test", "rules", tmp_path / "tests.yml")
    covered = {name for _, firing in CASES for name in firing}
    assert set(names) - covered == {"MainspringRequestUnanswered", "MainspringWebhookFails"}


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=Drift use_case=flights severity=inform", "mainspring"),
        ("alertname=Mine use_case=flights", "mainspring"),
        ("alertname=MainspringOpenEpisode use_case=flights ledger=known", "people"),
        ("alertname=MainspringServerDown ledger=known job=prefect", "people"),
        ("alertname=Disk instance=x", "people"),
    ],
)
def test_only_alerts_that_the_ledger_does_not_know_go_to_it(labels: str, receiver: str) -> None:
    config = f"--config.file={FOLDER / 'alertmanager.yml'}"
    run_tool(
        "amtool", "config", "routes", "test", config, f"--verify.receivers={receiver}",
        *labels.split(),
    )  # fmt: skip

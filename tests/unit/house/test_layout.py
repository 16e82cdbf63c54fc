"""Layout: where modules lie, how large files and packages are, and that each module has a test."""

import ast
from pathlib import Path

import pytest

from configs.settings import ROOT
from tests.support.source_code import module_name, parse_module, source_modules

MAX_MODULES = 16  # of a package, `__init__` included
MAX_LINES = 300
COVERED_BY = {
    "checks.alarms": "tests/integration/test_new_champion_is_judged.py",
    "checks.definitions": "tests/integration/test_view_definitions.py",
    "checks.use_case": "tests/use_cases/test_visits.py",
    "evaluation.influence": "tests/unit/promotion/test_gate_looks.py",
    "evaluation.ranking_metrics": "tests/unit/evaluation/test_bootstrap.py",
    "promotion.gate_files": "tests/unit/promotion/test_gate_checks.py",
    "lifecycle.verification": "tests/integration/test_verification.py",
    "evaluation.problem_types": "tests/unit/evaluation/problem_types/test_regression.py",
    "evaluation.problem_types.base": "tests/unit/promotion/test_gate_checks.py",
    "evaluation.problem_types.binary": "tests/unit/promotion/test_gate_checks.py",
    "evaluation.problem_types.multiclass_metrics":
        "tests/unit/evaluation/problem_types/test_multiclass.py",
    "features.champion_columns": "tests/integration/test_view_definitions.py",
    "features.definitions": "tests/integration/test_view_definitions.py",
    "features.feast_command": "tests/integration/test_feast_store.py",
    "features.feast_store": "tests/integration/test_feast_store.py",
    "features.online_store": "tests/integration/test_feast_store.py",
    "features.online_read": "tests/integration/test_predictor.py",
    "features.retrieval": "tests/integration/test_feast_store.py",
    "ingestion.data_docs": "tests/unit/ingestion/test_validation.py",
    "ingestion.feature_refresh": "tests/integration/test_view_definitions.py",
    "ingestion.rule_results": "tests/unit/ingestion/test_validation_page.py",
    "ingestion.ingest": "tests/integration/test_ingest.py",
    "ingestion.lake_types": "tests/integration/test_schema_migration.py",
    "ingestion.landing_rules": "tests/integration/test_landing_rules.py",
    "ingestion.parsing.parse_worker": "tests/unit/ingestion/parsing/test_parse_in_child.py",
    "ingestion.quarantine": "tests/integration/test_ingest.py",
    "ingestion.schema_migration": "tests/integration/test_schema_migration.py",
    "ledger.causes": "tests/unit/ledger/test_evidence.py",
    "ledger.file_digests": "tests/integration/test_recover.py",
    "ledger.keys": "tests/unit/ledger/test_entries.py",
    "ledger.json_values": "tests/unit/ledger/test_evidence.py",
    "ingestion.rows.erased_keys": "tests/unit/row_changes/test_erase.py",
    "ingestion.refusals": "tests/unit/ingestion/test_landing.py",
    "ledger.migrations.versions.baseline": "tests/unit/ledger/test_migrate.py",
    "ledger.migrations.versions.row_digests": "tests/unit/ledger/test_migrate.py",
    "ledger.retrain_cooldown": "tests/unit/monitoring/test_retrain_alerts.py",
    "ledger.refit_entries": "tests/unit/promotion/refitting/test_refit.py",
    "ledger.row_entries": "tests/unit/row_changes/test_release.py",
    "scaffold.column_names": "tests/unit/scaffold/test_sample_shapes.py",
    "scaffold.sample_format": "tests/unit/scaffold/test_sample_shapes.py",
    "scaffold.resolution.columns": "tests/unit/scaffold/resolution/test_resolve.py",
    "scaffold.resolution.inputs": "tests/unit/scaffold/resolution/test_resolve.py",
    "scaffold.column_types": "tests/unit/scaffold/test_sample_shapes.py",
    "storage.file_records": "tests/unit/ingestion/test_landing.py",
    "models.file_integrity": "tests/unit/models/test_registry.py",
    "models.one_file.inputs": "tests/unit/models/one_file/test_graph.py",
    "models.one_file.outputs": "tests/unit/models/one_file/test_graph.py",
    "models.mlflow.versions": "tests/integration/test_recover.py",
    "models.mlflow.links": "tests/unit/models/mlflow/test_runs.py",
    "models.search_record": "tests/unit/training/test_search.py",
    "models.trial": "tests/integration/test_recover.py",
    "models.mlflow.client": "tests/unit/models/test_registry.py",
    "audit.data_versions": "tests/unit/audit/test_archive.py",
    "targets.archives": "tests/targets/test_sagemaker.py",
    "targets.torchserve_driver": "tests/targets/test_torchserve.py",
    "lifecycle.recover": "tests/integration/test_recover.py",
    "lifecycle.lost_versions": "tests/integration/test_recover.py",
    "row_changes.golden_rows": "tests/integration/test_erased_golden_rows.py",
    "overview.chart_data": "tests/unit/overview/test_pages.py",
    "overview.decision_rows": "tests/unit/overview/test_pages.py",
    "overview.facts": "tests/unit/overview/test_pages.py",
    "overview.links": "tests/unit/overview/test_pages.py",
    "overview.slices": "tests/unit/overview/test_pages.py",
    "overview.summary": "tests/unit/overview/test_pages.py",
    "overview.versions": "tests/unit/overview/test_pages.py",
    "reporting.feedback_tables": "tests/integration/test_feedback.py",
    "reporting.web_pages": "tests/unit/overview/test_pages.py",
    "reporting.sparkline": "tests/unit/overview/test_pages.py",
    "monitoring.freshness": "tests/integration/test_freshness.py",
    "monitoring.missing_predictions": "tests/integration/test_rows_add_up.py",
    "monitoring.window": "tests/integration/test_monitor_flow.py",
    "orchestration.dask_affinity": "tests/integration/test_scoring_on_dask.py",
    "orchestration.events": "tests/unit/infra/test_deployments.py",
    "orchestration.failed_runs": "tests/unit/overview/metrics/test_scrape.py",
    "orchestration.flow_runs": "tests/e2e/test_automations.py",
    "orchestration.notification_blocks": "tests/e2e/test_notifications.py",
    "orchestration.parallel": "tests/integration/test_scoring_on_dask.py",
    "orchestration.progress": "tests/integration/test_train_and_score_flows.py",
    "orchestration.started_runs": "tests/e2e/test_loop_on_servers.py",
    "orchestration.run_logs": "tests/integration/test_ingest_flow.py",
    "lifecycle.champion_alias": "tests/faults/test_promote_killed.py",
    "promotion.technical.changes": "tests/unit/promotion/technical/test_watch.py",
    "promotion.paired_rows": "tests/unit/promotion/test_stage_review.py",
    "ledger.limit_entries": "tests/integration/test_new_champion_is_judged.py",
    "monitoring.limits.judged_rows": "tests/integration/test_new_champion_is_judged.py",
    "rehearsal.daily_measures": "tests/unit/rehearsal/test_played_monitor.py",
    "rehearsal.faults": "tests/unit/rehearsal/test_played_monitor.py",
    "rehearsal.match_workers": "tests/property/test_rehearsed_rates.py",
    "rehearsal.page": "tests/integration/test_new_champion_is_judged.py",
    "rehearsal.played_gate": "tests/property/test_rehearsed_rates.py",
    "rehearsal.prepare": "tests/integration/test_new_champion_is_judged.py",
    "rehearsal.run": "tests/property/test_rehearsed_rates.py",
    "rehearsal.stated_delays": "tests/property/test_rehearsed_rates.py",
    "rehearsal.tables": "tests/integration/test_new_champion_is_judged.py",
    "rehearsal.twins": "tests/unit/rehearsal/test_day_pool.py",
    "replay.chart": "tests/unit/replay/test_report.py",
    "replay.mlflow_log": "tests/integration/test_replay.py",
    "replay.policy_metrics": "tests/unit/replay/test_compare.py",
    "replay.policy_results": "tests/unit/replay/test_compare.py",
    "replay.policy_worker": "tests/integration/test_replay.py",
    "replay.simulate": "tests/integration/test_replay.py",
    "replay.subprocesses": "tests/integration/test_replay_on_dask.py",
    "reporting.chart_style": "tests/unit/monitoring/test_history_chart.py",
    "reporting.html": "tests/unit/reporting/test_table.py",
    "reporting.ledger_tables": "tests/unit/flows/cli/views/test_status.py",
    "reporting.markdown": "tests/unit/reporting/test_table.py",
    "model_cards.registration": "tests/unit/models/test_registry.py",
    "model_cards.limits": "tests/unit/model_cards/test_text.py",
    "model_cards.measured_rows": "tests/integration/test_refit.py",
    "model_cards.charts": "tests/unit/model_cards/test_page.py",
    "reporting.problem_type_text": "tests/unit/model_cards/test_text.py",
    "row_changes.repair": "tests/unit/row_changes/test_release.py",
    "scaffold.plan": "tests/unit/scaffold/resolution/test_resolve.py",
    "scoring.due_rows": "tests/integration/test_rows_add_up.py",
    "scoring.explain": "tests/integration/test_explain.py",
    "features.feedback": "tests/integration/test_feedback.py",
    "monitoring.online.flagged_predictions": "tests/integration/test_feedback.py",
    "overview.online": "tests/integration/test_feedback.py",
    "row_changes.erase_requests": "tests/integration/test_logged_requests.py",
    "scoring.logged_inputs": "tests/integration/test_logged_requests.py",
    "scoring.logged_predictions": "tests/integration/test_logged_requests.py",
    "scoring.replayed_requests": "tests/integration/test_logged_requests.py",
    "storage.logged_requests": "tests/integration/test_logged_requests.py",
    "scoring.partitions": "tests/integration/test_scoring_routes.py",
    "scoring.plan": "tests/integration/test_rows_add_up.py",
    "serving.app": "tests/integration/test_prediction_server.py",
    "serving.explanation": "tests/integration/test_prediction_server.py",
    "models.row_contributions": "tests/unit/models/test_shapley.py",
    "serving.protocols.grpc_messages": "tests/targets/test_clients.py",
    "serving.protocols.grpc_server": "tests/targets/test_clients.py",
    "serving.protocols.v2_binary": "tests/integration/test_binary_tensors.py",
    "serving.received.feedback": "tests/integration/test_feedback.py",
    "serving.received.pages": "tests/integration/test_feedback.py",
    "serving.received.pushed_rows": "tests/integration/test_pushed_rows.py",
    "serving.spooled.landed_requests": "tests/e2e/test_serve_command.py",
    "serving.spooled.retention": "tests/integration/test_logged_requests.py",
    "serving.spooled.spool": "tests/e2e/test_serve_command.py",
    "serving.metrics": "tests/integration/test_prediction_server.py",
    "serving.openapi": "tests/integration/test_prediction_server.py",
    "serving.opened_version": "tests/integration/test_predictor.py",
    "serving.predictor": "tests/integration/test_predictor.py",
    "serving.protocols.shape": "tests/integration/test_prediction_server.py",
    "serving.protocols.v1": "tests/integration/test_prediction_server.py",
    "serving.protocols.v2": "tests/integration/test_prediction_server.py",
    "serving.request_log": "tests/e2e/test_serve_command.py",
    "serving.route_keeper": "tests/integration/test_predictor.py",
    "serving.row_schema": "tests/integration/test_prediction_server.py",
    "serving.service": "tests/integration/test_prediction_server.py",
    "serving.status_pages": "tests/integration/test_prediction_server.py",
    "streaming.broker": "tests/unit/streaming/test_stream_schema.py",
    "streaming.connect": "tests/unit/streaming/test_stream_schema.py",
    "streaming.consumer": "tests/integration/test_stream.py",
    "streaming.kafka_broker": "tests/integration/test_kafka_stream.py",
    "streaming.metrics": "tests/integration/test_stream.py",
    "streaming.predict_events": "tests/integration/test_stream.py",
    "storage.purge": "tests/unit/row_changes/test_erase.py",
    "training.candidate": "tests/integration/test_train_and_score_flows.py",
    "training.pipeline": "tests/integration/test_train_and_score_flows.py",
    "training.learners.estimators": "tests/unit/training/test_fit.py",
    "training.learners.foreign_converters": "tests/unit/training/learners/test_onnx_conversion.py",
    "training.learners.libraries": "tests/unit/training/learners/test_onnx_conversion.py",
    "targets.follow": "tests/integration/test_targets_follow.py",
    "targets.folder_driver": "tests/integration/test_targets_follow.py",
    "targets.sagemaker_driver": "tests/targets/test_sagemaker.py",
    "training.refit": "tests/integration/test_refit.py",
    "training.reproduce": "tests/integration/test_explain.py",
    "training.reproduce_worker": "tests/integration/test_explain.py",
}  # fmt: skip
"""Modules without a unit test of their own, and the test that runs them."""


def packages() -> list[Path]:
    folders = {path.parent for path in source_modules().values()}
    return sorted(folder for folder in folders if (folder / "__init__.py").exists())


def has_logic(path: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(parse_module(path)))


def unit_test_of(module: Path) -> Path:
    name = module.parent.name if module.stem == "__init__" else module.stem
    return ROOT / "tests" / "unit" / module.relative_to(ROOT / "tasks").parent / f"test_{name}.py"


def test_tasks_holds_packages_only() -> None:
    assert [path.name for path in (ROOT / "tasks").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("package", packages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_package_has_at_most_16_modules(package: Path) -> None:
    assert len([*package.glob("*.py")]) <= MAX_MODULES


def test_files_have_at_most_300_lines() -> None:
    paths = [*source_modules().values(), *(ROOT / "tests").rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_every_task_module_has_a_unit_test_or_a_covering_test() -> None:
    modules = [path for path in (ROOT / "tasks").rglob("*.py") if has_logic(path)]
    modules = [path for path in modules if path.name != "prefect_tasks.py"]  # wrappers of others
    missing = [module_name(path) for path in modules if not unit_test_of(path).exists()]
    assert {name.removeprefix("tasks.") for name in missing} == {*COVERED_BY}
    assert [path for path in COVERED_BY.values() if not (ROOT / path).exists()] == []

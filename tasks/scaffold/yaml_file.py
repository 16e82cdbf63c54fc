"""The YAML file of a new use case."""

from __future__ import annotations

from tasks.scaffold.plan import ScaffoldPlan, Schedule, TablePlan
from tasks.scaffold.source_text import flow, quoted, scalar
from tasks.scaffold.time_spans import TimeSpans

_SCHEDULES: dict[Schedule, dict[str, str]] = {
    "hourly": {
        "ingest": "10 * * * *", "materialize": "15 * * * *", "score": "20 * * * *",
        "monitor": "30 4 * * 1", "train": "0 5 1 * *", "score_window": "1d",
    },
    "daily": {
        "ingest": "0 3 * * *", "materialize": "20 3 * * *", "score": "40 3 * * *",
        "monitor": "30 4 * * 1", "train": "0 5 1 * *", "score_window": "1d",
    },
    "weekly": {
        "ingest": "0 3 * * 1", "materialize": "20 3 * * 1", "score": "40 3 * * 1",
        "monitor": "30 4 * * 1", "train": "0 5 1 * *", "score_window": "7d",
    },
}  # fmt: skip

_CANDIDATES = {
    "binary": ("linear_model.LogisticRegression", "max_iter: 300", "Classifier"),
    "regression": ("linear_model.Ridge", "alpha: 1.0", "Regressor"),
    "multiclass": ("linear_model.LogisticRegression", "max_iter: 300", "Classifier"),
}

_COST = {
    "binary": "{false_positive: 1, false_negative: 1}   # what each wrong decision costs you",
    "regression": "{over: 1, under: 1}   # what one unit too much, or too little, costs you",
    "multiclass": "{wrong: 1}   # what a wrong class costs you; exceptions: {CLASS: {DECIDED: 5}}",
}


def write_yaml(plan: ScaffoldPlan, spans: TimeSpans) -> str:
    """configs/<name>.yaml."""
    parts = [
        f"# {plan.label.name} of the rows of {plan.subject.name}, as soon as they are known.",
        f"name: {plan.name}",
        f"title: {scalar(f'What will {plan.label.name} be?')}",
        f"expectations: expectations.{plan.name}",
        "",
        "tables:                       # what lands; every time is UTC",
        *(_table(table) for table in plan.tables.values()),
        "",
        "spine:",
        flow("  keys: ", [scalar(key) for key in plan.subject.keys]),
        "",
        "label:",
        f"  column: {plan.label.name}",
        f"  kind: {plan.label.kind}",
        *_classes(plan),
        "",
        _features(plan),
        "",
        _judgement(plan, spans),
        "",
        "schedules:",
        *(f'  {name}: "{line}"' for name, line in _SCHEDULES[plan.schedule].items()),
    ]
    return "\n".join(parts) + "\n"


def _classes(plan: ScaffoldPlan) -> list[str]:
    """The classes, if there are some, in quotes: YAML takes yes and 1 for something else."""
    names = [quoted(name) for name in plan.label.classes]
    return [flow("  classes: ", names)] if names else []


def _table(table: TablePlan) -> str:
    columns = [f"{scalar(name)}: {kind}" for name, kind in table.sample.columns.items()]
    lines = [
        f"  {table.name}:",
        f"    files: {table.name}/*.{table.sample.suffix}",
        flow("    columns: ", columns, "{}"),
        flow("    keys: ", [scalar(key) for key in table.keys]),
    ]
    if table.known_from:
        lines += [f"    known_from: {table.known_from:%Y-%m-%d}      # it has no times"]
    else:
        lines += [
            f"    event_time: {scalar(table.event)}",
            f"    known_time: {scalar(table.known)}",
        ]
    return "\n".join([*lines, f"    suite: {table.name}"])


def _features(plan: ScaffoldPlan) -> str:
    inputs = [each for table in plan.views for each in table.inputs]
    categories = [each.name for each in inputs if each.categorical]
    left = [f"{t.name}.{c} ({why})" for t in plan.views for c, why in t.left_out.items()]
    return "\n".join(
        [
            "features:",
            f"  module: feature_repo.{plan.name}.transforms",
            flow("  views: ", [table.name for table in plan.views]),
            f"  service: {plan.name}_v1",
            flow("  numeric: ", [each.name for each in inputs if not each.categorical]),
            flow("  categorical: ", [*plan.known_categories, *categories]),
            *(f"  # left out: {what}" for what in left),
        ]
    )


def _judgement(plan: ScaffoldPlan, spans: TimeSpans) -> str:
    linear, params, boosting = _CANDIDATES[plan.label.kind]
    late = (
        f"  # of the holdout, the last {spans.lag} days have no labels yet\n" if spans.lag else ""
    )
    return f"""candidates:
  linear:
    estimator: sklearn.{linear}
    encoding: one_hot
    params: {{{params}}}
  boosting:
    estimator: sklearn.ensemble.HistGradientBoosting{boosting}
    params: {{max_iter: 150, early_stopping: false}}

split:
{late}  validation: {spans.validation}d
  holdout: {spans.holdout}d
  min_rows: {spans.train_rows}

evaluation:
  cost: {_COST[plan.label.kind]}

gate: {{min_rows: {spans.gate_rows}}}

retrain: {{window: {spans.window}d}}"""

"""Files of a new use case, rendered from the templates in `templates/`."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from configs.schema.base import METRICS
from tasks.scaffold.literals import format_python, format_yaml, join_names, require_source
from tasks.scaffold.plan import ScaffoldPlan
from tasks.scaffold.resolution.label import count_beyond
from tasks.scaffold.sample_rows import count_labelled_rows, encode_sample_rows
from tasks.scaffold.suites import profile_suites
from tasks.scaffold.time_spans import choose_time_spans

_TEMPLATES = Path(__file__).parent / "templates"
_LABEL_TYPES = {"regression": "Float64", "multiclass": "String", "binary": "Int8"}
_FEATURE_ARGUMENTS = {
    "numbers": ("number", "time"),
    "counts": ("integer",),
    "texts": ("text",),
    "flags": ("boolean",),
}
"""By argument of feature_repo.declare.view: the column types of its features."""


def render_files(plan: ScaffoldPlan) -> dict[str, bytes]:
    """Return every file of a use case, by its path below the project's root."""
    name, environment, values = plan.name, _environment(), _template_values(plan)
    templates = {
        f"configs/{name}.yaml": "use_case.yaml.j2",
        f"feature_repo/{name}/__init__.py": "__init__.py.j2",
        f"feature_repo/{name}/transforms.py": "transforms.py.j2",
        f"feature_repo/{name}/views.py": "views.py.j2",
        f"expectations/{name}.py": "expectations.py.j2",
        f"tests/use_cases/test_{name}.py": "test_use_case.py.j2",
    }
    sources = {
        path: environment.get_template(template).render(values).encode()
        for path, template in templates.items()
    }
    rows = encode_sample_rows(plan)
    return sources | {f"tests/use_cases/{name}/{file}": content for file, content in rows.items()}


def _environment() -> Environment:
    """Return the template engine; it refuses undefined names, and text that is no literal."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        finalize=require_source,
        autoescape=False,  # the files are source code: the filters below quote, HTML's rules do not
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"py": format_python, "yaml": format_yaml, "names": join_names}
    return environment


def _template_values(plan: ScaffoldPlan) -> dict[str, object]:
    """Return the variables of all templates."""
    views, suites = plan.views, profile_suites(plan)
    inputs = [feature for table in views for feature in table.inputs]
    categorical = [feature.name for feature in inputs if feature.categorical]
    kinds = plan.subject.sample.columns
    entities = {column: kinds[column] for table in views for column in table.join}
    dated = any(feature.kind == "time" for feature in inputs)
    return {
        "plan": plan,
        "spans": choose_time_spans(plan),
        "views": views,
        "numeric": [
            *plan.clock_inputs,
            *(feature.name for feature in inputs if not feature.categorical),
        ],
        "categorical": [*plan.known_categories, *categorical],
        "helpers": _list_helpers(plan, dated=dated),
        "label_table": plan.tables[plan.label.table],
        "label_column_kind": plan.label_column_kind,
        "metric": METRICS[plan.label.kind][0],
        "label_type": _LABEL_TYPES[plan.label.kind],
        "positive": _positive_value(plan),
        "events": _count_events(plan),
        "label_codes": _label_codes(plan),
        "entities": entities,
        "declarations": sorted({"FOREVER", "view", *(f"{kind}_key" for kind in entities.values())}),
        "feature_arguments": _FEATURE_ARGUMENTS,
        "suites": suites,
        "rules": sorted({rule for suite in suites for rule in suite.rules}),
        "labelled_rows": count_labelled_rows(plan),
    }


def _list_helpers(plan: ScaffoldPlan, *, dated: bool) -> list[str]:
    """Return the names that the feature module imports from the baseline."""
    rows = ["upcoming"] if plan.forecast else ["first"]
    return sorted([*["days_since"] * dated, *rows, "known_in", "newest"])


def _label_codes(plan: ScaffoldPlan) -> list[tuple[str, str]]:
    """Return the values of the label's column that are 1 and 0; empty if all others are 0."""
    negatives = [(value, "0") for value in plan.label.negatives]
    return [(plan.label.positive, "1"), *negatives] if negatives else []


def _count_events(plan: ScaffoldPlan) -> tuple[int, int]:
    """Return how many rows of the sample are beyond the label's number, and of how many."""
    if plan.label.beyond is None:
        return 0, 0
    values = plan.tables[plan.label.table].sample.rows[plan.label.column].drop_nulls()
    return count_beyond(values, plan.label.beyond), len(values)


def _positive_value(plan: ScaffoldPlan) -> str | int | float | None:
    """Return the label's positive value by the type of its column; None without one."""
    positive = plan.label.positive
    if plan.label.beyond is not None:
        return plan.label.beyond[1]
    if plan.label_column_kind == "integer" and positive:
        return int(positive)
    if plan.label_column_kind == "number" and positive and isfinite(float(positive)):
        return float(positive)
    return positive or None

"""HTML of the overview: the page of all models, and the page of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from configs.errors import MainspringError
from tasks.overview.alert_rows import build_alert_rows
from tasks.overview.chart_data import build_chart_data
from tasks.overview.decision_rows import build_decision_rows
from tasks.overview.facts import NEVER, ModelFacts
from tasks.overview.links import LinkedText, link_deployments, link_version
from tasks.overview.online import build_online_facts
from tasks.overview.slices import build_slice_table
from tasks.overview.summary import ModelSummary, TrendSummary, build_broken_summary
from tasks.overview.trends import Trend
from tasks.overview.versions import build_version_table
from tasks.reporting.formats import format_number
from tasks.reporting.sparkline import draw_sparkline
from tasks.reporting.table import CellStyle
from tasks.reporting.web_pages import neutralise_data, render_page

_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPT = Markup((_TEMPLATES / "model.js").read_text())
_ORDER = ("broken", "alert", "waits", "ticket", "overdue", "unknown", "new", "well")
STATES: Mapping[str, tuple[str, CellStyle]] = {
    "broken": ("cannot be read", "bad"), "alert": ("alert", "bad"),
    "waits": ("waits for you", "warning"), "ticket": ("ticket", "warning"),
    "overdue": ("overdue", "warning"), "unknown": ("not judged yet", "muted"),
    "new": ("no champion", "muted"), "well": ("well", "good"),
}  # fmt: skip
_REPORTS_SHOWN = 12


@dataclass(frozen=True)
class ShownTrend:
    """A sparkline with its numbers in words."""

    title: str
    picture: Markup
    value: str
    limit: str
    known: bool


def render_index(
    summaries: Mapping[str, ModelSummary], titles: Mapping[str, str],
    broken: Mapping[str, MainspringError],
) -> str:  # fmt: skip
    """Return the page of all models, those that need a person first.

    Args:
        summaries: by name; of use cases that are gone too.
        titles: of all valid use cases.
        broken: the error of each invalid YAML file.
    """
    known = dict(summaries)
    for name, title in titles.items():
        known.setdefault(name, _describe_unseen(name, title))
    for name, error in broken.items():
        before = known.get(name)
        known[name] = build_broken_summary(
            name, before.title if before else name, str(error), before.moment if before else NEVER
        )
    models = sorted(known.values(), key=lambda each: (_ORDER.index(each.state), each.name))
    counts = {state: sum(model.state == state for model in models) for state in _ORDER}
    return render_page(
        _TEMPLATES,
        "index.html.j2",
        models=models,
        pages={name for name, each in summaries.items() if each.state != "broken"},
        states=STATES,
        counts=[(STATES[state], count) for state, count in counts.items() if count],
        trends={model.name: list(map(_show_trend, model.trends)) for model in models},
        newest=max((model.moment for model in models), default=NEVER),
    )


def render_model(facts: ModelFacts, summary: ModelSummary, trends: Sequence[Trend]) -> str:
    """Return the page of one model.

    Args:
        facts: the facts of the model.
        summary: what the page of all models shows of it.
        trends: its trends.
    """
    data = neutralise_data(build_chart_data(facts, list(trends)))
    return render_page(
        _TEMPLATES,
        "model.html.j2",
        loads_scripts=True,
        model=summary,
        state=STATES[summary.state],
        links=_list_links(facts),
        alerts=build_alert_rows(facts.ledger.entries),
        decisions=build_decision_rows(facts.ledger.entries),
        versions=build_version_table(facts),
        slices=build_slice_table(facts),
        online=build_online_facts(facts),
        trends=trends,
        shown=list(map(_show_trend, summary.trends)),
        drifts=_list_drifts(data["drift"]),
        reports=_list_reports(facts, "monitor/", ".html"),
        pictures=_list_reports(facts, "monitor/", ".png"),
        validations=_list_reports(facts, "validation/", ".html"),
        data=data,
        plotly=f"../{plotly_name()}",
        script=_SCRIPT,
    )


def plotly_name() -> str:
    """Return the name of the chart library's file beside the page of all models."""
    from plotly.offline import get_plotlyjs_version

    return f"plotly-{get_plotlyjs_version()}.min.js"


def _show_trend(trend: TrendSummary) -> ShownTrend:
    last = next((value for value in reversed(trend.values) if value is not None), None)
    limit = trend.limits[-1] if trend.limits else None
    word = "at most" if trend.bad_above else "at least"
    now = trend.ruled[-1] if trend.ruled else None
    ruled = f"{format_number(now, 3)} over {trend.rule}, " if trend.rule else ""
    if limit is not None:
        against = f"{ruled}{word} {format_number(limit, 3)}"
    elif trend.reference is not None:
        against = f"holdout {format_number(trend.reference, 3)}, no limit"
    else:
        against = ""
    label = f"{trend.title}: last {format_number(last, 3)}; {against}"
    picture = draw_sparkline(
        trend.values,
        trend.limits,
        trend.reference,
        label,
        judged=trend.ruled if trend.rule else trend.values,
        bad_above=trend.bad_above,
    )
    return ShownTrend(trend.title, picture, format_number(last, 3), against, last is not None)


def _list_links(facts: ModelFacts) -> list[LinkedText]:
    name, version = facts.use_case.name, facts.ledger.champion_version
    links = []
    if version is not None:
        card = f"models/v{version}.html"
        links += [LinkedText(f"card of version {version}", card)] * (card in facts.reports)
        links += [LinkedText(f"version {version} in MLflow", link_version(name, version))]
    links += [LinkedText("deployments in Prefect", link_deployments())]
    kinds = (("monitor/", ".html", "distributions"), ("validation/", ".html", "validation"))
    for folder, suffix, title in kinds:
        newest = _list_reports(facts, folder, suffix)[:1]
        links += [LinkedText(f"newest {title}: {each.text}", each.link) for each in newest]
    return links


def _list_reports(facts: ModelFacts, folder: str, suffix: str) -> list[LinkedText]:
    """Return the newest reports of a folder, by their moment."""
    paths = [p for p in facts.reports if p.startswith(folder) and p.endswith(suffix)]
    names = [(path.removeprefix(folder).removesuffix(suffix), path) for path in reversed(paths)]
    return [
        LinkedText(name[:10] if folder == "monitor/" else _read_day(name), path)
        for name, path in names
        if "/" not in name
    ][:_REPORTS_SHOWN]


def _read_day(name: str) -> str:
    """Return the day of a validation's name, like 20130715T000000Z-0123abcd."""
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}"


def _list_drifts(drift: Mapping[str, Any]) -> list[tuple[str, float, float, str]]:
    """Return input, PSI, limit and verdict of the last window, nearest to its limit first."""
    last = [
        (name, psi[-1], limit[-1], verdict[-1])
        for name, psi, limit, verdict in zip(
            drift["inputs"], drift["psi"], drift["limit"], drift["verdict"], strict=True
        )
        if psi[-1] is not None and limit[-1]
    ]
    return sorted(last, key=lambda row: -row[1] / row[2])


def _describe_unseen(name: str, title: str) -> ModelSummary:
    step = f"Put files into the landing folder, then run ingest/{name} and train/{name}."
    return ModelSummary(name=name, title=title, state="new", step=step, moment=NEVER)

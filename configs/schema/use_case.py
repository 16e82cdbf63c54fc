"""Schema of a use case: a frozen object, read from one YAML file.

An invalid file raises BadConfig with the field, the error and the allowed values.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from configs.row_expressions import find_expression_error
from configs.schema.base import METRICS, ColumnType, Cron, Day, Name, SchemaModel, Span, Zone
from configs.schema.costs import COSTS, ClassCost
from configs.schema.data import Features, Spine, Table
from configs.schema.label import Label
from configs.schema.monitoring import Deadlines, Explanations, Monitor, Notify
from configs.schema.names import find_reserved_names
from configs.schema.promotion import Bake, Direct, Gate, Rollout
from configs.schema.serving import Serving, Stream, Target
from configs.schema.training import Candidate, Evaluation, Kpi, Retrain, Search, Split

TUNED = "tuned"  # the candidate that a search found


class Schedules(SchemaModel):
    """Cron lines (UTC) of the deployments, and how far back a scheduled score run looks."""

    ingest: Cron
    materialize: Cron
    score: Cron
    monitor: Cron
    train: Cron
    reconcile: Cron = "*/5 * * * *"
    watch: Cron = "*/15 * * * *"
    verify: Cron = "45 1 * * *"
    follow: Cron = "* * * * *"
    score_window: Span = Field(
        timedelta(days=1), description="longest time between two score runs; older rows are late"
    )
    score_patience: Span = Field(
        timedelta(days=7), description="how late a row may land and still be scored by itself"
    )


class Demo(SchemaModel):
    """Settings of `mainspring demo`: the module that lands files, and the days."""

    source: str = Field(description="module whose write_landing(folder, start, end) lands files")
    start: Day = Field(description="the first day that lands")
    train_at: Day = Field(description="the day of the first training run")
    end: Day = Field(description="the day after the last one")
    step: Span = timedelta(days=7)

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if not self.start < self.train_at < self.end:
            raise ValueError(
                "start, train_at and end are not in order; list them from early to late"
            )
        return self


class UseCase(SchemaModel):
    """The configuration of one model."""

    name: Name
    title: str
    expectations: str = Field(description="Python module of the suites")
    tables: dict[Name, Table] = Field(min_length=1)
    spine: Spine
    label: Label
    features: Features
    candidates: dict[Name, Candidate] = Field(min_length=1)
    search: Search | None = Field(None, exclude_if=lambda search: search is None)
    split: Split = Split()
    evaluation: Evaluation
    kpis: dict[Name, Kpi] = Field({}, exclude_if=lambda kpis: not kpis)  # as cards without them
    gate: Gate = Gate()
    approval: Literal["automatic", "manual"] = "automatic"
    rollout: Rollout = Direct()
    bake: Bake = Bake()
    monitor: Monitor = Monitor()
    deadlines: Deadlines = Deadlines()
    notify: tuple[Notify, ...] = ()
    explanations: Explanations = Explanations()
    retrain: Retrain = Retrain()
    schedules: Schedules
    demo: Demo | None = None
    serving: Serving | None = None
    stream: Stream | None = None
    targets: dict[Name, Target] = Field({}, description="systems that follow the ledger's route")
    zone: Zone = Field("UTC", description="of a day: blocks of whole days begin at its midnight")
    seed: int = 0

    @property
    def slug(self) -> str:
        """Return the name for an artifact's key, which allows no underscore."""
        return self.name.replace("_", "-")

    @property
    def kpi_columns(self) -> dict[str, ColumnType]:
        """Return the columns that the expression of a KPI may name, with their types."""
        of_kind: dict[str, tuple[str, ColumnType, ColumnType]] = {
            "binary": ("probability", "boolean", "integer"),
            "regression": ("prediction", "number", "number"),
            "multiclass": ("", "text", "text"),
        }
        value, decision, label = of_kind[self.label.kind]
        columns: dict[str, ColumnType] = {"decision": decision, self.label.column: label}
        if value:
            columns[value] = "number"
        types = {
            name: column.type
            for table in self.tables.values()
            for name, column in table.columns.items()
        }
        columns |= {name: types[name] for name in self.spine.key if name in types}
        columns[self.spine.time] = "time"
        columns |= dict.fromkeys(self.features.numeric, "number")
        return columns | dict.fromkeys(self.features.categorical, "text")

    def model_post_init(self, _context: object) -> None:
        """Set a missing metric to the first one of the problem type."""
        for name in ("evaluation", "gate"):
            part: Evaluation | Gate = getattr(self, name)
            if "metric" not in part.model_fields_set:
                first = {"metric": METRICS[self.label.kind][0]}
                object.__setattr__(self, name, part.model_copy(update=first))

    @model_validator(mode="after")
    def _metrics_fit_the_kind(self) -> Self:
        kind, fit = self.label.kind, METRICS[self.label.kind]
        named = {"evaluation.metric": self.evaluation.metric, "gate.metric": self.gate.metric}
        for place, rule in enumerate(self.monitor.performance):
            if rule.metric != "calibration_gap":
                named[f"monitor.performance.{place}.metric"] = rule.metric
        for field, metric in named.items():
            if metric not in fit:
                raise ValueError(
                    f"{field}: {metric} is invalid for a {kind} label (label.kind); use one of "
                    + ", ".join(fit)
                )
        return self

    @model_validator(mode="after")
    def _search_names_a_candidate(self) -> Self:
        if self.search is None:
            return self
        if self.search.candidate not in (None, *self.candidates):
            raise ValueError(
                f"search.candidate: {self.search.candidate!r} not found; name one of "
                + ", ".join(self.candidates)
            )
        if TUNED in self.candidates:
            raise ValueError(f"candidates.{TUNED}: the search's winner has this name; rename it")
        return self

    @model_validator(mode="after")
    def _cost_fits_the_kind(self) -> Self:
        cost, expected = self.evaluation.cost, COSTS[self.label.kind]
        if not isinstance(cost, expected):
            raise ValueError(
                f"evaluation.cost: {', '.join(type(cost).model_fields)} are invalid for a "
                f"{self.label.kind} label (label.kind); use {', '.join(expected.model_fields)}"
            )
        return self

    @model_validator(mode="after")
    def _named_classes_are_there(self) -> Self:
        cost, flagged = self.evaluation.cost, self.explanations.flagged
        named = {
            "evaluation.cost.exceptions": cost.named if isinstance(cost, ClassCost) else (),
            "explanations.flagged": () if isinstance(flagged, bool) else flagged,
        }
        for field, names in named.items():
            for name in names:
                if name not in self.label.classes:
                    classes = ", ".join(self.label.classes) or f"none, kind {self.label.kind}"
                    raise ValueError(
                        f"{field}: class {name!r} not found (label.classes: {classes})"
                    )
        return self

    @model_validator(mode="after")
    def _only_decisions_are_flagged(self) -> Self:
        if self.explanations.flagged is True and self.label.kind != "binary":
            raise ValueError(
                f"explanations.flagged: a {self.label.kind} label has no flagged rows; remove it, "
                "and run mainspring explain for single rows. For classes, name those to explain: "
                "flagged: [late]"
            )
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        names = {
            **{f"tables.{name}.columns": table.columns for name, table in self.tables.items()},
            "spine.keys": self.spine.key,
            "spine.time": (self.spine.time,),
            "label.column": (self.label.column,),
            "features": self.features.inputs,
        }
        for error in find_reserved_names(names):
            raise ValueError(error)
        others = {*self.spine.key, *self.features.inputs, self.label.column}
        for field, time in (
            ("spine.time", self.spine.time),
            ("label.known_time", self.label.known_time),
        ):
            if time in others:
                raise ValueError(
                    f"{field}: {time!r} is also a key, an input or the label. Set `{field}` to "
                    "another name, and return the time under it from the feature module"
                )
        return self

    @model_validator(mode="after")
    def _label_is_no_input(self) -> Self:
        if self.label.column in self.features.inputs:
            raise ValueError(f"features: the label {self.label.column!r} is an input; remove it")
        return self

    @model_validator(mode="after")
    def _opponents_are_numbers(self) -> Self:
        opponents = self.gate.opponents
        if opponents and self.label.kind == "multiclass":
            raise ValueError("gate.opponents: a multiclass label has none; remove it")
        for name in opponents:
            if name == self.label.column or name in self.features.categorical:
                raise ValueError(f"gate.opponents: {name!r} is no numeric input; name another one")
        return self

    @model_validator(mode="after")
    def _kpis_are_numbers(self) -> Self:
        for name, kpi in self.kpis.items():
            if error := find_expression_error(kpi.expression, self.kpi_columns):
                raise ValueError(f"kpis.{name}.expression: {kpi.expression!r:.80} {error}")
        return self

    @model_validator(mode="after")
    def _unit_is_part_of_the_key(self) -> Self:
        for name in getattr(self.rollout, "unit", ()):
            if name not in self.spine.key:
                raise ValueError(
                    f"rollout.unit: {name!r} not found in spine.keys: {', '.join(self.spine.key)}"
                )
        return self

    @model_validator(mode="after")
    def _pushed_names_are_there(self) -> Self:
        pushed = self.serving.tables if self.serving else None
        if pushed is None:
            return self
        for field, names, known in (
            ("names", pushed.names, tuple(self.tables)),
            ("views", pushed.views, self.features.views),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"serving.tables.{field}: {name!r} not found; name some of "
                        + ", ".join(known)
                    )
        return self

    @model_validator(mode="after")
    def _slices_and_drift_are_inputs(self) -> Self:
        for field, names in (
            ("evaluation.slices", [each.column for each in self.evaluation.slices]),
            ("monitor.drift.informs", self.monitor.drift.informs),
        ):
            for name in names:
                if name not in self.features.inputs:
                    raise ValueError(
                        f"{field}: {name!r} is not an input of the model; add it to features, or "
                        "remove it"
                    )
        return self

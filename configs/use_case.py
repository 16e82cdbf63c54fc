"""What a use case is: a frozen object read from one YAML file, and nothing that it does not name.

A wrong file raises BadConfig with the field, what is wrong with it and what is allowed.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from configs.clock import Duration, moment
from configs.costs import COSTS, ClassCost
from configs.errors import BadConfig
from configs.label import Label
from configs.mistakes import explain
from configs.part import METRICS, ColumnType, Cron, Name, Part
from configs.policy import (
    Bake,
    Deadlines,
    Direct,
    Evaluation,
    Explanations,
    Gate,
    Monitor,
    Notify,
    Retrain,
    Rollout,
)
from configs.reading import read_yaml
from configs.settings import settings

OWN_TIME = "_known"
"""The column that a table without times gets as it is taken in: since when its row is known."""


class Table(Part):
    """One table that lands: where its files are, its columns, its keys and its two times (UTC).

    A table without times has `known_from` in their place: what its first run brings counts as
    known (and true) from that moment on, what lands later from when it was found.
    """

    files: str = Field(description="glob below the use case's landing folder; .parquet or .csv")
    columns: dict[str, ColumnType]
    # `keys` in the YAML only: dict(model), by which Prefect walks through parameters, would call it
    key: tuple[str, ...] = Field(min_length=1, alias="keys")
    event_time: str = Field(OWN_TIME, description="column: when it happened")
    known_time: str = Field(OWN_TIME, description="column: when we knew it")
    known_from: Annotated[datetime, AfterValidator(moment)] | None = Field(
        None, description="of a table without times: the moment that its first rows are known from"
    )
    suite: Name = Field(description="function of the expectations module")

    @model_validator(mode="after")
    def _names_are_columns(self) -> Self:
        for name in (*self.key, *self._times()):
            if name not in self.columns:
                raise ValueError(f"{name!r} is not one of the columns: {', '.join(self.columns)}")
        for name in self._times():
            if self.columns[name] != "time":
                raise ValueError(
                    f"{name!r} must be of type time, not {self.columns[name]}: declare it as time "
                    "(its values are UTC, like 2013-01-31T18:05:00Z), or name another column"
                )
        if not self.files.endswith((".parquet", ".csv")):
            raise ValueError(f"{self.files!r} must end in .parquet or .csv")
        return self

    def _times(self) -> tuple[str, ...]:
        """The columns that hold the two times; none of a table without times."""
        named = tuple(name for name in (self.event_time, self.known_time) if name != OWN_TIME)
        if len(named) == (2 if self.known_from is None else 0):
            return named
        raise ValueError(
            "event_time and known_time: name the column of each (one column may be both); a table "
            "without times has neither, but known_from: a day that its rows count as known from"
        )


class Spine(Part):
    """Who is predicted, and when."""

    function: Name = "spine"
    key: tuple[str, ...] = Field(
        min_length=1, alias="keys", description="columns that name one prediction"
    )
    time: str = "prediction_time"


class Features(Part):
    """The feature module, the Feast service that serves the model, and the model's inputs."""

    module: str = Field(description="Python module of transforms, spine and label")
    views: tuple[Name, ...] = Field(min_length=1, description="functions, one feature table each")
    service: Name
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """All inputs of the model, in the order of the matrix's columns."""
        return (*self.numeric, *self.categorical)

    @model_validator(mode="after")
    def _inputs_are_some(self) -> Self:
        twice = {name for name in self.inputs if self.inputs.count(name) > 1}
        if not self.inputs or twice:
            raise ValueError(f"numeric and categorical must name each input once: {sorted(twice)}")
        return self


class Candidate(Part):
    """One scikit-learn estimator to try."""

    estimator: str = Field(pattern=r"^sklearn(\.\w+)+$")
    encoding: Literal["ordinal", "one_hot"] = Field(
        "ordinal", description="one_hot also imputes and scales the numeric columns"
    )
    params: dict[str, int | float | str | bool | None] = Field({})


class Split(Part):
    """The end of the training window, held back by time."""

    validation: Duration = Field(timedelta(days=7), description="chooses candidate and threshold")
    holdout: Duration = Field(timedelta(days=21), description="fresh rows for the gate")
    min_rows: int = Field(1000, ge=2, description="labelled rows without which nothing is fitted")


class Schedules(Part):
    """Cron lines (UTC) of the deployments, and how much one scheduled score run covers."""

    ingest: Cron
    materialize: Cron
    score: Cron
    monitor: Cron
    train: Cron
    reconcile: Cron = "*/5 * * * *"
    watch: Cron = "*/15 * * * *"
    score_window: Duration = timedelta(days=1)


class Demo(Part):
    """How `mainspring demo` plays a use case: who lands its files, and over which days."""

    source: str = Field(description="module whose write_landing(folder, start, end) lands files")
    start: date = Field(description="the first day that lands")
    train_at: date = Field(description="the day of the first training run")
    end: date = Field(description="the day after the last one")
    step: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if not self.start < self.train_at < self.end:
            raise ValueError("start, train_at and end must follow each other")
        return self


class UseCase(Part):
    """One model's whole life, as configured."""

    name: Name
    title: str
    expectations: str = Field(description="Python module of the suites")
    tables: dict[Name, Table] = Field(min_length=1)
    spine: Spine
    label: Label
    features: Features
    candidates: dict[Name, Candidate] = Field(min_length=1)
    split: Split = Split()
    evaluation: Evaluation
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
    seed: int = 0

    @property
    def slug(self) -> str:
        """The name as part of an artifact's key, which takes no underscore."""
        return self.name.replace("_", "-")

    def model_post_init(self, _context: object) -> None:
        """A metric that the YAML does not name is the first one of the label's kind."""
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
                    f"{field}: {metric} says nothing of a {kind} label (label.kind); take one of "
                    + ", ".join(fit)
                )
        return self

    @model_validator(mode="after")
    def _cost_fits_the_kind(self) -> Self:
        cost, wanted = self.evaluation.cost, COSTS[self.label.kind]
        if not isinstance(cost, wanted):
            raise ValueError(
                f"evaluation.cost: a {self.label.kind} label (label.kind) has its own prices: "
                f"{', '.join(wanted.model_fields)}; not {', '.join(type(cost).model_fields)}"
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
                    there = ", ".join(self.label.classes) or f"none, kind {self.label.kind}"
                    raise ValueError(f"{field}: {name!r} is no class (label.classes: {there})")
        return self

    @model_validator(mode="after")
    def _only_decisions_are_flagged(self) -> Self:
        if self.explanations.flagged is True and self.label.kind != "binary":
            raise ValueError(
                f"explanations.flagged: no row of a {self.label.kind} label is flagged; leave it "
                "out, and ask for single rows with mainspring explain. Of classes name those whose "
                "rows shall be explained: flagged: [late]"
            )
        return self

    @model_validator(mode="after")
    def _label_is_no_input(self) -> Self:
        if self.label.column in self.features.inputs:
            raise ValueError(f"features: the label {self.label.column!r} is among the inputs")
        return self

    @model_validator(mode="after")
    def _unit_is_part_of_the_key(self) -> Self:
        for name in getattr(self.rollout, "unit", ()):
            if name not in self.spine.key:
                raise ValueError(
                    f"rollout.unit: {name!r} is not one of spine.keys: {', '.join(self.spine.key)}"
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
                    raise ValueError(f"{field}: {name!r} is not an input of the model")
        return self


def load_use_case(name: str, folder: Path | None = None) -> UseCase:
    """Read `<folder>/<name>.yaml` (the settings say which folder); BadConfig says what is wrong."""
    path = (folder or settings().use_cases) / f"{name}.yaml"
    there = ", ".join(use_case_names(folder)) or "none"
    content = read_yaml(path, f"no such use case; there are: {there}")
    try:
        found = UseCase.model_validate(content)
    except ValidationError as wrong:
        raise BadConfig(f"{path} does not hold:\n" + explain(wrong, UseCase)) from wrong
    if found.name != name:
        raise BadConfig(f"{path}: name is {found.name!r}; it must be the file's, {name!r}")
    return found


def use_case_names(folder: Path | None = None) -> list[str]:
    """The use cases that have a YAML file, in order of name."""
    there = (folder or settings().use_cases).glob("[!.]*.yaml")  # not what an editor hides there
    return sorted(path.stem for path in there)

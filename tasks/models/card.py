"""Model card schema: configuration, metrics and reference of a model version, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from configs.schema import base
from configs.schema.training import Candidate
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.evaluation.problem_types import Threshold
from tasks.ledger.evidence import GateCheck
from tasks.models.footprint import Footprint
from tasks.models.matrix import InputSchema
from tasks.models.reference_profile import ReferenceProfile
from tasks.models.search_record import SearchRecord


class Refit(BaseModel):
    """The judged version whose settings were fitted again, and how both compare."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(description="the judged version; the card's metrics are its own")
    measured_from: datetime = Field(description="start of its holdout")
    measured_until: datetime = Field(description="end of its holdout")
    gates: tuple[GateCheck, ...] = Field(description="both versions on the newest rows")


class ModelCard(BaseModel):
    """The card of a model version. Metrics are measured with the ONNX file itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    use_case: str
    title: str
    algorithm: str = Field(description="the candidate's name in the YAML")
    candidate: Candidate
    inputs: InputSchema
    feature_service: str
    label: str
    kind: base.LabelKind = Field("binary", description="of the label")
    classes: tuple[str, ...] = Field((), description="of the label, in prediction order")
    threshold: Threshold = Field(
        description="probability from which it flags; of classes its prices; null of a number"
    )
    start: datetime = Field(description="prediction time of the first fitted row")
    fitted_until: datetime | None = Field(None, description="end of the train part")
    end: datetime = Field(description="the `as_of` of the training run")
    trained_until: datetime = Field(description="no row after it was used to fit or select")
    rows: dict[str, int]
    validation: dict[str, dict[str, float]] = Field(
        description="of every candidate, from scikit-learn"
    )
    holdout: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(
        {}, description="of holdout metrics, at gate.confidence; empty with too few blocks"
    )
    importance: dict[str, float] = Field(
        {}, description="mean |contribution| of each input to the prediction, on the holdout"
    )
    slices: tuple[dict[str, Any], ...]
    other_labels: dict[str, int] = Field(
        {}, description="values in the training window that are no label, with their rows"
    )
    empty_inputs: tuple[str, ...] = Field(
        (), description="numeric inputs without a value in the train span; the model ignores them"
    )
    rare_values: dict[str, int] = Field(
        {}, description="number of values by categorical input that share one code, as too rare"
    )
    giveaways: tuple[str, ...] = Field(
        (), description="inputs that explain nearly all of the label, each finding in words"
    )
    thin: tuple[dict[str, Any], ...] = Field((), description="slices too small to be measured")
    calibration: tuple[dict[str, float], ...]
    reference: ReferenceProfile = Field(description="rows before trained_until, with their score")
    table_versions: dict[str, int]
    revision: str
    seed: int
    environment: dict[str, str] = Field({}, description="Python and package versions")
    configuration: dict[str, Any] = Field({}, description="the use case's YAML at training")
    limits: dict[str, RuleLimit] = Field(
        {}, description="of performance rules with false_alarms, by the rule's subject"
    )
    refit: Refit | None = Field(None, description="of a version that passed the gate")
    search: SearchRecord | None = Field(
        None, description="of parameters", exclude_if=lambda search: search is None
    )
    parity: float
    footprint: Footprint
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the ONNX file")
    one_file_digest: str | None = Field(
        None, description="sha256 of the one-file model that MLflow's users load"
    )

"""The model card: everything that a model version knows about itself, as JSON."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from configs import part
from configs.settings import ROOT, settings
from configs.use_case import Candidate, UseCase
from tasks.drift import Profile, profile
from tasks.export import Exported, Footprint, answer, open_session
from tasks.holdout import importance, measured
from tasks.kinds import Threshold, kind_of
from tasks.matrix import Schema, build_matrix
from tasks.training import Fitted, Parts

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_PACKAGES = (
    "numpy", "polars", "deltalake", "feast", "scikit-learn", "skl2onnx", "onnx", "onnxruntime",
)  # fmt: skip


class Card(BaseModel):
    """What lies beside the ONNX file. Metrics are measured with the ONNX file itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    use_case: str
    title: str
    algorithm: str = Field(description="the candidate's name in the YAML")
    candidate: Candidate
    inputs: Schema
    feature_service: str
    label: str
    kind: part.Kind = Field("binary", description="of the label")
    classes: tuple[str, ...] = Field((), description="of the label, in the answers' order")
    threshold: Threshold = Field(
        description="from which it flags; of classes the prices by which it decides; null of a "
        "number"
    )
    start: datetime = Field(description="prediction time of the first fitted row")
    fitted_until: datetime | None = Field(None, description="the train part's end")
    end: datetime = Field(description="the `as_of` of the training run")
    trained_until: datetime = Field(description="neither fitted nor selected on anything later")
    rows: dict[str, int]
    validation: dict[str, dict[str, float]] = Field(
        description="of every candidate, scikit-learn's"
    )
    holdout: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(
        {}, description="of holdout metrics, at gate.confidence, by gate.block; empty if few"
    )
    importance: dict[str, float] = Field(
        {}, description="mean |contribution| of each input to the answer, on the holdout"
    )
    slices: tuple[dict[str, Any], ...]
    thin: tuple[dict[str, Any], ...] = Field((), description="slices too small to be measured")
    calibration: tuple[dict[str, float], ...]
    reference: Profile = Field(description="the rows before trained_until, with their score")
    table_versions: dict[str, int]
    revision: str
    seed: int
    environment: dict[str, str] = Field({}, description="Python and packages that made the file")
    configuration: dict[str, Any] = Field({}, description="the use case as its YAML was")
    parity: float
    footprint: Footprint
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the ONNX file")


def make_card(
    use_case: UseCase,
    parts: Parts,
    candidates: Sequence[Fitted],
    exported: Exported,
    table_versions: dict[str, int],
) -> Card:
    """Measure the exported model on the holdout, profile what it has seen, write all of it down."""
    from hashlib import sha256

    fitted, session = exported.fitted, open_session(exported.onnx)
    scores = answer(session, build_matrix(parts.holdout, fitted.schema))
    return Card(
        use_case=use_case.name,
        title=use_case.title,
        algorithm=fitted.name,
        candidate=fitted.candidate,
        inputs=fitted.schema,
        feature_service=use_case.features.service,
        label=use_case.label.column,
        kind=use_case.label.kind,
        classes=use_case.label.classes,
        threshold=exported.threshold,
        start=parts.train[use_case.spine.time].min(),
        fitted_until=parts.validation_start,
        end=parts.end,
        trained_until=parts.holdout_start,
        rows={
            "train": parts.train.height,
            "validation": parts.validation.height,
            "holdout": parts.holdout.height,
        },
        validation={each.name: each.validation for each in candidates},
        **measured(use_case, parts.holdout, scores, exported.threshold),
        importance=importance(
            kind_of(use_case), exported.threshold, session, fitted.schema, parts, use_case.seed
        ),
        reference=_reference(use_case, session, fitted.schema, parts.seen),
        table_versions=table_versions,
        revision=revision(),
        seed=use_case.seed,
        environment=environment(),
        configuration=use_case.model_dump(mode="json", by_alias=True),
        parity=exported.parity,
        footprint=exported.footprint,
        digest=sha256(exported.onnx).hexdigest(),
    )


def _reference(
    use_case: UseCase, session: InferenceSession, schema: Schema, seen: pl.DataFrame
) -> Profile:
    """The profile of the rows that the model was fitted and selected on, with its scores."""
    kind = kind_of(use_case)
    return profile(
        seen.with_columns(kind.scores(answer(session, build_matrix(seen, schema)))),
        (*schema.numeric, *kind.scored),
        schema.categorical,
        use_case.spine.time,
        use_case.monitor.drift,
        use_case.monitor.window,
    )


def revision() -> str:
    """The code's git commit (`-dirty` when files differ from it); else the package's version.

    An image has no git: the settings say what it was built from.
    """
    if settings().revision:
        return settings().revision
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        try:
            return version("mainspring")
        except PackageNotFoundError:
            return "unknown"


def environment() -> dict[str, str]:
    """The versions of Python and of the packages that a model's numbers come through."""
    return {"python": python_version(), **{name: version(name) for name in _PACKAGES}}

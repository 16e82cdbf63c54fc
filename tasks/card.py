"""The model card: everything that a model version knows about itself, as JSON and as Markdown."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from configs.settings import ROOT
from configs.use_case import Candidate, UseCase
from tasks.drift import Profile, profile
from tasks.evaluation import by_slice, calibration_table, evaluate
from tasks.export import Exported, Footprint, open_session, probabilities
from tasks.matrix import Schema, build_matrix
from tasks.training import Fitted, Parts, labels

SCORE = "score"  # the model's own output in its reference profile


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
    threshold: float
    start: datetime = Field(description="prediction time of the first fitted row")
    end: datetime = Field(description="the `as_of` of the training run")
    trained_until: datetime = Field(description="neither fitted nor selected on anything later")
    rows: dict[str, int]
    validation: dict[str, dict[str, float]] = Field(
        description="of every candidate, scikit-learn's"
    )
    holdout: dict[str, float]
    slices: tuple[dict[str, Any], ...]
    calibration: tuple[dict[str, float], ...]
    reference: Profile = Field(description="the rows before trained_until, with their score")
    table_versions: dict[str, int]
    revision: str
    seed: int
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

    fitted, rule = exported.fitted, use_case.evaluation
    session = open_session(exported.onnx)
    truth = labels(parts.holdout, use_case.label.column)
    scores = probabilities(session, build_matrix(parts.holdout, fitted.schema))
    sliced = (rule.slices, rule.slice_min_rows)
    seen = parts.seen
    seen = seen.with_columns(
        pl.Series(SCORE, probabilities(session, build_matrix(seen, fitted.schema)))
    )
    return Card(
        use_case=use_case.name,
        title=use_case.title,
        algorithm=fitted.name,
        candidate=fitted.candidate,
        inputs=fitted.schema,
        feature_service=use_case.features.service,
        label=use_case.label.column,
        threshold=exported.threshold,
        start=parts.train[use_case.spine.time].min(),
        end=parts.end,
        trained_until=parts.holdout_start,
        rows={
            "train": parts.train.height,
            "validation": parts.validation.height,
            "holdout": parts.holdout.height,
        },
        validation={each.name: each.validation for each in candidates},
        holdout=evaluate(truth, scores, exported.threshold, rule.cost),
        slices=tuple(
            by_slice(parts.holdout, truth, scores, exported.threshold, rule.cost, *sliced)
        ),
        calibration=tuple(calibration_table(truth, scores).to_dicts()),
        reference=profile(
            seen,
            (*fitted.schema.numeric, SCORE),
            fitted.schema.categorical,
            use_case.spine.time,
            use_case.monitor.drift,
            use_case.monitor.window,
        ),
        table_versions=table_versions,
        revision=revision(),
        seed=use_case.seed,
        parity=exported.parity,
        footprint=exported.footprint,
        digest=sha256(exported.onnx).hexdigest(),
    )


def revision() -> str:
    """The code's git commit (`-dirty` when files differ from it); else the package's version."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        try:
            return version("mainspring")
        except PackageNotFoundError:
            return "unknown"


def summary(card: Card) -> str:
    """The head of the card in Markdown: what it is, what it answers, how good it is."""
    shown = ("roc_auc", "pr_auc", "precision", "recall", "f1", "brier", "log_loss", "ece", "cost")
    holdout = [{"metric": name, "holdout": card.holdout[name]} for name in shown]
    return f"""# {card.title}

`{card.algorithm}` (`{card.candidate.estimator}`), inputs from feature service \
`{card.feature_service}`, flags at a probability of {card.threshold:.4f} or more.
Fitted and selected on {card.start:%Y-%m-%d} to {card.trained_until:%Y-%m-%d} \
({card.rows["train"]:,} + {card.rows["validation"]:,} rows), measured on the holdout up to \
{card.end:%Y-%m-%d} ({card.rows["holdout"]:,} rows, {card.holdout["positive_rate"]:.1%} positive).

{table(holdout)}
"""


def markdown(card: Card) -> str:
    """The whole card in Markdown."""
    tried = [{"candidate": name, **metrics} for name, metrics in card.validation.items()]
    keep = ("slice", "value", "rows", "positive_rate", "roc_auc", "calibration_gap", "cost")
    slices = [{name: entry[name] for name in keep} for entry in card.slices]
    cost = card.footprint
    return f"""{summary(card)}
## Candidates on the validation span
{table(tried)}

## Calibration on the holdout
{table(card.calibration)}

## Slices of the holdout
{table(slices)}

## Cost to run
{cost.bytes:,} bytes; one row {cost.latency_p50_us:.0f} µs (p99 {cost.latency_p99_us:.0f} µs); \
{cost.rows_per_second:,.0f} rows/s with one thread; peak memory {cost.peak_memory_mib:.0f} MiB of \
a fresh process. Differs from scikit-learn by at most {card.parity:.1e}, no decision differs.

## To reproduce
Code `{card.revision}`, seed {card.seed}, and these versions of the lake's tables, then
`prefect deployment run 'train/{card.use_case}' -p as_of={card.end.isoformat()}`.

{table([{"table": name, "version": number} for name, number in card.table_versions.items()])}

Inputs: {", ".join(card.inputs.inputs)}.
ONNX file: sha256 `{card.digest}`.
"""


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of rows that share their keys; numbers to four digits."""
    if not rows:
        return "(none)"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in r.values()] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value or 0) and abs(value) > 1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")

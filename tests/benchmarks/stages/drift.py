"""How far a window lies from the reference: PSI of kept bins, Evidently, and bare histograms."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.benchmarks import years
from tests.benchmarks.stages.model import inputs_of
from tests.benchmarks.work import Answer, Work


def ours(rows: int) -> Work:
    """`drift.drift` against the champion's reference profile."""
    from tasks.evaluation.problem_types.base import SCORE_COLUMN
    from tasks.models.registry import open_model
    from tasks.monitoring.drift import measure_drift

    reference = open_model(years.NAME, 1).card.reference
    frame = years.joined(rows).with_columns(pl.col("distance").alias(SCORE_COLUMN))
    return lambda: Answer(frame.height, measure_drift(frame, reference).height)


def evidently(rows: int) -> Work:
    """Evidently's DataDriftPreset, with PSI for every column, against the reference's rows."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    inputs = inputs_of()
    definition = DataDefinition(
        numerical_columns=[*inputs.numeric], categorical_columns=[*inputs.categorical]
    )
    columns = [pl.col(inputs.numeric).cast(pl.Float64), *inputs.categorical]
    now = years.joined(rows).select(columns).to_pandas()
    seen = years.joined(years.YEAR_ROWS).filter(pl.col("prediction_time") < years.TRAINED_AT)
    then = seen.select(columns).to_pandas()

    def work() -> Answer:
        current, reference = (Dataset.from_pandas(each, definition) for each in (now, then))
        preset = DataDriftPreset(num_method="psi", cat_method="psi", include_tests=False)
        Report([preset]).run(current, reference)
        return Answer(len(now), len(inputs.inputs))

    return work


def histograms(rows: int) -> Work:
    """Counts alone: numpy's histogram of each number, polars' value_counts of each category."""
    inputs, frame = inputs_of(), years.joined(rows)

    def work() -> Answer:
        for name in inputs.numeric:
            values = frame[name].cast(pl.Float64).drop_nulls().to_numpy()
            np.histogram(values, bins=np.linspace(values.min(), values.max(), 13))
        for name in inputs.categorical:
            frame[name].value_counts()
        return Answer(frame.height, len(inputs.inputs))

    return work

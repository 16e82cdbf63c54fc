"""A window scored: the flow's functions, the same parts bare, and the obvious stack."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from configs.clock import write_duration
from configs.schema.loading import load_use_case
from configs.settings import settings
from tests.benchmarks import bare, years
from tests.benchmarks.stages import model
from tests.benchmarks.work import Answer, Work

_KEYS = ("carrier", "flight", "origin", "flight_date", "prediction_time")


def ours(rows: int) -> Work:
    """What the score flow does, without Prefect: spine, features, matrix, ONNX, commits."""
    from tasks.features.retrieval import build_spine, join_features
    from tasks.models.registry import open_model
    from tasks.replay import simulate
    from tasks.storage.lake import open_lake

    start, end = years.span(rows)
    use_case, window = load_use_case(years.NAME), write_duration(end - start)
    years.borrow_lake(without="predictions")
    open_model(years.NAME, 1)
    join_features(
        use_case, build_spine(use_case, years.END - timedelta(days=1), years.END, years.END)
    )

    def work() -> Answer:
        simulate.simulate_score(use_case, end, window)
        held = open_lake(years.NAME).scan("predictions")
        return Answer(*held.select(pl.len(), pl.col("probability").mean()).collect().row(0))

    return work


def raw(rows: int) -> Work:
    """The sum of the raw parts: polars ASOF, a matrix, ONNX Runtime, one Delta commit."""
    from deltalake import write_deltalake

    session, inputs = model.session_of(), model.inputs_of()
    target = _empty("raw-predictions")

    def work() -> Answer:
        frame = bare.asof(bare.spine()).collect()
        ready = bare.matrix(frame, inputs)
        found = session.run(["probabilities"], {"inputs": ready})[0][:, 1]
        write_deltalake(str(target), frame.select(_KEYS).with_columns(probability=found))
        return Answer(len(found), float(np.mean(found)))

    return work


def obvious(rows: int) -> Work:
    """Feast's DuckDB query, pandas, scikit-learn, a Parquet file."""
    import duckdb  # noqa: F401

    estimator, inputs = model.estimator_of(), model.inputs_of()
    target = _empty("pandas-predictions")

    def work() -> Answer:
        import pandas as pd

        asked = bare.spine().collect().to_pandas()
        keys = asked[["prediction_time", *bare.KEYS]]
        found = bare.duckdb_rows(keys.rename(columns={"prediction_time": "event_timestamp"}))
        once = found.drop_duplicates(["event_timestamp", *bare.KEYS])
        frame = asked.merge(
            once.rename(columns={"event_timestamp": "prediction_time"}),
            on=["prediction_time", *bare.KEYS], how="left",
        )  # fmt: skip
        columns = [frame[name].astype("float32") for name in inputs.numeric]
        for name in inputs.categorical:
            codes = pd.Categorical(frame[name], categories=inputs.vocabulary[name]).codes
            columns.append(pd.Series(codes, name=name, dtype="float32"))
        probability = estimator.predict_proba(pd.concat(columns, axis=1).to_numpy())[:, 1]
        frame[list(_KEYS)].assign(probability=probability).to_parquet(target)
        return Answer(len(frame), float(probability.mean()))

    return work


def _empty(name: str) -> Path:
    target = Path(settings().lake, name)
    if target.is_dir():
        shutil.rmtree(target)
    return target

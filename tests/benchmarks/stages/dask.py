"""A window scored by the workers of a Dask cluster that is there already: one against two."""

from __future__ import annotations

import os
from functools import partial

import polars as pl

from configs.settings import settings
from configs.use_case import load_use_case
from tests.benchmarks import years
from tests.benchmarks.work import Answer, Work


def _scored(workers: int, rows: int) -> Work:
    """What the score flow does, without Prefect, from the cut to the commit, by workers that have
    scored before.
    """
    from distributed import LocalCluster

    from tasks import engine, partitions, scoring
    from tasks.lake import lake_of
    from tasks.parts import clear
    from tasks.predictions import PREDICTIONS, write

    use_case, window = load_use_case(years.NAME), years.span(rows)
    years.borrow_lake(without=PREDICTIONS)
    same = {"use_case": use_case, "as_of": years.END, "run_id": "bench"}
    cluster = LocalCluster(**engine.local_cluster(workers))
    first = partitions.cut(use_case, scoring.casts_in(use_case, window), years.END)[0]
    with cluster.get_client() as client:
        client.wait_for_workers(workers)
        client.run(partitions.answer, first, folder=None, **same)
    os.environ["MAINSPRING_ENGINE"] = cluster.scheduler_address
    settings.cache_clear()

    def work() -> Answer:
        cut = partitions.cut(use_case, scoring.casts_in(use_case, window), years.END)
        folder = partitions.aside(use_case, window, cut)
        answered = engine.each(partitions.answer, cut, folder=folder, **same)
        write(use_case, PREDICTIONS, partitions.of(PREDICTIONS, answered), window)
        clear(folder or "")
        held = lake_of(years.NAME).scan(PREDICTIONS)
        return Answer(*held.select(pl.len(), pl.col("probability").mean()).collect().row(0))

    return work


one, two = partial(_scored, 1), partial(_scored, 2)

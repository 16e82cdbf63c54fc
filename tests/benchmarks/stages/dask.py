"""A window scored by the workers of a Dask cluster that is there already: one against two."""

from __future__ import annotations

import os
from functools import partial
from multiprocessing.util import Finalize

from configs.schema.loading import load_use_case
from configs.settings import settings
from tests.benchmarks import years
from tests.benchmarks.stages import scoring
from tests.benchmarks.work import Work


def _scored(workers: int, rows: int) -> Work:
    """As `scoring.ours`, by workers that have scored before."""
    from distributed import LocalCluster

    from tasks.orchestration import parallel
    from tasks.scoring import partitions
    from tasks.scoring.batch import find_scoring_routes

    work, use_case = scoring.ours(rows), load_use_case(years.NAME)
    first = partitions.split_routes(
        use_case, find_scoring_routes(use_case, years.span(rows)), years.END
    )[0]
    cluster = LocalCluster(**parallel.local_cluster_options(workers))
    Finalize(None, cluster.close, exitpriority=1)  # or a nanny starts another worker at the end
    with cluster.get_client() as client:
        client.wait_for_workers(workers)
        client.run(partitions.score_partition_rows, first, use_case, years.END, "warm", None)
    os.environ["MAINSPRING_ENGINE"] = cluster.scheduler_address
    settings.cache_clear()
    return work


one, two = partial(_scored, 1), partial(_scored, 2)

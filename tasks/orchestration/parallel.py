"""Parallel map over partitions: in this process, or by the workers of a Dask cluster.

MAINSPRING_ENGINE chooses: `local`; `dask`, a temporary cluster of processes on this machine; or the
address of a scheduler, like tcp://10.0.0.5:8786. If a worker dies, only its current partition is
computed again, by another worker.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from prefect import Task

from configs.errors import BadConfig, Transient
from configs.settings import settings
from infra.environment import build_environment

if TYPE_CHECKING:
    from distributed import Future
    from prefect_dask import DaskTaskRunner


Result = TypeVar("Result")
_CHECK_SECONDS = 10  # between checks for workers while no result arrives
_WORKER_TIMEOUT = 60  # seconds without any worker before an error
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_LOCAL: dict[str, Any] = {
    "host": "127.0.0.1",
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",
    "env": _ONE_THREAD,
}


def map_parallel(
    work: Task[..., Result] | Callable[..., Result],
    parts: Sequence[Any],
    report_done: Callable[[int], None] = lambda _: None,
    /,
    **shared: object,
) -> list[Result]:
    """Return the results of `work` for each part, in their order.

    Args:
        work: a function, or a Prefect task, which gets one task run for each part.
        parts: values of its first argument.
        report_done: called with the number of finished parts, after each of them.
        shared: its other arguments.

    Raises:
        Transient: no worker is left, or several workers died over one part. Errors of `work` are
            raised unchanged.
    """
    if len(parts) < 2 or settings().engine == "local":
        results = []
        for part in parts:
            results.append(work(part, **shared))
            report_done(len(results))
        return results
    with _workers() as runner:
        futures = [_submit(runner, work, part, shared) for part in parts]
        return _gather(runner, futures, report_done)


def local_cluster_options(workers: int) -> dict[str, Any]:
    """Return the options of Dask's LocalCluster: processes with one thread for each library."""
    pinned = {"preload": "tasks.orchestration.dask_affinity"} if workers == os.cpu_count() else {}
    return {**_LOCAL, **pinned, "n_workers": workers}


def _submit(
    runner: DaskTaskRunner,
    work: Task[..., Result] | Callable[..., Result],
    part: object,
    shared: dict[str, object],
) -> Future:
    if not isinstance(work, Task):
        return runner.client.submit(work, part, **shared, pure=False)
    first = next(iter(inspect.signature(work.fn).parameters))
    return runner.submit(work, {first: part, **shared})


def _gather(
    runner: DaskTaskRunner, futures: Sequence[Future], report_done: Callable[[int], None]
) -> list[Any]:
    """Return the results in order, each fetched and released at once.

    A worker that dies later then does not lose them.
    """
    from distributed import KilledWorker

    # Prefect's future of a task wraps Dask's
    places = {getattr(future, "wrapped_future", future): n for n, future in enumerate(futures)}
    results: dict[int, Any] = {}
    while len(results) < len(futures):
        for done in _wait_for_next(runner, list(places)):
            place = places.pop(done)
            try:
                results[place] = futures[place].result()
            except KilledWorker as killed:
                raise Transient(
                    "several workers died over the same partition, the last one "
                    f"{killed.last_worker.address}: read its log; if it ran out of memory, lower "
                    "MAINSPRING_PARTITION_ROWS"
                ) from killed
            done.release()
            report_done(len(results))
    return [results[place] for place in range(len(futures))]


def _wait_for_next(runner: DaskTaskRunner, pending: Sequence[Future]) -> Iterable[Future]:
    """Wait until one future is done, and return all that are; Transient if no worker is left."""
    from distributed import wait

    seconds_alone = 0
    while seconds_alone < _WORKER_TIMEOUT:
        try:
            return cast("Iterable[Future]", wait(pending, _CHECK_SECONDS, "FIRST_COMPLETED").done)
        except TimeoutError:
            workers = runner.client.scheduler_info(n_workers=-1)["workers"]
            seconds_alone = 0 if workers else seconds_alone + _CHECK_SECONDS
    raise Transient(
        f"{_describe_engine()} has no worker left; nothing was committed. Start workers "
        "and run again"
    )


@contextmanager
def _workers() -> Iterator[DaskTaskRunner]:
    """Yield a task runner with at least one worker; BadConfig if no worker responds."""
    from prefect_dask import DaskTaskRunner

    logging.getLogger("distributed").setLevel(logging.WARNING)  # it logs every connection
    options: dict[str, Any] = {"address": settings().engine}
    if settings().engine == "dask":
        options = {"cluster_kwargs": local_cluster_options(settings().dask_workers)}
    with DaskTaskRunner(**options) as runner:
        try:
            runner.client.wait_for_workers(1, timeout=_WORKER_TIMEOUT)
        except OSError as error:  # TimeoutError is one
            raise BadConfig(
                f"MAINSPRING_ENGINE: no worker of {_describe_engine()} responds ({error}); start a "
                "scheduler and workers there, or set it to local or dask"
            ) from error
        runner.client.register_plugin(_build_settings_plugin())
        with runner.client.as_current():
            yield runner


def _build_settings_plugin() -> Any:  # noqa: ANN401
    """Build the plugin that gives every worker, also later ones, this process's settings."""
    from distributed import WorkerPlugin

    class Settings(WorkerPlugin):  # type: ignore[misc]
        """Plugin that carries the settings' variables to the workers."""

        name = "mainspring-settings"

        def __init__(self) -> None:
            excluded = (
                "PATH",
                "PYTHONPATH",
                "PREFECT_HOME",
                "PREFECT_API_URL",
            )  # Prefect sends its own
            self.variables = {n: v for n, v in build_environment().items() if n not in excluded}

        def setup(self, worker: object) -> None:  # noqa: ARG002
            os.environ.update(self.variables)
            settings.cache_clear()

    return Settings()


def _describe_engine() -> str:
    engine = settings().engine
    return "the cluster on this machine" if engine == "dask" else engine

"""Where partitions are worked on: here, one after another, or by the workers of a Dask cluster.

MAINSPRING_ENGINE says which: `local`; `dask`, a cluster of processes on this machine that lives as
long as it is needed; or the address of a scheduler, like tcp://10.0.0.5:8786. A partition that is
lost with its worker is worked on again by another one, and nothing else is.
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


Found = TypeVar("Found")
_LOOK = 10  # seconds between looks for workers while there are none, or nothing is ready
_PATIENCE = 60  # seconds without any worker after which it is given up
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_LOCAL: dict[str, Any] = {
    "host": "127.0.0.1",
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",
    "env": _ONE_THREAD,
}


def map_parallel(
    work: Task[..., Found] | Callable[..., Found], parts: Sequence[Any], **same: object
) -> list[Found]:
    """What `work` makes of each part, in their order; `same` are its other arguments.

    A Prefect task becomes a task run a part. What fails is raised as it was; Transient if no worker
    is left, or one part killed several of them.
    """
    if len(parts) < 2 or settings().engine == "local":
        return [work(part, **same) for part in parts]
    with _workers() as runner:
        return _gather(runner, [_submit(runner, work, part, same) for part in parts])


def local_cluster_options(workers: int) -> dict[str, Any]:
    """How Dask's LocalCluster is made: processes with one thread for each library."""
    own = {"preload": "tasks.orchestration.dask_affinity"} if workers == os.cpu_count() else {}
    return {**_LOCAL, **own, "n_workers": workers}


def _submit(
    runner: DaskTaskRunner,
    work: Task[..., Found] | Callable[..., Found],
    part: object,
    same: dict[str, object],
) -> Future:
    if not isinstance(work, Task):
        return runner.client.submit(work, part, **same, pure=False)
    first = next(iter(inspect.signature(work.fn).parameters))
    return runner.submit(work, {first: part, **same})


def _gather(runner: DaskTaskRunner, futures: Sequence[Future]) -> list[Any]:
    """The results, each taken as soon as it is there and then forgotten by Dask: a worker that is
    lost later does not take it along.
    """
    from distributed import KilledWorker

    # Dask's own future of a Prefect task is inside of Prefect's
    places = {getattr(future, "wrapped_future", future): n for n, future in enumerate(futures)}
    found: dict[int, Any] = {}
    while len(found) < len(futures):
        for done in _next(runner, list(places)):
            place = places.pop(done)
            try:
                found[place] = futures[place].result()
            except KilledWorker as killed:
                raise Transient(
                    "several workers died over the same partition, the last one "
                    f"{killed.last_worker.address}: look into its log; if memory gave out, lower "
                    "MAINSPRING_PARTITION_ROWS"
                ) from killed
            done.release()
    return [found[place] for place in range(len(futures))]


def _next(runner: DaskTaskRunner, pending: Sequence[Future]) -> Iterable[Future]:
    """Those that are done, as soon as one is; Transient if there is no worker for a while."""
    from distributed import wait

    alone = 0
    while alone < _PATIENCE:
        try:
            return cast("Iterable[Future]", wait(pending, _LOOK, "FIRST_COMPLETED").done)
        except TimeoutError:
            here = runner.client.scheduler_info(n_workers=-1)["workers"]
            alone = 0 if here else alone + _LOOK
    raise Transient(
        f"{_place()} has no worker any more; nothing was committed. Start workers and run again"
    )


@contextmanager
def _workers() -> Iterator[DaskTaskRunner]:
    """A task runner with at least one worker; BadConfig if there is no such cluster."""
    from prefect_dask import DaskTaskRunner

    logging.getLogger("distributed").setLevel(logging.WARNING)  # it tells of every connection
    place: dict[str, Any] = {"address": settings().engine}
    if settings().engine == "dask":
        place = {"cluster_kwargs": local_cluster_options(settings().dask_workers)}
    with DaskTaskRunner(**place) as runner:
        try:
            runner.client.wait_for_workers(1, timeout=_PATIENCE)
        except OSError as silent:  # TimeoutError is one
            raise BadConfig(
                f"MAINSPRING_ENGINE: no worker of {_place()} answers ({silent}); start a scheduler "
                "and workers there, or set it to local or dask"
            ) from silent
        runner.client.register_plugin(_plugin())
        with runner.client.as_current():
            yield runner


def _plugin() -> Any:  # noqa: ANN401
    """What gives each worker, also one that comes later, the settings of who asks."""
    from distributed import WorkerPlugin

    class Settings(WorkerPlugin):  # type: ignore[misc]
        """Sent to the workers with the settings' variables in it."""

        name = "mainspring-settings"

        def __init__(self) -> None:
            own = ("PATH", "PYTHONPATH", "PREFECT_HOME", "PREFECT_API_URL")  # Prefect sends its own
            self.variables = {n: v for n, v in build_environment().items() if n not in own}

        def setup(self, worker: object) -> None:  # noqa: ARG002
            os.environ.update(self.variables)
            settings.cache_clear()

    return Settings()


def _place() -> str:
    engine = settings().engine
    return "the cluster on this machine" if engine == "dask" else engine

"""The overview of many models: seconds until it is written, scraped, and opened in Chromium."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from configs.settings import settings
from tests.support import overview_state
from tests.support.chromium import browse
from tests.support.state import state

MODELS, WEEKS = 100, 200
WANTED = {"a run of one model": 5.0, "page of all models": 2.0, "page of one model": 2.0}
"""Bounds in seconds: what a run writes, and what a person opens."""


def measure(folder: Path, models: int = MODELS, weeks: int = WEEKS) -> dict[str, float]:
    """Return the seconds of each step, at a number of models with a number of monitored weeks.

    Args:
        folder: a folder of its own; what is in it is removed.
        models: number of use cases.
        weeks: number of monitored windows of each one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [f"case_{number:03}" for number in range(models)]
    with state(folder, {"MAINSPRING_USE_CASES": str(folder / "configs")}):
        for name in names:
            overview_state.write_use_case(folder / "configs", name)
        overview_state.write_ledger(folder, names)
        for seed, name in enumerate(names):
            overview_state.write_measurements(name, weeks, seed)
        return dict(_measure_steps(names))


def _measure_steps(names: list[str]) -> Iterator[tuple[str, float]]:
    from tasks.overview.metrics.scrape import ReportsMetrics
    from tasks.overview.write import write_all_overviews, write_overview

    os.environ.pop("PREFECT_API_URL", None)  # failed runs are not part of it
    yield "all models", _seconds(lambda: write_all_overviews(None))
    use_case, metrics = load_use_case(names[0]), ReportsMetrics()
    yield "a run of one model", _seconds(lambda: write_overview(use_case, None))
    yield "a scrape of Prometheus", _seconds(lambda: metrics.render(utc_or_now()))
    pages = {"page of all models": "index.html", "page of one model": f"{names[0]}/index.html"}
    with _opening() as open_page:
        open_page("about:blank")
        for name, path in pages.items():
            address = (Path(settings().reports) / path).as_uri()
            yield name, _seconds(lambda address=address: open_page(address))  # type: ignore[misc]


@contextmanager
def _opening() -> Iterator[Callable[[str], None]]:
    with browse() as page:
        yield page.open


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began

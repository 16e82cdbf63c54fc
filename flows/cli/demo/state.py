"""State folder of the demo, its weeks, and the files that land in each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from configs.errors import BadConfig
from configs.schema.use_case import Demo, UseCase
from configs.settings import settings
from tasks.ledger.log import open_ledger
from tasks.storage import files
from tasks.storage.lake import open_lake

MARK = "made-by-mainspring-demo"


@dataclass(frozen=True)
class DemoWeek:
    """One step of the demo: the days whose files land, and the `as_of` of its flows."""

    start: date
    end: date

    @property
    def as_of(self) -> datetime:
        """Midnight (UTC) after the step's last day."""
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC)


def list_weeks(demo: Demo, end: date) -> Iterator[DemoWeek]:
    """List the steps from the first training run to `end`, without one that would pass it."""
    start = demo.train_at
    while start + demo.step <= end:
        yield DemoWeek(start, start + demo.step)
        start += demo.step


def reset_state(state: Path) -> None:
    """Erase an earlier demo in `state`, and point the settings at the empty folder.

    Raises BadConfig if the folder has content that no demo made.
    """
    if state.exists() and any(state.iterdir()) and not (state / MARK).exists():
        raise BadConfig(
            f"{state} was not made by a demo and is not erased. Give another folder with --state"
        )
    os.environ["MAINSPRING_STATE"] = str(state.resolve())
    settings.cache_clear()
    open_ledger.cache_clear()
    if state.exists():
        from infra import stack

        stack.down()
        shutil.rmtree(state)
    state.mkdir(parents=True)
    (state / MARK).touch()


def require_empty_state(use_case: UseCase) -> None:
    """Raise BadConfig if lake, landing folder or ledger already have content of the use case.

    They do where a setting places one of them outside the demo's folder.
    """
    name, raw = use_case.name, [f"raw/{table}" for table in use_case.tables]
    contents = {
        "MAINSPRING_LAKE": open_lake(name).versions(raw),
        "MAINSPRING_LANDING": files.list_files(f"{settings().landing}/{name}"),
        "MAINSPRING_LEDGER_URL": open_ledger().entries(name),
    }
    if filled := [setting for setting, content in contents.items() if content]:
        raise BadConfig(
            f"{', '.join(filled)}: {name} already exists there, and the demo would change it. "
            "Unset the setting, or give it an empty place"
        )


def land_week(use_case: UseCase, demo: Demo, week: DemoWeek) -> None:
    """Write the files of a week into the landing folder."""
    source = import_module(demo.source)
    with TemporaryDirectory() as folder:
        source.write_landing(Path(folder), week.start, week.end)
        files.upload_folder(Path(folder), f"{settings().landing}/{use_case.name}")

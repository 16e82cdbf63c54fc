"""A window cut into partitions of time: memory is that of one of them, however long the window is.

Where the cuts are depends on the YAML, the settings and the spine, never on who works on them or
how many. So the tables come out the same, in whatever order partitions are done, and however often.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
from prefect import get_run_logger, runtime, task

from configs.errors import NoChampion
from configs.settings import settings
from configs.use_case import UseCase
from tasks.features import spine
from tasks.lake import lake_of
from tasks.parts import Part, Window, clear, folder_of, make_part, spans
from tasks.predictions import CONTRIBUTIONS, PREDICTIONS, SHADOWS, write
from tasks.reasons import reasons
from tasks.retries import STEADY
from tasks.rollout import Cast
from tasks.scoring import casts_in, roles, score

Answers = Mapping[str, Part]
"""What one partition came to: its part of each table; none of a table it has nothing to say to."""

_PROBES = 5
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
_log = logging.getLogger(__name__)


def cut(use_case: UseCase, casts: Sequence[Cast], as_of: datetime) -> list[Cast]:
    """The casts in partitions: whole score windows of each, as many as hold about
    MAINSPRING_PARTITION_ROWS predictions where it is busiest, at least one.
    """
    return [
        replace(cast, start=start, end=end)
        for cast in casts
        for start, end in spans(cast.start, cast.end, _length(use_case, cast, as_of))
    ]


def aside(use_case: UseCase, window: Window, partitions: Sequence[Cast]) -> str | None:
    """The folder that the partitions of a window are put into; a single one stays in memory."""
    return folder_of(lake_of(use_case.name).root, window) if len(partitions) > 1 else None


def keep(cast: Cast, tables: Mapping[str, pl.DataFrame], folder: str | None) -> Answers:
    """The rows of each table as parts, put aside if there is a folder for it."""
    span = (cast.start, cast.end)
    return {
        table: make_part(span, rows, folder and f"{folder}/{table}")
        for table, rows in tables.items()
        if rows.columns
    }


def of(table: str, answered: Sequence[Answers]) -> list[Part]:
    """The parts of one table, in the order of the partitions."""
    return [answers[table] for answers in answered if table in answers]


def answer(
    cast: Cast,
    use_case: UseCase,
    as_of: datetime,
    run_id: str,
    folder: str | None,
    *,
    explain: bool = False,
    log: _Log = _log,
) -> Answers:
    """As `score`, and `reasons` if asked for, of one partition; the parts of its tables.

    A version in shadow that does not answer is an error in the log: the review of its stage, or of
    the bake window, then misses rows.
    """
    scored = score(use_case, cast, as_of, run_id)
    if scored.used.is_empty():
        log.warning("nothing is predicted from %s to %s", cast.start, cast.end)
    for version, wrong in scored.failed.items():
        log.error("version %s did not answer beside the champion", version, exc_info=wrong)
    tables = scored.tables
    if explain:
        tables[CONTRIBUTIONS] = reasons(use_case, scored)
    return keep(cast, tables, folder)


def _length(use_case: UseCase, cast: Cast, as_of: datetime) -> timedelta:
    """How long a partition is. A cast no longer than a score window is one, without a look."""
    step, whole = use_case.schedules.score_window, cast.end - cast.start
    if whole <= step:
        return whole
    probes = [cast.start + (whole - step) * number / (_PROBES - 1) for number in range(_PROBES)]
    busiest = max(spine(use_case, at, at + step, as_of).height for at in probes)
    return step * max(1, settings().partition_rows // busiest) if busiest else whole


@task(task_run_name="who answers when", **STEADY)
def find_partitions(use_case: UseCase, window: Window, as_of: datetime) -> list[Cast]:
    """The casts of a window, cut; a window without any champion is a warning, not an error."""
    log = get_run_logger()
    try:
        casts = casts_in(use_case, window)
    except NoChampion as nobody:
        log.warning("%s", nobody)
        return []
    for cast in casts:
        told = ", ".join(f"version {version} as {role}" for version, role in roles(cast).items())
        log.info("from %s to %s: %s", cast.start, cast.end, told)
    found = cut(use_case, casts, as_of)
    log.info("%s partitions", len(found))
    return found


@task(task_run_name="score {cast.start} with champion {cast.champion}", **STEADY)
def score_partition(cast: Cast, use_case: UseCase, as_of: datetime, folder: str | None) -> Answers:
    """As `answer`, seen by Prefect, with reasons if the YAML asks for them."""
    run, explain = str(runtime.flow_run.id), bool(use_case.explanations.flagged)
    return answer(cast, use_case, as_of, run, folder, explain=explain, log=get_run_logger())


@task(task_run_name="write shadows", **STEADY)
def write_shadows(use_case: UseCase, answered: Sequence[Answers], window: Window) -> None:
    """The answers that are not used, before the ones that are: no used row misses its shadow."""
    _write(use_case, SHADOWS, answered, window)


@task(task_run_name="write predictions", **STEADY)
def write_predictions(use_case: UseCase, answered: Sequence[Answers], window: Window) -> int:
    """The answers that are used; the number of rows."""
    return _write(use_case, PREDICTIONS, answered, window)


@task(task_run_name="write contributions", **STEADY)
def write_contributions(use_case: UseCase, answered: Sequence[Answers], window: Window) -> int:
    """What explains the flagged rows of the window; the number of rows written."""
    return _write(use_case, CONTRIBUTIONS, answered, window)


@task(task_run_name="clear what was put aside", **STEADY)
def clear_aside(folder: str) -> None:
    """What the partitions put aside is in the tables now."""
    clear(folder)


def _write(use_case: UseCase, table: str, answered: Sequence[Answers], window: Window) -> int:
    parts = of(table, answered)
    version = write(use_case, table, parts, window)
    rows = sum(part.height for part in parts)
    get_run_logger().info("%s %s, table version %s", rows, table, version)
    return rows

"""Run times of a cron schedule."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from configs.clock import as_utc

_BATCH = 1000  # most times that a schedule of Prefect returns at once


def list_schedule_times(cron: str, start: datetime, end: datetime) -> list[datetime]:
    """Return the times in [start, end) at which Prefect runs a schedule (UTC)."""
    from prefect.server.schemas.schedules import CronSchedule

    schedule, times = CronSchedule(cron=cron, timezone="UTC"), list[datetime]()
    while True:
        since = start if not times else times[-1] + timedelta(seconds=1)
        dates = asyncio.run(schedule.get_dates(_BATCH, since, end))
        times += [as_utc(datetime.fromisoformat(at.isoformat())) for at in dates if at < end]
        if len(dates) < _BATCH:
            return times

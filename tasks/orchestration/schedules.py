"""Run times of a cron schedule."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from configs.clock import utc_or_now

_AT_ONCE = 1000  # moments that Prefect's schedules give at a time


def list_schedule_times(cron: str, start: datetime, end: datetime) -> list[datetime]:
    """When a schedule (UTC) runs in [start, end), as Prefect has it."""
    from prefect.server.schemas.schedules import CronSchedule

    schedule, found = CronSchedule(cron=cron, timezone="UTC"), list[datetime]()
    while True:
        since = start if not found else found[-1] + timedelta(seconds=1)
        dates = asyncio.run(schedule.get_dates(_AT_ONCE, since, end))
        found += [utc_or_now(datetime.fromisoformat(at.isoformat())) for at in dates if at < end]
        if len(dates) < _AT_ONCE:
            return found

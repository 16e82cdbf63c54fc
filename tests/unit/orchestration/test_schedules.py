"""Times of a cron schedule."""

from datetime import UTC, datetime, timedelta

from tasks.orchestration.schedules import list_schedule_times

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def test_a_schedule_runs_when_prefect_would_run_it() -> None:
    monthly = list_schedule_times("0 5 1 * *", APRIL, APRIL + 100 * DAY)
    assert [f"{at:%m-%d %H:%M}" for at in monthly] == [f"{m:02}-01 05:00" for m in (4, 5, 6, 7)]
    assert all(at.tzinfo == UTC for at in monthly)
    assert len(list_schedule_times("0 * * * *", APRIL, APRIL + 50 * DAY)) == 1200

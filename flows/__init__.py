"""Prefect flows: one a file, which call tasks in order and contain no logic."""

from tasks.orchestration.run_logs import clean_run_logs

clean_run_logs()

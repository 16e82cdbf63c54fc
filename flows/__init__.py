"""Prefect flows: one a file, which call tasks in order and contain no logic."""

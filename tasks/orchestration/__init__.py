"""Prefect and Dask: events, retries, flow runs, parallel partitions."""

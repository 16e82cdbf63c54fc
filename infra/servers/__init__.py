"""Servers of Mainspring: Prefect and MLflow behind an access guard."""

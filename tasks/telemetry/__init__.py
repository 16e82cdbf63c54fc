"""Telemetry: the names of all Prometheus metrics, and the alerts that come back as episodes."""

"""Prometheus, Alertmanager and Grafana beside the stack: configuration, and its dashboards."""

"""Prometheus metrics of the models: gauges that a run leaves, and the text of a scrape."""

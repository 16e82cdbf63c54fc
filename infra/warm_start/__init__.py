"""Warm start of flow runs: a fork server and its client."""

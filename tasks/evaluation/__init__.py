"""Metrics, problem types and statistical tests; nothing is read or written here."""

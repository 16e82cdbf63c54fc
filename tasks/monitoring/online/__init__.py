"""Measurements of requests: flags of callers, and training-serving skew."""

"""Drift, performance, data contract and freshness of a champion."""

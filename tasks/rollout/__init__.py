"""Rollouts and bake windows: which version scores which row."""

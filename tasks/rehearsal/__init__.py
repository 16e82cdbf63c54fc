"""Rehearsal of a use case's policy on resampled histories of its own judged days."""
